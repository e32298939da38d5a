"""What readers of tables have in common: blocks of rows, headings, and texts in any Unicode."""

from __future__ import annotations

import codecs
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demagnify.core.errors import BadManifestError

FILE: Final = "file_name"
LABEL: Final = "label"
TRUTH: Final = "is_fake"

HEADINGS: Final = {
    FILE: (
        *("filename", "file", "file_path", "filepath", "path", "image_path", "img_path"),
        *("image_name", "image_file", "image", "img", "photo", "video_path", "video_name", "video"),
    ),
    LABEL: ("labels", "label_str", "label_name", "class", "class_name", "category"),
}
"""What others call the two columns that every table has, the likeliest first."""


LABELS: Final = (LABEL, *HEADINGS[LABEL])


@dataclass(frozen=True, slots=True)
class Block:
    """Some thousand rows of a file.

    Attributes:
        numbers: The line or row of the file that each is, int64 (n,).
        columns: Texts by column, n each; null where a row does not say.
        broken: Why a line, by number, gave no row.
    """

    numbers: NDArray[np.int64]
    columns: dict[str, pa.Array]
    broken: dict[int, str] = field(default_factory=dict)


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Returns headings in small letters, those of files and labels as they are called here.

    Example:
        >>> known(["Path", "class", "split"])
        ('file_name', 'label', 'split')
    """
    plain = [name.strip().lower() for name in names]
    found: dict[str, str] = {}
    for wanted, others in HEADINGS.items():
        if wanted not in plain and not (wanted == LABEL and TRUTH in plain):
            found |= {
                other: wanted for other in others if other in plain and wanted not in found.values()
            }
    return tuple(found.get(name, name) for name in plain)


def is_complete(names: Collection[str]) -> bool:
    """Whether headings say which files there are, and their labels."""
    return FILE in names and bool({LABEL, TRUTH} & set(names))


def decode(text: bytes) -> str:
    """Returns a line of UTF-8 as text.

    Raises:
        BadManifestError: If it is not UTF-8. No other encoding is guessed: each gives other names.
    """
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        odd = text[error.start : error.start + 1]
        letter = odd.decode("cp1252", "ignore")
        meant = f", {letter!r} if it is Windows-1252" if letter.isprintable() and letter else ""
        raise BadManifestError(
            f"is not UTF-8 (byte 0x{odd.hex()}{meant}); save the table as UTF-8"
        ) from error


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_GZIP: Final = b"\x1f\x8b"


def open_text(path: Path) -> IO[bytes]:
    """Opens a text file as UTF-8 without a byte order mark, whichever Unicode it is written in.

    UTF-16 and UTF-32 are told by their mark, UTF-16 without one by its zero bytes.

    Raises:
        BadManifestError: If it is compressed, or has the mark of UTF-16 or UTF-32 and is not in it.
        OSError: If it cannot be read.
    """
    file = path.open("rb")
    head = file.read(4)
    if head.startswith(_GZIP):
        file.close()
        raise BadManifestError(f"{path}: is compressed with gzip", hint="unpack it: gunzip --keep")
    mark, encoding = next((one for one in _MARKS if head.startswith(one[0])), (b"", "utf-8"))
    if not mark and len(head) == 4 and 0 in head:
        guesses = {(True, False): "utf-16-le", (False, True): "utf-16-be"}
        encoding = guesses.get((all(head[::2]), all(head[1::2])), encoding)
    if encoding == "utf-8":
        file.seek(len(mark))
        return file
    with file:
        try:
            return io.BytesIO((head + file.read()).decode(encoding).encode())
        except UnicodeError as error:
            raise BadManifestError(
                f"{path}: begins as {encoding.upper()}, but is not: {error.reason}"
                if isinstance(error, UnicodeDecodeError)
                else f"{path}: holds half a character (a lone surrogate)",
                hint="save it as UTF-8",
            ) from error
