"""The strip of examples: a face before and after attack and action, with the verdicts in words."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from demagnify.core.images import Pixels
from demagnify.evaluation.examples import Example, Outcome, Pictures
from demagnify.evaluation.report.theme import data_uri

AMPLIFY: Final = 8
_SHOWN: Final = 224
_LABELS: Final = ("real", "fake")
_OUTCOMES: Final[dict[Outcome, str]] = {
    "mended": "Wrong before, right after",
    "broken": "Right before, wrong after",
    "right": "Right before and after",
    "wrong": "Wrong before and after",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the strip."""

    title: str
    uri: str
    alt: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One example as the page shows it."""

    heading: str
    outcome: Outcome
    frames: tuple[Frame, ...]
    before: str
    after: str
    score_before: str
    score_after: str
    before_right: bool
    after_right: bool
    name: str


def panels(examples: Sequence[tuple[Example, Pictures]]) -> list[Panel]:
    """Returns the examples as panels, in order."""
    return [_panel(example, pictures) for example, pictures in examples]


def residual(original: Pixels, attacked: Pixels) -> Pixels:
    """Returns what the attack changed, eight times amplified around grey 128."""
    change = attacked.astype(np.int16) - original.astype(np.int16)
    return np.clip(128 + AMPLIFY * change, 0, 255).astype(np.uint8)


def _panel(example: Example, pictures: Pictures) -> Panel:
    label = _LABELS[example.label]
    frames = [
        ("Original", pictures.original, f"A {label} face, unchanged"),
        ("Attacked", pictures.attacked, f"The same face after {example.attack}"),
        (
            f"What changed, \N{MULTIPLICATION SIGN}{AMPLIFY}",
            residual(pictures.original, pictures.attacked),
            "Difference between attacked and original face, amplified around grey",
        ),
        (
            f"Action: {example.action}",
            pictures.corrected,
            f"The attacked face after the action {example.action}",
        ),
    ]
    before, before_right = _verdict(example.label, example.score_before, example.threshold_before)
    after, after_right = _verdict(example.label, example.score_after, example.threshold_after)
    return Panel(
        heading=f"{label.capitalize()} face. {_OUTCOMES[example.outcome]}",
        outcome=example.outcome,
        frames=tuple(Frame(title, _uri(pixels), alt) for title, pixels, alt in frames),
        before=before,
        after=after,
        score_before=_score(example.score_before, example.threshold_before),
        score_after=_score(example.score_after, example.threshold_after),
        before_right=before_right,
        after_right=after_right,
        name=example.name,
    )


def _verdict(label: int, score: float, threshold: float) -> tuple[str, bool]:
    fake = score > threshold
    right = fake == (label == 1)
    return f"called {_LABELS[int(fake)]}, {'right' if right else 'wrong'}", right


def _score(score: float, threshold: float) -> str:
    return f"fake score {_sigmoid(score):.2f}, threshold {_sigmoid(threshold):.2f}"


def _sigmoid(logit: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def _uri(pixels: Pixels) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")
