"""The report as one HTML page that stands by itself."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL import Image

from demagnify.core.images import Pixels
from demagnify.core.printing import count, listed
from demagnify.data.labels import NAMES
from demagnify.evaluation.metrics import METRICS, sigmoid
from demagnify.evaluation.report import figures, story, summary, tables, theme
from demagnify.evaluation.report.theme import data_uri
from demagnify.evaluation.results import EvaluationResult
from demagnify.evaluation.run_folder import Example, Outcome, Pictures
from demagnify.evaluation.words import MEANING, SHORT, split_name

AMPLIFY: Final = 8
_SHOWN: Final = 224
_OUTCOMES: Final[dict[Outcome, str]] = {
    "mended": "Wrong before, right after",
    "broken": "Right before, wrong after",
    "right": "Right before and after",
    "wrong": "Wrong before and after",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of an example."""

    title: str
    uri: str
    alt: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict for an image of an example."""

    of: str
    text: str
    right: bool
    score: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One example as the page shows it."""

    example: Example
    heading: str
    frames: tuple[Frame, ...]
    verdicts: tuple[Verdict, Verdict]


def residual(original: Pixels, attacked: Pixels) -> Pixels:
    """Returns what the attack changed, eight times amplified around grey 128."""
    change = attacked.astype(np.int16) - original.astype(np.int16)
    return np.clip(128 + AMPLIFY * change, 0, 255).astype(np.uint8)


def panel(example: Example, pictures: Pictures) -> Panel:
    """Returns an example as the page shows it."""
    label = NAMES[example.label]
    difference = residual(pictures.original, pictures.attacked)
    frames = [
        ("Original", pictures.original, f"A {label} face, unchanged"),
        ("Attacked", pictures.attacked, f"The same face after {example.condition}"),
        (
            f"What changed, \N{MULTIPLICATION SIGN}{AMPLIFY}",
            difference,
            "Difference between attacked and original face, amplified around grey",
        ),
        (
            f"Action: {example.action}",
            pictures.corrected,
            f"The attacked face after the action {example.action}",
        ),
    ]
    return Panel(
        example=example,
        heading=f"{label.capitalize()} face. {_OUTCOMES[example.outcome]}",
        frames=tuple(Frame(title, _uri(pixels), alt) for title, pixels, alt in frames),
        verdicts=(
            _verdict("Attacked", example.label, example.score_before, example.threshold_before),
            _verdict(
                "After the action", example.label, example.score_after, example.threshold_after
            ),
        ),
    )


def _verdict(of: str, label: int, score: float, threshold: float) -> Verdict:
    fake = score > threshold
    right = fake == (label == 1)
    text = f"called {NAMES[int(fake)]}, {'right' if right else 'wrong'}"
    return Verdict(of, text, right, _score(score, threshold))


def _score(score: float, threshold: float) -> str:
    shown, cut = sigmoid(np.array([score, threshold]))
    return f"fake score {shown:.2f}, threshold {cut:.2f}"


def _uri(pixels: Pixels) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")


def render(result: EvaluationResult, examples: Sequence[tuple[Example, Pictures]] = ()) -> str:
    """Returns the page; it needs no network, no script and no file beside it.

    The strip of examples is left out if there are none.
    """
    environment = Environment(
        loader=PackageLoader("demagnify.evaluation.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["split"] = split_name
    told: dict[str, tables.Table | None] = defaultdict(lambda: None)
    told |= {table.name: table for table in summary.all_tables(result)}
    drawn = [(plot, _svg_uri(plot.svg)) for plot in figures.draw_all(result)]
    page = environment.get_template("report.html.j2").render(
        result=result,
        story=story.story_of(result),
        tables=told,
        known=_known_of_training(result),
        paper=[one for name, one in told.items() if name.startswith("paper-")],
        grids=[one for name, one in told.items() if name.startswith("grid-")],
        data=tables.data_table(result),
        plots=drawn,
        panels=[panel(*one) for one in examples],
        populations=_populations([example for example, _ in examples]),
        facts=list(_facts(result)),
        metrics=[(SHORT[name], MEANING[name]) for name in METRICS],
        skipped=_skipped(result),
        as_json=_as_json,
    )
    return page.lstrip()


def _known_of_training(result: EvaluationResult) -> list[str]:
    """What the reader must know about seen and unseen, in sentences."""
    context = result.context
    sentences = []
    if context.attacked != "all":
        left = "real" if context.attacked == "fakes" else "fake"
        sentences.append(
            f"Only {context.attacked[:-1]} faces are attacked; {left} faces stay clean."
        )
    if context.training_data:
        sentences.append(_DATA[context.training_data])
    return sentences


_DATA: Final = {
    "same": "The defences were trained on other splits of the data evaluated here.",
    "other": "No defence was trained on the data evaluated here.",
    "partly": "Some of the training faces are of the data evaluated here (other splits), some not.",
}


def _svg_uri(svg: str) -> str:
    return theme.data_uri(svg.encode(), "image/svg+xml")


def _populations(examples: Sequence[Example]) -> str:
    """How many faces had each outcome, so that a strip of examples cannot mislead."""
    if not examples:
        return ""
    first = examples[0]
    words = {
        "mended": "mended",
        "broken": "broken",
        "right": "right before and after",
        "wrong": "wrong before and after",
    }
    found = {example.outcome: example.population for example in examples}
    counts = [f"{found[name]:,} {word}" for name, word in words.items() if name in found]
    return (
        f"Faces of the {split_name(first.split)} split under {first.condition}, defended by "
        f"{first.method}, drawn at random within each outcome. Of all faces: {listed(counts)}."
    )


def _facts(result: EvaluationResult) -> Iterator[tuple[str, str]]:
    settings, machine, versions = result.settings, result.machine, result.versions
    if result.context.command:
        yield "Command", result.context.command
    yield "Made", result.created
    yield "Seed", str(settings.seed)
    yield (
        "Intervals",
        f"{100 * settings.confidence:g} %, {settings.resamples:,} resamples of whole groups",
    )
    yield "Chosen on", f"the {split_name(settings.selection_split)} split, nothing on any other"
    yield (
        "Machine",
        f"{machine.processor}, {count(machine.cores, 'core')}, {machine.memory_gib:g} GiB, "
        f"{machine.system}; networks on {machine.device}",
    )
    packages = [f"{name} {version}" for name, version in versions.packages.items()]
    yield (
        "Versions",
        ", ".join([f"demagnify {versions.demagnify}", f"Python {versions.python}", *packages]),
    )
    for stage, seconds in result.context.timings.items():
        yield f"Time: {stage}", f"{seconds:.1f} s"


def _skipped(result: EvaluationResult) -> list[tuple[str, str, int]]:
    """(split, reason, how many) of files that could not be used."""
    return [
        (split_name(split.name), reason, number)
        for split in result.splits
        for reason, number in Counter(file.reason for file in split.skipped).most_common()
    ]


def _as_json(value: Any) -> str:  # noqa: ANN401 - whatever the run's configuration holds
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
