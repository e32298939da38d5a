"""Reads one table of images, or several of one data set, into a manifest."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.errors import BadManifestError
from demagnify.data import columns, splits
from demagnify.data.listing import levels, reading
from demagnify.data.manifest import Manifest
from demagnify.data.records import Skipped, is_utf8
from demagnify.data.tables import values
from demagnify.data.tables.blocks import FILE, LABEL, Block
from demagnify.data.tables.class_names import ClassNames
from demagnify.data.tables.columnar import COLUMNAR
from demagnify.data.tables.delimited import read_csv
from demagnify.data.tables.embedded_images import image_column, unpacked_folder
from demagnify.data.tables.readers import (
    JSON,
    READERS,
    ROWS,
    Reader,
    read_json_list,
    read_parquet,
)

Faults = dict[int, str]
_LOOKED: Final = 20
_WIDE: Final = 200


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file that lists images.

    Attributes:
        path: Where it lies; its file names are relative to its folder, or to one folder in it.
        split: The split of rows that name none.
        words: The column that is read as the label, in place of one called so.
    """

    path: Path
    split: str = splits.WHOLE
    words: str = ""


def read_tables(
    files: Sequence[TableFile], root: Path, *, strict: bool = False, check_files: bool = True
) -> Manifest:
    """Reads one table or several as one manifest.

    Images inside of tables are unpacked into the cache, which becomes the root then.

    Args:
        files: The tables, all of them below `root`.
        root: The manifest's folder.
        strict: Whether the first broken row stops the reading.
        check_files: Whether to leave out rows whose file does not exist.

    Raises:
        BadManifestError: If a file cannot be used as a whole or, when strict, at its first broken
            row.
    """
    tables: list[pa.Table] = []
    skipped: list[Skipped] = []
    inside = {file.path: _image_column_of(file.path) for file in files}
    home = unpacked_folder(root) if any(inside.values()) else root
    for file in files:
        name = file.path.relative_to(root)
        if home != root and not inside[file.path]:
            raise BadManifestError(
                f"{file.path}: has no column with images, as other tables beside it have",
                hint="read them one by one",
            )
        column = inside[file.path]
        place = home / (name.with_suffix("") if column else name.parent)
        suffix = file.path.suffix.lower()
        read = read_json_list if suffix == JSON else READERS.get(suffix, read_csv)
        if column:
            read = partial(read_parquet, images=column, folder=place)
        table, faults, torn = _read(file, read, place, home, check_files=check_files)
        unit = "row" if suffix in (*COLUMNAR, JSON) else "line"
        lines = [
            Skipped(f"{name.as_posix()}, {unit} {number}", faults[number], torn.get(number, ""))
            for number in sorted(faults)
        ]
        if strict and lines:
            raise BadManifestError(str(lines[0]))
        tables.append(table)
        skipped.extend(lines)
    return Manifest.from_table(columns.join(tables), root=home, skipped=skipped)


def _image_column_of(path: Path) -> str | None:
    return image_column(path) if path.suffix.lower() in COLUMNAR else None


def _read(
    file: TableFile, read: Reader, place: Path, root: Path, *, check_files: bool
) -> tuple[pa.Table, Faults, Faults]:
    """Returns the good rows, what is wrong with the others, and which file is under both labels."""
    faults: Faults = {}
    torn: Faults = {}
    parts = [columns.collect((), root)]
    class_names = ClassNames(file.path.parent)
    home: Path | None = None if check_files else place
    with reading(file.path):
        for block in read(file.path):
            home = home or _home(file.path, block, place)
            parent = home.relative_to(root).as_posix()
            prefix = "" if parent == "." else f"{parent}/"
            part, wrong = _parsed(file, block, prefix, class_names)
            parts.append(part)
            faults |= wrong
    table = columns.join(parts)
    if values.NUMBER in table.column_names:
        table, torn = _once(_present(table, root, faults, check=check_files), faults)
        table = table.drop_columns([values.NUMBER])
    return table, faults, torn


