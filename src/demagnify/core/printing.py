"""Text for terminals and for spreadsheets: names come from files, and may hold anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_HIDDEN: Final = (
    "\x00-\x1f\x7f-\x9f\ud800-\udfff"
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
"""Control characters, marks that change the direction of writing, and letters without a shape."""
_ALL: Final = re.compile(f"[{_HIDDEN}]")
_BUT_LINES: Final = re.compile(rf"(?![\n\t])[{_HIDDEN}]")
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+|inf|nan)([eE][+-]?\d+)?\s*%?")


def printable(text: object, *, lines: bool = False) -> str:
    r"""Returns a text in which nothing moves a terminal's cursor, colours it or turns it round.

    Args:
        text: What shall be shown.
        lines: Whether line breaks and tabs stay.

    Example:
        >>> print(printable("a\x1b[31m.png"))
        a\x1b[31m.png
    """
    return (_BUT_LINES if lines else _ALL).sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "backslashreplace").decode()


def storable(text: object) -> str:
    r"""Returns a text as UTF-8 can hold it: the names of files may be any bytes.

    Example:
        >>> print(storable("a\udcff.png"))
        a\udcff.png
    """
    return str(text).encode("utf-8", "backslashreplace").decode()


def count(number: int, noun: str) -> str:
    """Returns a number with its noun.

    Example:
        >>> count(1, "face"), count(1200, "face")
        ('1 face', '1,200 faces')
    """
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def listed(items: Sequence[str]) -> str:
    """Returns "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def cell(value: object) -> object:
    """Returns a cell of a table for people: a text that a spreadsheet would run begins with '.

    Example:
        >>> cell("=1+1"), cell("-0.5"), cell(3)
        ("'=1+1", '-0.5', 3)
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value) or not _FORMULA.match(value):
        return value
    return f"'{value}"


def plain(text: str) -> str:
    """Returns what `cell` was made of.

    Example:
        >>> plain("'=1+1"), plain("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text[:1] == "'" and cell(text[1:]) == text else text
