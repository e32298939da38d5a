"""A manifest of our own kind: `metadata.csv`, the convention of Hugging Face image folders."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from demagnify.data import csv_reader
from demagnify.data.builder import ManifestBuilder
from demagnify.data.formats.base import Format, FormatOptions
from demagnify.data.manifest import FILE_NAME, Manifest


class MetadataFile(Format[FormatOptions]):
    """A file that lists images and labels, or a folder with one."""

    name: ClassVar[str] = "metadata"
    summary: ClassVar[str] = "a CSV file, or a folder with metadata.csv"
    options_type = FormatOptions

    def recognises(self, source: Path) -> bool:
        """Whether it is a file, or a folder with such a file."""
        return source.is_file() or (source / FILE_NAME).is_file()

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the file; see `demagnify.data.manifest` for the columns."""
        path = source if source.is_file() else source / FILE_NAME
        builder = ManifestBuilder(path.parent, strict=strict)
        records, skipped = csv_reader.read(path, strict=strict)
        for record in records:
            builder.add(record)
        for line in skipped:
            builder.skip(line.where, line.reason)
        return builder.build()
