"""A table of images and labels: `metadata.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet`.

This is the convention of Hugging Face image folders, with splits as a column, as folders
(`train/metadata.csv`, `test/metadata.csv`) that hold a table each, or as tables called like splits
(`train.csv`, `data/test-00000-of-00002.parquet`). Parquet may have the pictures inside, and so may
the Arrow files that `datasets` writes with `save_to_disk`. JSON is lines, or one list of objects.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePath
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from demagnify.core.errors import BadManifestError, DemagnifyWarning
from demagnify.core.runs import file_checksum, last_of
from demagnify.data import splits
from demagnify.data.formats.annotation_files import read_json
from demagnify.data.formats.base import FORMATS, Exported, Format, FormatOptions
from demagnify.data.listing import subfolders
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.tables import READERS, TableFile, is_complete, known, read_columns, read_tables
from demagnify.data.tables.columnar import ARROW, PARQUET
from demagnify.data.tables.embedded_images import image_column
from demagnify.data.tables.readers import JSON, is_json_list

JOURNAL: Final = "prepare.jsonl"
"""Of `data prepare`, beside the table of the crops."""
TABLES: Final = ""
"""In the journal, among the names of the sources: the checksums of the tables."""
_STEM: Final = "metadata"
_SUFFIXES: Final = (*READERS, ".txt")
_SAVED: Final = "state.json"
_SAVED_SPLITS: Final = "dataset_dict.json"
_DATA: Final = "data"
_SHARD: Final = re.compile(r"(.*?)([-_.]?\d+(-of-\d+.*)?)?")


class MetadataOptions(FormatOptions):
    """How a table is read."""

    check_files: bool = Field(
        default=True,
        description="Whether to leave out rows whose file does not exist; without, such files "
        "are reported when they are read",
    )


@FORMATS.register("metadata")
class Metadata(Format[MetadataOptions]):
    """A file that lists images and labels, a folder with one, or split folders with one each."""

    name: ClassVar[str] = "metadata"
    order: ClassVar[int] = 10
    summary: ClassVar[str] = (
        "a CSV, JSON, Parquet or Arrow table, or a folder with metadata.csv, train.csv, "
        "data/*.parquet, or of datasets.save_to_disk"
    )
    refused: ClassVar[str] = (
        "tables without a column of files or of labels (see Tables), rows whose file is "
        "missing, and two tables called metadata in one folder, since either could be meant"
    )
    options_type = MetadataOptions
    writes: ClassVar[str] = "a table .csv, .jsonl or .parquet in a folder above the pictures"

    def recognises(self, source: Path) -> bool:
        """Whether it is such a file, or a folder with `metadata.*`."""
        if source.is_file():
            return source.suffix.lower() in _SUFFIXES or _is_list(source)
        return bool(
            _tables_in(source)
            or _saved_tables(source)
            or _tables_in_splits(source)
            or _split_tables(source)
        )

    def read(self, source: Path, options: MetadataOptions, *, strict: bool) -> Manifest:
        """Reads the tables; see `demagnify.data.manifest` for the columns."""
        if source.is_file():
            root, files = source.parent, [TableFile(source)]
        else:
            root = source
            files = [TableFile(path) for path in _only_one(_tables_in(source))]
            files = files or _saved_tables(source)
            files = files or _tables_in_splits(source) or _split_tables(source)
        if not files:
            raise BadManifestError(f"{source}: there is no metadata.csv, .jsonl or .parquet")
        for file in files:
            note_change(file.path)
        return read_tables(files, root, strict=strict, check_files=options.check_files)

    def write(self, manifest: Manifest, output: Path, options: FormatOptions) -> Exported:
        """Writes the table; see `Manifest.save`."""
        del options
        manifest.save(output)
        return Exported((output,))


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


def _tables_in(folder: Path) -> list[Path]:
    paths = (folder / f"{_STEM}{suffix}" for suffix in (*READERS, JSON))
    return [path for path in paths if path.is_file() and (path.suffix != JSON or _is_list(path))]


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == JSON and is_json_list(path)


def _saved_tables(folder: Path) -> list[TableFile]:
    """Returns the Arrow files of a data set, or of its splits, that `save_to_disk` wrote.

    Raises:
        BadManifestError: If its list of files cannot be read, or rows are chosen by an index.
    """
    if (folder / _SAVED).is_file():
        return _saved_files(folder, splits.WHOLE)
    if not (folder / _SAVED_SPLITS).is_file():
        return []
    inside = (path for path in subfolders(folder) if (path / _SAVED).is_file())
    return [file for path in inside for file in _saved_files(path, splits.parse_split(path.name))]


def _saved_files(folder: Path, split: str) -> list[TableFile]:
    state = read_json(folder / _SAVED)
    listed = state.get("_data_files") if isinstance(state, dict) else None
    names = [item.get("filename") for item in listed or () if isinstance(item, dict)]
    plain = [name for name in names if isinstance(name, str) and PurePath(name).name == name]
    if not names or plain != names:
        raise BadManifestError(f"{folder / _SAVED}: lists no Arrow files")
    if isinstance(state, dict) and state.get("_indices_data_files"):
        raise BadManifestError(
            f"{folder}: rows are chosen by an index", hint="call flatten_indices() before saving"
        )
    return [TableFile(folder / name, split) for name in plain]


def _only_one(paths: list[Path]) -> list[Path]:
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise BadManifestError(
            f"{paths[0].parent} holds {names}", hint="give the one that is meant"
        )
    return paths


def _tables_in_splits(folder: Path) -> list[TableFile]:
    """Returns the tables in folders that are called like splits: `train`, `Validation`."""
    return [
        TableFile(table, splits.parse_split(place.name))
        for place in subfolders(folder)
        if splits.is_usual(place.name)
        for table in _only_one(_tables_in(place))
    ]


def _split_tables(folder: Path) -> list[TableFile]:
    """Returns the tables called like splits, in a folder, its `data`, or folders called so.

    `train.csv`, `data/test-00000-of-00002.parquet`, `validation/0000.parquet`; other tables are
    left alone, and so are those that name no files and labels.
    """
    found = [
        TableFile(path, splits.parse_split(place.name))
        for place in subfolders(folder)
        if splits.is_usual(place.name)
        for path in sorted(place.glob(f"*{PARQUET}"))
    ]
    for place in (folder, folder / _DATA) if not found else ():
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            name = _SHARD.fullmatch(path.stem)
            if path.suffix.lower() in READERS and name and splits.is_usual(name[1]):
                found.append(TableFile(path, splits.parse_split(name[1])))
    return [file for file in found if file.path.is_file() and _lists_images(file.path)]


def _lists_images(path: Path) -> bool:
    try:
        if path.suffix.lower() == ARROW:
            return False  # `_saved_tables` reads them
        if path.suffix.lower() != PARQUET:
            return not path.suffix.lower().endswith("sv") or is_complete(read_columns(path))
        with pq.ParquetFile(path) as file:
            names = known(file.schema_arrow.names)
    except (BadManifestError, OSError, pa.ArrowException):
        return False
    return is_complete(names) or (
        image_column(path) is not None and is_complete((*names, "file_name"))
    )
