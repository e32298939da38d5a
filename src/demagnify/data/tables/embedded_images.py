"""Images inside of Parquet and Arrow files, as Hugging Face keeps them, unpacked as they are.

An image is a column of bytes, or of structures {bytes, path}. Its file in the cache is called
after its row and its path, and holds its very bytes, so that all else reads it as any other file.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path, PurePosixPath
from typing import Final

import pyarrow as pa

from demagnify.core.assets import writable_cache
from demagnify.core.errors import BadManifestError
from demagnify.core.files import write_bytes
from demagnify.data.records import is_utf8
from demagnify.data.tables.blocks import FILE, known
from demagnify.data.tables.columnar import Columns, open_columns

_USUAL: Final = ("image", "img", "picture", "photo", "face", "jpg", "png", "webp", "video")
_LOOKED: Final = 16
_LONGEST: Final = 180
_SUFFIXES: Final = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"BM", ".bmp"),
    (b"II", ".tif"),
    (b"MM", ".tif"),
)


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, such as images, by themselves or in structures."""
    if pa.types.is_struct(kind):
        return any(is_binary(kind.field(place).type) for place in range(kind.num_fields))
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def unpacked_folder(root: Path) -> Path:
    """Returns where the images of the tables below `root` are unpacked: in the cache."""
    return (
        writable_cache() / "pictures" / hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    )


def image_column(path: Path) -> str | None:
    """Returns the column whose images are the files of a Parquet or Arrow file; None without.

    None, too, where a column `file_name` names files that lie beside the table.

    Raises:
        BadManifestError: If there are several such columns, or it is no such file.
    """
    try:
        with open_columns(path) as file:
            schema = file.schema_arrow
            found: list[str] = [one.name for one in schema if is_binary(one.type)]
            others = [one.name for one in schema if one.name not in found]
            named = dict(zip(known(others), others, strict=True)).get(FILE)
            if not found or (named is not None and _lie_beside(file, named, path.parent)):
                return None
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None  # the reader says what is wrong
    plain: dict[str, str] = {name.strip().lower(): name for name in reversed(found)}
    usual = next((plain[name] for name in _USUAL if name in plain), None)
    if usual is None and len(found) > 1:
        raise BadManifestError(
            f"{path}: several columns hold images: {', '.join(found)}",
            hint="call the one that is meant image",
        )
    return usual or found[0]


def _lie_beside(file: Columns, column: str, folder: Path) -> bool:
    first = next(file.iter_batches(batch_size=_LOOKED, columns=[column]), None)
    names = [] if first is None else first.column(0).to_pylist()
    return any(
        isinstance(name, str) and name and os.path.isfile(folder / name)  # noqa: PTH113
        for name in names
    )


def unpack(images: pa.Array, start: int, folder: Path) -> tuple[pa.Array, dict[int, str]]:
    """Writes images into a folder, but for those that lie there as they are.

    Args:
        images: A column of bytes, or of structures with bytes and perhaps their path.
        start: The number of the first row.
        folder: Where the files go.

    Returns:
        Their names below the folder, and what is wrong with other rows, by number.

    Raises:
        BadOutputError: If the cache cannot be written to.
    """
    names: list[str | None] = []
    broken: dict[int, str] = {}
    for number, value in zip(itertools.count(start), images.to_pylist()):
        content, origin = _parts(value)
        if not content:
            broken[number] = "holds no image"
            names.append(None)
            continue
        name = _name(number, origin, content)
        path = folder / name
        if not (path.is_file() and path.read_bytes() == content):
            write_bytes(path, content)
        names.append(name)
    return pa.array(names, pa.string()), broken


def _parts(value: object) -> tuple[bytes, str]:
    """Returns the bytes of an image, and where it was before it was put into the table."""
    if not isinstance(value, dict):
        return value if isinstance(value, bytes) else b"", ""
    content = next((part for part in value.values() if isinstance(part, bytes)), b"")
    origin = value.get("path")
    return content, origin if isinstance(origin, str) else ""


def _name(number: int, origin: str, content: bytes) -> str:
    """Returns the name of an image's file: its row, and its path where that can be a file's."""
    path = PurePosixPath(origin.replace("\\", "/"))
    plain = origin.isprintable() and is_utf8(origin) and ".." not in path.parts
    if plain and path.name and len(str(path).encode()) <= _LONGEST:
        folder = path.parent.relative_to(path.anchor)
        return (folder / f"{number:07d}-{path.name}").as_posix()
    return f"{number:07d}{_suffix(content)}"


def _suffix(content: bytes) -> str:
    if content[4:8] == b"ftyp" and content[8:11] not in (b"avi", b"hei", b"mif", b"msf"):
        return ".mp4"
    return next((suffix for head, suffix in _SUFFIXES if content.startswith(head)), "")
