"""Reads annotation files in JSON, which may be large, damaged, or made by anybody."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from demagnify.core.errors import BadManifestError

Skip = Callable[[str, str], None]
"""Gets what a reader leaves out: where it stands, and what is wrong with it."""

LARGEST: Final = 1e9
"""Larger numbers are no pixels and no frames."""


def read_json(path: Path, *, without: Collection[str] = ()) -> object:
    """Returns the content of a JSON file.

    Args:
        path: The file; UTF-8, with or without a byte order mark.
        without: Keys that are dropped from every object as soon as it is read, so that long
            lists that nobody needs (polygons) never pile up in memory.

    Raises:
        BadManifestError: If the file cannot be read, or is not JSON; the message says where.
    """

    def lighten(item: dict[str, Any]) -> dict[str, Any]:
        for key in without:
            item.pop(key, None)
        return item

    try:
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, object_hook=lighten if without else None)
    except OSError as error:
        raise BadManifestError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadManifestError(
            f"{path}: is not UTF-8, from byte {error.start}", hint="save it as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise BadManifestError(*_complaint(path, error)) from error
    except RecursionError as error:
        raise BadManifestError(f"{path}: is nested too deeply to be read") from error
    except ValueError as error:  # a number of thousands of digits
        raise BadManifestError(f"{path}: is not JSON that can be read: {error}") from error


def _complaint(path: Path, error: json.JSONDecodeError) -> tuple[str]:
    place = f"line {error.lineno}, column {error.colno}"
    text = error.doc.rstrip()
    if not text:
        return (f"{path}: the file is empty",)
    ended = text.endswith(("}", "]")) and not error.msg.startswith("Unterminated")
    if error.pos >= len(text) or not ended:
        return (f"{path}: the file is cut off at {place}; copy or download it again",)
    return (f"{path}: is not JSON: {error.msg}, {place}",)


def number(value: object) -> float | None:
    """Returns a finite number of sensible size, or None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Not math.isfinite, which fails on whole numbers beyond all floats.
    return float(value) if abs(value) <= LARGEST else None


def identifier(value: object) -> int | str | None:
    """Returns an id, a whole number or a text that is not empty, or None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        return None
    return int(value)


def shown(value: object) -> str:
    """Returns a value as it may stand in a message: on one line, and short."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 60 else f"{text[:57]}..."