def _home(table: Path, block: Block, place: Path) -> Path:
    """Returns the folder that file names are relative to: the table's, or the one in it that fits.

    Raises:
        BadManifestError: If several folders have such files.
    """
    column = block.columns.get(FILE, pa.nulls(0, pa.string())).slice(0, _LOOKED)
    names = [name.replace("\\", "/") for name in column.to_pylist() if name]
    fitting: list[Path] = []
    for level in levels(place, most=_WIDE):  # few, as in a data set
        fitting = [one for one in level if any(_locate(name, one, check=True) for name in names)]
        if fitting:
            break
    if len(fitting) > 1:
        told = ", ".join(one.relative_to(place).as_posix() for one in fitting[:2])
        raise BadManifestError(
            f"{table}: {names[0]!r} and others could be in several folders: {told}",
            hint="move the table into the folder that its file names are relative to",
        )
    return fitting[0] if fitting else place


def _parsed(
    file: TableFile, block: Block, prefix: str, class_names: ClassNames
) -> tuple[pa.Table, Faults]:
    if file.words in block.columns:
        worded = {**block.columns, LABEL: block.columns[file.words]}
        del worded[file.words]
        block = dataclasses.replace(block, columns=worded)
    named = dataclasses.replace(block, columns=class_names.apply(block.columns))
    try:
        return values.parse(named, prefix=prefix, split=file.split, written=block)
    except BadManifestError as error:
        raise BadManifestError(f"{file.path}, {error.message}", hint=error.hint) from error


def _present(table: pa.Table, root: Path, faults: Faults, *, check: bool) -> pa.Table:
    """Returns the rows whose file is there, under the names of the files on disk."""
    names, wrong = locate(table["file_name"].combine_chunks(), root, check=check)
    groups = pc.coalesce(table["group"], names)
    for name, column in (("file_name", names), ("group", groups)):
        table = table.set_column(table.column_names.index(name), name, column)
    if not wrong:
        return table
    places = list(wrong)
    numbers = table[values.NUMBER].take(places).to_pylist()
    faults |= zip(numbers, wrong.values(), strict=True)
    good = np.ones(len(table), dtype=bool)
    good[places] = False
    return table.filter(pa.array(good))


def _once(table: pa.Table, faults: Faults) -> tuple[pa.Table, dict[int, str]]:
    """Returns the rows without those that repeat a file, or a box or frame of it.

    And the files, by the number of the row left out, that stand under both labels.
    """
    keys = columns.input_keys(table)
    numbered = table.select(keys).append_column("place", pa.array(np.arange(len(table))))
    firsts = numbered.group_by(keys).aggregate([("place", "min")])["place_min"]
    if len(firsts) == len(table):
        return table, {}
    again = np.ones(len(table), dtype=bool)
    again[firsts.to_numpy()] = False
    repeated = table.filter(pa.array(again))
    both = _under_both_labels(table, keys)
    torn: dict[int, str] = {}
    for number, key in zip(repeated[values.NUMBER].to_pylist(), _rows(repeated, keys), strict=True):
        faults[number] = f"{PurePosixPath(str(key[0])).name} is listed twice"
        if key in both:
            faults[number] += ", under both labels; the first counts"
            torn[number] = str(key[0])
    return table.filter(pa.array(~again)), torn


def _under_both_labels(table: pa.Table, keys: list[str]) -> set[tuple[object, ...]]:
    """Returns the inputs, by their values of `keys`, that stand under both labels."""
    labels = table.select([*keys, "label"]).group_by(keys).aggregate([("label", "count_distinct")])
    torn = labels.filter(pc.greater(labels["label_count_distinct"], 1))
    return set(_rows(torn, keys))


def _rows(table: pa.Table, keys: list[str]) -> Iterator[tuple[object, ...]]:
    return zip(*(table[key].to_pylist() for key in keys), strict=True)


