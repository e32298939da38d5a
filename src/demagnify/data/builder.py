"""How a reader makes a manifest, however large: row by row, into columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from demagnify.core.errors import BadManifestError
from demagnify.data.columns import RowCollector, stored_name
from demagnify.data.manifest import Manifest
from demagnify.data.records import Box, Record, Skipped


class ManifestBuilder:
    """Collects what a reader finds, and what it must leave out.

    Args:
        root: The folder that the files lie in.
        strict: Whether the first thing to be left out stops the reading.
    """

    def __init__(self, root: Path, *, strict: bool = False) -> None:
        self.root = root
        self._strict = strict
        self._rows = RowCollector()
        self._skipped: list[Skipped] = []

    def add(self, record: Record) -> None:
        """Adds a record; nothing is checked."""
        self.add_row(
            stored_name(record.path, self.root),
            record.label,
            record.split,
            record.group,
            box=record.box,
            frame=record.frame,
            extra=record.extra,
        )

    def add_row(
        self,
        name: str,
        label: int,
        split: str,
        group: str,
        *,
        box: Box | None = None,
        frame: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Adds what would be a record with the path `root / name`, and is faster than `add`."""
        self._rows.add(name, label, split, group, box, frame, extra or {})

    def skip(self, where: str, reason: str) -> None:
        """Notes what was left out: the file or line, and what is wrong with it.

        Raises:
            BadManifestError: If the reading is strict.
        """
        if self._strict:
            raise BadManifestError(f"{where}: {reason}")
        self._skipped.append(Skipped(where, reason))

    def build(self) -> Manifest:
        """Returns the manifest."""
        return Manifest.from_table(self._rows.table(), root=self.root, skipped=self._skipped)
