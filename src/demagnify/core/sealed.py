"""JSON documents that demagnify writes and reads again, each with a checksum of its content.

The entry `sha256` is over everything else in the document, however it is laid out. So a byte that
is flipped on a disk, and leaves valid JSON, is noticed before the document is used. After a change
on purpose the entry is made anew:

    python -m demagnify.core.sealed runs/detector/card.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from demagnify.core.documents import parse_json, read_json
from demagnify.core.files import write_text

Json = Any

SEAL: Final = "sha256"
CHANGED: Final = "it was changed by hand or damaged: its content has another SHA-256 than it names"
BARE: Final = "it was changed by hand or damaged, or an older demagnify wrote it: it has no SHA-256"
ANEW: Final = "make it again; after a change of your own: python -m demagnify.core.sealed"
"""What to do about either."""


def digest_of(content: Mapping[str, Json]) -> str:
    """Returns the SHA-256 of what JSON can hold, however it is laid out.

    Example:
        >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
        True
    """
    as_read = json.loads(json.dumps(content))  # where numbers as keys are texts, and sort otherwise
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def write_sealed(path: Path, content: Mapping[str, Json] | str, *, indent: int = 2) -> None:
    """Writes a document with its checksum, in one step.

    Args:
        path: The file.
        content: What JSON can hold, or its JSON text.
        indent: Spaces of each level.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    whole = parse_json(content) if isinstance(content, str) else dict(content)
    whole.pop(SEAL, None)
    text = json.dumps({**whole, SEAL: digest_of(whole)}, indent=indent, ensure_ascii=False)
    write_text(path, text + "\n")


def read_sealed(path: Path) -> dict[str, Json]:
    """Returns what such a document holds, without the checksum, which is right.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON, or its checksum is wrong or missing.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return unsealed(document)


def unsealed(document: Mapping[str, Json]) -> dict[str, Json]:
    """Returns a document without its checksum, after comparing the two.

    Raises:
        ValueError: If it is wrong or missing.

    Example:
        >>> unsealed({"a": 1, "sha256": digest_of({"a": 1})})
        {'a': 1}
    """
    content = {key: one for key, one in document.items() if key != SEAL}
    if SEAL not in document:
        raise ValueError(BARE)
    if document[SEAL] != digest_of(content):
        raise ValueError(CHANGED)
    return content


def main(paths: Sequence[str]) -> None:
    """Gives documents that were changed on purpose their checksum anew."""
    if not paths:
        sys.exit("usage: python -m demagnify.core.sealed FILE.json ...")
    for path in map(Path, paths):
        try:
            document = read_json(path)
            if not isinstance(document, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError) as error:
            sys.exit(f"demagnify: {path}: {error}")
        write_sealed(path, document)


if __name__ == "__main__":
    main(sys.argv[1:])
