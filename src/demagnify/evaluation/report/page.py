"""The report as one HTML page that stands by itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from demagnify.evaluation.examples import Example, Pictures
from demagnify.evaluation.metrics import METRICS
from demagnify.evaluation.report import (
    give_back,
    plots,
    story,
    strip,
    summary,
    tables,
    theme,
    unsure,
)
from demagnify.evaluation.report.words import MEANING, SHORT, count, listed, split_name
from demagnify.evaluation.result import EvaluationResult


def render(result: EvaluationResult, examples: Sequence[tuple[Example, Pictures]] = ()) -> str:
    """Returns the page; it needs no network, no script and no file beside it.

    Args:
        result: What the evaluation found.
        examples: Faces to show; the strip is left out if there are none.
    """
    environment = Environment(
        loader=PackageLoader("demagnify.evaluation.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["split"] = split_name
    drawn = [(plot, _svg_uri(plot.svg)) for plot in plots.draw_all(result)]
    page = environment.get_template("report.html.j2").render(
        result=result,
        story=story.tell(result),
        main=tables.main_table(result),
        recovered=give_back.recovery_table(result),
        alarms=give_back.alarm_table(result),
        paired=tables.paired_table(result),
        wins=summary.wins_table(result),
        summary=summary.summary_table(result),
        unsure=unsure.unsure_table(result),
        known=_known_of_training(result),
        paper=tables.paper_tables(result),
        grids=tables.grid_tables(result),
        data=tables.data_table(result),
        quality=tables.quality_table(result),
        plots=drawn,
        panels=strip.panels(examples),
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
    said = []
    if context.attacked != "all":
        left = "real" if context.attacked == "fakes" else "fake"
        said.append(f"Only {context.attacked[:-1]} faces are attacked; {left} faces stay clean.")
    if context.training_data:
        said.append(_DATA[context.training_data])
    return said


_DATA: Final = {
    "same": "The defences were trained on other splits of the data judged here.",
    "other": "No defence was trained on the data judged here.",
    "partly": "Some of the training faces are of the data judged here (other splits), some not.",
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
        f"Faces of the {split_name(first.split)} split under {first.attack}, defended by "
        f"{first.defense}, drawn at random within each outcome. Of all faces: {listed(counts)}."
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
