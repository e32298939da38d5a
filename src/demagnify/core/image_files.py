"""Which files are images, told by their content, and the images in a folder."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import warnings
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePath
from typing import Final

from PIL import features

from demagnify.core.errors import BadImageError, DemagnifyWarning

SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".jpe", ".jif", ".mpo", ".png", ".webp", ".bmp", ".dib"),
        *(".tif", ".tiff", ".gif", ".avif", ".avifs", ".heic", ".heif", ".hif", ".jp2"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""Names that promise an image; a file with one is taken for an image whatever it holds."""
MAX_BYTES: Final = 2**30
"""Of an image file; the largest photographs have a tenth of it."""

_HEADS: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II[*+]\0|MM\0[*+]"
    rb"|BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n\x87\n"
    rb"|....ftyp(?:avi[fs]|hei[cxms]|hev[cxms]|mif1|msf1)|\xff\x4f\xff\x51|P[1-6][\t\n\r #]",
    re.DOTALL,
)
_HEAD_BYTES: Final = 32
_COMPANIONS: Final = frozenset(
    {
        *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml"),
        *(".xml", ".html", ".log", ".ini", ".db", ".parquet", ".npy", ".npz", ".py", ".sh"),
        *(".lock", ".sqlite", ".safetensors"),
    }
)
"""Texts and tables that lie beside photographs: they are no photographs that were left out."""
_COMPANION_NAMES: Final = frozenset({"readme", "license", "licence", "copying", "authors"})

OnSkip = Callable[[Path, str], None]


def is_image(path: Path) -> bool:
    """Whether a regular file is an image by its first bytes, or promises one by its name."""
    try:
        return _is_image(path)
    except (OSError, ValueError):
        return False


def _is_image(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        return _HEADS.match(file.read(_HEAD_BYTES)) is not None


def read_file(path: Path) -> bytes:
    """Returns the content of an image file; only regular files are opened.

    Raises:
        BadImageError: If it is missing, no regular file, larger than 1 GiB, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise BadImageError(f"{path}: is {what}, not an image")
        if status.st_size > MAX_BYTES:
            raise BadImageError(f"{path}: {status.st_size} bytes are too many for an image")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadImageError(f"{path}: there is no such file") from error
    except OSError as error:
        raise BadImageError(f"{path}: {_why(error)}") from error
    except ValueError as error:  # a name with a NUL
        raise BadImageError(f"{path}: cannot be read: {error}") from error


_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000")
"""What Pillow calls the formats that are read; it knows others, some of which run programs."""


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Returns Pillow's names of the formats that are read, AVIF and HEIC where they are there."""
    found = [*_FORMATS, *(["AVIF"] if features.check("avif") else [])]
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found.append("HEIF")
    return tuple(found)


def extra_format(data: bytes) -> str:
    """Returns "AVIF" or "HEIC" if the content is such a file that needs an extra; else empty."""
    if _HEADS.match(data) is None or data[4:8] != b"ftyp":
        return ""
    kind, reader = ("AVIF", "AVIF") if data[8:11] == b"avi" else ("HEIC", "HEIF")
    return "" if reader in readable_formats() else kind


def known_format(data: bytes) -> str:
    """Returns "TIFF", "JPEG" or "PNG" if the content begins as such a file; else empty."""
    heads = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}
    heads |= {b"\xff\xd8\xff": "JPEG", _PNG: "PNG"}
    return next((kind for head, kind in heads.items() if data.startswith(head)), "")


_PNG: Final = b"\x89PNG\r\n\x1a\n"


def check_png(data: bytes) -> None:
    """Makes sure that a PNG file is whole: Pillow does not look at the checksums of its pixels.

    Raises:
        OSError: If a checksum is wrong, or the file is cut.
    """
    place = len(_PNG) if data.startswith(_PNG) else len(data)
    view = memoryview(data)
    while place < len(data):
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            raise OSError("the file is cut")
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise OSError(f"a checksum is wrong, near byte {place}")
        if data[place + 4 : place + 8] == b"IEND":
            return
        place = end + 4
    if data.startswith(_PNG):
        raise OSError("the file is cut")


def list_files(
    folder: Path, *, on_skip: OnSkip | None = None, also: Collection[str] = ()
) -> list[Path]:
    """Returns the image files under `folder`, at any depth, sorted by path.

    Images are told by content; a file whose name promises an image is listed too. Links to
    folders are followed, each folder once. Hidden files and folders are left out, and texts and
    tables (such as `.txt`, `.csv`, `.json`, `.npy`); all else is reported.

    Args:
        folder: Where to look.
        on_skip: Gets each file or folder that is left out, and why; without it a warning says so.
        also: Suffixes of other files that are listed, such as those of videos.

    Raises:
        BadImageError: If the folder is missing, no folder, or cannot be read.
    """
    return sorted(iter_files(folder, on_skip=on_skip, also=also))


def iter_files(
    folder: Path, *, on_skip: OnSkip | None = None, also: Collection[str] = ()
) -> Iterator[Path]:
    """Yields the same as `list_files`, folder by folder, without a list of all of them."""
    if not folder.is_dir():
        raise BadImageError(f"{folder}: there is no such folder")
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise BadImageError(f"{folder}: {_why(error)}") from error
    yield from _files(folder, on_skip or _warn, frozenset(also))


def _files(folder: Path, report: OnSkip, also: frozenset[str]) -> Iterator[Path]:
    """Yields the images: first those of real folders, then those behind links not seen yet."""
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        links: list[Path] = []
        for start in waiting:
            if _identity(start) in seen:
                report(start, "a link to a folder that is read already")
                continue
            for place, inside, names in os.walk(
                start, onerror=lambda error: report(Path(error.filename), _why(error))
            ):
                if (identity := _identity(Path(place))) in seen:
                    inside.clear()
                    continue
                seen.add(identity)
                inside[:] = sorted(name for name in inside if not name.startswith("."))
                links += [path for name in inside if (path := Path(place, name)).is_symlink()]
                for name in sorted(names):
                    path = Path(place, name)
                    if not name.startswith(".") and _taken(path, report, also):
                        yield path
        waiting = links


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _taken(path: Path, report: OnSkip, also: frozenset[str]) -> bool:
    """Whether a file is an image; what is left out, and no companion, is reported."""
    try:
        if _is_image(path) or (path.suffix.lower() in also and path.is_file()):
            return True
        reason = _reason(path)
    except OSError as error:  # a folder that can be listed, but not entered
        reason = _why(error)
    if reason:
        report(path, reason)
    return False


def _reason(path: Path) -> str:
    """Returns why a file is left out; empty for a text or table."""
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    if not path.is_file():
        return "no regular file"
    return "" if is_companion(path) else f"not an image ({path.suffix.lower() or 'no suffix'})"


def is_companion(path: PurePath) -> bool:
    """Returns whether a file is a text or table by its name, which lies beside photographs."""
    return path.suffix.lower() in _COMPANIONS or path.stem.lower() in _COMPANION_NAMES


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _warn(path: Path, reason: str) -> None:
    warnings.warn(f"{path}: {reason}; it is left out", DemagnifyWarning, stacklevel=3)
