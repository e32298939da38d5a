"""Finds the files of a table below its folder, a folder at a time instead of file by file."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from demagnify.data.records import is_utf8
from demagnify.data.tables.readers import ROWS

# An empty part, "." or ".." anywhere, a slash at either end, or nothing at all.
_ROUNDABOUT: Final = r"(^|/)\.{0,2}(/|$)"

Faults = dict[int, str]


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
