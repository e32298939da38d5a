"""The two labels, everywhere: real is 0, fake is 1 and the positive class."""

from __future__ import annotations

from typing import Final

from demagnify.errors import BadManifestError

REAL: Final = 0
FAKE: Final = 1

NAMES: Final = ("real", "fake")


def parse_label(text: str) -> int:
    """Returns the label that `text` names: "real" or "0", "fake" or "1", in any case.

    Raises:
        BadManifestError: If it names neither.
    """
    name = text.strip().lower()
    if name in NAMES:
        return NAMES.index(name)
    if name in ("0", "1"):
        return int(name)
    raise BadManifestError(f"unknown label {text!r}", hint="labels are real and fake, or 0 and 1")


def label_name(label: int) -> str:
    """Returns "real" for 0 and "fake" for 1."""
    return NAMES[label]
