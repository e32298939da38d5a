"""Whether the table of crops is still as `data prepare` wrote it; people may edit it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from demagnify.core.errors import DemagnifyWarning
from demagnify.core.runs import file_checksum, last_of
from demagnify.data.manifest import FILE_NAME

JOURNAL: Final = "prepare.jsonl"
TABLES: Final = ""
"""In the journal, among the names of the sources: the checksums of the tables."""


def note_change(table: Path) -> None:
    """Says so, in a warning, where a table beside the journal of `data prepare` is another."""
    noted = last_of(table.with_name(JOURNAL), TABLES) if table.name == FILE_NAME else None
    if isinstance(noted, list) and noted and noted[0] != file_checksum(table):
        warnings.warn(
            f"{table} was changed by hand or damaged since data prepare wrote it; the same command "
            "writes it again",
            DemagnifyWarning,
            stacklevel=3,
        )