# An empty part, "." or ".." anywhere, a slash at either end, or nothing at all.
_ROUNDABOUT: Final = r"(^|/)\.{0,2}(/|$)"


def locate(names: pa.Array, folder: Path, *, check: bool = True) -> tuple[pa.Array, Faults]:
    """Returns the names as they stand on disk, and why other rows, by place, name no file.

    Backslashes count as slashes where no such file exists, and accented letters match in either
    way of writing them.

    Args:
        names: File names below `folder`, as texts.
        folder: The folder, which no name may leave.
        check: Whether to look if the files exist.
    """
    plain = pc.replace_substring(names, "\\", "/")
    odd = pc.match_substring_regex(plain, _ROUNDABOUT)
    found = plain
    missing = odd
    if check:
        listed = _listing(folder, _parents([names, plain]))
        # The one way is usually the other; then it need not be looked up twice.
        as_written = (
            names
            if plain.equals(names)
            else pc.if_else(pc.is_in(names, value_set=listed), names, plain)
        )
        found = as_written
        missing = pc.or_(odd, pc.invert(pc.is_in(found, value_set=listed)))
    return _one_by_one(names, found, missing, folder, check=check)


def _one_by_one(
    names: pa.Array, found: pa.Array, missing: pa.Array, folder: Path, *, check: bool
) -> tuple[pa.Array, Faults]:
    places = pc.indices_nonzero(missing)
    if not len(places):
        return found, {}
    faults: Faults = {}
    mended: list[str] = []
    for place, name in zip(places.to_pylist(), names.take(places).to_pylist(), strict=True):
        located = _locate(name, folder, check=check)
        if located is None:
            faults[place] = _why_not(name, folder)
        mended.append(located or name)
    return pc.replace_with_mask(found, missing, pa.array(mended, pa.string())), faults


def _parents(columns: list[pa.Array]) -> list[str]:
    """Returns the folders that names lie in, "" for names without one."""
    found = [
        pc.unique(pc.replace_substring_regex(names, r"(^|/)[^/]*$", "")).to_pylist()
        for names in columns
    ]
    return sorted({parent for parents in found for parent in parents})


def _listing(folder: Path, parents: list[str]) -> pa.ChunkedArray:
    """Returns the names of all files in some folders below `folder`."""
    files = (name for parent in parents for name in _files(folder, parent))
    chunks = []
    while block := list(islice(files, ROWS)):
        chunks.append(pa.array(block, pa.string()))
    return pa.chunked_array(chunks, pa.string())


def _files(folder: Path, parent: str) -> Iterator[str]:
    prefix = f"{parent}/" if parent else ""
    try:
        with os.scandir(folder / parent) as entries:
            for entry in entries:
                if entry.is_file() and is_utf8(entry.name):
                    yield prefix + entry.name
    except (OSError, ValueError):
        return  # no folder of that name; its files are reported as missing one by one


def _locate(name: str, folder: Path, *, check: bool) -> str | None:
    """Returns one name as it stands on disk, without detours; None if there is no such file."""
    for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
        for form in _spellings(candidate):
            relative = _below(folder, form)
            if relative and (not check or os.path.isfile(folder / relative)):  # noqa: PTH113
                return relative
    return None


def _spellings(name: str) -> tuple[str, ...]:
    if name.isascii():
        return (name,)
    forms = (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    return tuple(dict.fromkeys((name, *forms)))


def _below(folder: Path, name: str) -> str | None:
    """Returns `name` without detours; None if it leads out of `folder`, or to itself."""
    base = os.path.normpath(folder)
    path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118  keeps detours
    relative = os.path.relpath(path, base)
    outside = relative.split(os.sep, 1)[0] == os.pardir
    return None if outside or relative == os.curdir else Path(relative).as_posix()


def _why_not(name: str, folder: Path) -> str:
    if not name.strip():
        return "the file name is empty"
    if all(_below(folder, form) is None for form in (name, name.replace("\\", "/"))):
        return f"{name} lies outside the manifest's folder"
    return f"{name}: there is no such file"
