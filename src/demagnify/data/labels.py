"""The two labels, everywhere: real is 0, fake is 1 and the positive class."""

from __future__ import annotations

from typing import Final

from demagnify.core.errors import BadManifestError

REAL: Final = 0
FAKE: Final = 1

NAMES: Final = ("real", "fake")
REAL_NAMES: Final = frozenset({"real", "genuine", "original", "pristine", "authentic", "bonafide"})
FAKE_NAMES: Final = frozenset(
    {"fake", "forged", "forgery", "manipulated", "deepfake", "spoof", "synthetic", "tampered"}
)

# Tables write whole numbers with a point where a value is missing elsewhere in the column.
_NUMBERS: Final = {"0": REAL, "1": FAKE, "0.0": REAL, "1.0": FAKE}
_TRUTHS: Final = {"false": REAL, "true": FAKE, **_NUMBERS}


def parse_label(text: str) -> int:
    """Returns the label that `text` names: "real" or "0", "fake" or "1", in any case.

    Raises:
        BadManifestError: If it names neither.

    Example:
        >>> parse_label("Fake"), parse_label("0")
        (1, 0)
    """
    name = text.strip().lower()
    if name in NAMES:
        return NAMES.index(name)
    if name in _NUMBERS:
        return _NUMBERS[name]
    raise BadManifestError(f"unknown label {text!r}", hint="labels are real and fake, or 0 and 1")


def parse_truth(text: str) -> int:
    """Returns the label in a column `is_fake`: "true" or "1" is fake.

    Under the heading `label` the same words would be ambiguous: true could be the genuine face.

    Raises:
        BadManifestError: If it is neither.
    """
    name = text.strip().lower()
    if name in _TRUTHS:
        return _TRUTHS[name]
    raise BadManifestError(f"is_fake is true or false, not {text!r}")


def label_name(label: int) -> str:
    """Returns "real" for 0 and "fake" for 1.

    Example:
        >>> label_name(FAKE)
        'fake'
    """
    return NAMES[label]


def named_label(name: str) -> int | None:
    """Returns the label in a name, such as that of a class, in any case; None if there is none.

    Example:
        >>> named_label("Forged faces"), named_label("cat")
        (1, None)
    """
    letters = "".join(letter for letter in name.lower() if letter.isalpha())
    word = letters.removesuffix("s").removesuffix("face").removeprefix("face")
    for names, label in ((REAL_NAMES, REAL), (FAKE_NAMES, FAKE)):
        if letters in names or word in names:
            return label
    return None
