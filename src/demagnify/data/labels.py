"""The two labels, everywhere: real is 0, fake is 1 and the positive class."""

from __future__ import annotations

import re
from typing import Final

from demagnify.core.errors import BadManifestError

REAL: Final = 0
FAKE: Final = 1

NAMES: Final = ("real", "fake")
_WORDS: Final = {
    **dict.fromkeys(
        (
            *("real", "genuine", "original", "pristine", "authentic", "bonafide"),
            *("nature", "natural", "unaltered", "untampered"),
        ),
        REAL,
    ),
    **dict.fromkeys(
        (
            *("fake", "forged", "forgery", "forgerie", "manipulated", "manipulation", "deepfake"),
            *("spoof", "spoofed", "synthetic", "synthesis", "synthese", "synthesized"),
            *("synthesised", "tampered", "ai", "aigenerated", "generated", "altered"),
        ),
        FAKE,
    ),
}
"""What the field calls the two labels, in the singular."""

_NEUTRAL: Final = frozenset(
    {
        *("train", "training", "test", "testing", "val", "valid", "validation", "eval"),
        *("face", "image", "img", "photo", "picture", "video", "frame", "crop", "class", "label"),
        *("celeb", "youtube", "you", "tube"),
    }
)
"""Words beside them that say nothing about the label."""
_PAIRS: Final = re.compile(r"(?i)(deep|bona)[\W_]+(?=fake|fide)")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[^\W\d_]+")

# Tables write whole numbers with a point where a value is missing elsewhere in the column.
_NUMBERS: Final = {"0": REAL, "1": FAKE, "0.0": REAL, "1.0": FAKE}
_ANY_NUMBER: Final = re.compile(r"\s*[+-]?\d+([.,]\d*)?\s*")
_TRUTHS: Final = {"false": REAL, "true": FAKE, **_NUMBERS}


def parse_label(text: str) -> int:
    """Returns the label that `text` names: a word as in `named_label`, "0" for real, "1" for fake.

    Raises:
        BadManifestError: If it names neither.

    Example:
        >>> parse_label("Fake"), parse_label("0")
        (1, 0)
    """
    label = _NUMBERS.get(text.strip(), named_label(text))
    if label is not None:
        return label
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


def is_number(text: str) -> bool:
    """Returns whether a label is 0 or 1, written as a number."""
    return text.strip() in _NUMBERS


def is_other_number(text: str) -> bool:
    """Returns whether a label is a number, but neither 0 nor 1: then 0 and 1 are in doubt too.

    Example:
        >>> is_other_number("2"), is_other_number("1.0"), is_other_number("fake")
        (True, False, False)
    """
    return not is_number(text) and _ANY_NUMBER.fullmatch(text) is not None


def label_name(label: int) -> str:
    """Returns "real" for 0 and "fake" for 1.

    Example:
        >>> label_name(FAKE)
        'fake'
    """
    return NAMES[label]


def named_label(name: str) -> int | None:
    """Returns the label in a name, such as that of a class or folder; None if there is none.

    Case, numbers, plurals and words such as "training" or "faces" do not matter. A name with
    another word, or with words for both labels, has no label.

    Example:
        >>> named_label("Forged faces"), named_label("0_real"), named_label("real_and_fake")
        (1, 0, None)
    """
    parts = [part.lower() for part in _PART.findall(_PAIRS.sub(r"\1", name))]
    joined = "".join(parts)
    words = [joined] if _singular(joined) in _WORDS else [_singular(part) for part in parts]
    labels = {_WORDS.get(_singular(word)) for word in words if word not in _NEUTRAL}
    return labels.pop() if len(labels) == 1 else None


def mentioned_label(name: str) -> int | None:
    """Returns the label that a name has a word for, whatever else is in it; None without one.

    Example:
        >>> mentioned_label("img_0012_real"), mentioned_label("real_and_fake_0012")
        (0, None)
    """
    parts = (_singular(part.lower()) for part in _PART.findall(_PAIRS.sub(r"\1", name)))
    labels = {_WORDS[part] for part in parts if part in _WORDS}
    return labels.pop() if len(labels) == 1 else None


def _singular(word: str) -> str:
    known = word in _WORDS or word in _NEUTRAL
    if not known and word.endswith(("face", "faces")):  # realface, as one word
        word = word.removesuffix("s").removesuffix("face") or word
    return word if known else word.removesuffix("s")
