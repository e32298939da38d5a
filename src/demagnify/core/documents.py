"""Small documents (JSON, YAML) that people bring or that an earlier run kept, read in one way.

Whatever is wrong with one raises OSError (it cannot be read) or ValueError (it cannot be used)
with a message of one line; the caller says what kind of document it is.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from demagnify.core.files import check_regular

Json = Any

_MOST_BYTES: Final = 2**28


def created() -> str:
    """Returns the time of a document, ISO 8601 in UTC: now, or what `SOURCE_DATE_EPOCH` says.

    The variable holds seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch);
    with it two documents of equal content have equal bytes.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else time.time()
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def read_text(path: Path) -> str:
    """Returns the text of a regular file of at most 256 MiB, UTF-8 with or without a mark.

    Raises:
        OSError: If it cannot be read, or is no regular file.
        ValueError: If it is no UTF-8.
    """
    check_regular(path, most=_MOST_BYTES)
    return _decode(path.read_bytes())


def read_json(path: Path) -> Json:
    """Returns what a JSON file holds; see `read_text` and `parse_json`."""
    return parse_json(read_text(path))


def parse_json(text: str | bytes) -> Json:
    """Returns what a JSON text holds.

    Raises:
        ValueError: If it is no JSON, is nested too deep, or holds a number that is too long.

    Example:
        >>> parse_json('{"a": 1}')
        {'a': 1}
    """
    try:
        return json.loads(text if isinstance(text, str) else _decode(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        raise ValueError(str(error).partition(";")[0]) from error


def parse_yaml(text: str) -> Json:
    """Returns what a YAML text holds: values only, no objects.

    Raises:
        ValueError: If it is no YAML, is nested too deep, or holds a value that cannot be.

    Example:
        >>> parse_yaml("a: [1, 2]")
        {'a': [1, 2]}
    """
    import yaml  # here: most commands read none

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # Of a date or number that cannot be, as 2001-99-99 or 0x.
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())}") from error


def differences(old: Json, new: Json, *, tolerance: float = 0.0, where: str = "") -> list[str]:
    """Returns the places at which two JSON values differ, one line each.

    Args:
        old: What was recorded.
        new: What was computed.
        tolerance: By how much numbers may differ.
        where: The place of both in their document.

    Example:
        >>> differences({"a": [1, 2]}, {"a": [1, 3]})
        ['a[1]: recorded 2, computed 3']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = {
            f"{where}.{key}".lstrip("."): (old.get(key), new.get(key)) for key in {**old, **new}
        }
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = {f"{where}[{place}]": pair for place, pair in enumerate(zip(old, new, strict=True))}
    elif old == new or _are_close(old, new, tolerance):
        return []
    else:
        return [f"{where}: recorded {old!r}, computed {new!r}"]
    return [
        line
        for place, (one, two) in pairs.items()
        for line in differences(one, two, tolerance=tolerance, where=place)
    ]


def _are_close(old: Json, new: Json, tolerance: float) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new))
    return numbers and abs(old - new) <= tolerance


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8: {error.reason} at byte {error.start}") from error
