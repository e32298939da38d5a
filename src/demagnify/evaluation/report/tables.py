"""The report's main tables, independent of how they are written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from demagnify.core.printing import count
from demagnify.evaluation.metrics import METRICS, MetricName
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report.story import Focus, conditions_of
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult
from demagnify.evaluation.words import (
    KNOWN,
    MINUS,
    SHORT,
    condition_name,
    mean_and_sd,
    method_name,
    p_value,
    percent,
    point_span,
    points,
    sign,
    span,
    split_name,
)
from demagnify.laundering.config import CLEAN


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a table.

    Attributes:
        value: Its text.
        span: The interval, if there is one.
        tone: 1 where a difference is clearly for the better, -1 for the worse, 0 else.
        reason: Why there is no value or no interval.
    """

    value: str
    span: str = ""
    tone: int = 0
    reason: str = ""

    @property
    def arrow(self) -> str:
        """Where a clear difference points: up or down, whether that is good or bad."""
        if not self.tone:
            return ""
        return "▼" if self.value.startswith(MINUS) else "▲"

    def __str__(self) -> str:
        return f"{self.value} ({self.span})" if self.span else self.value


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: A short name for anchors and labels.
        caption: Its title, with units and n.
        head: The columns' headings; the first is that of the rows' headings.
        rows: The rows; the first entry of each is its heading.
        notes: What must be known to read it.
        words: How many of the first columns are words, which stand on the left.
    """

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = field(default=())
    words: int = 1


def rate(figure: Estimate) -> Entry:
    """Returns a fraction in percent as a field."""
    return Entry(percent(figure.value), span(figure), reason=figure.reason)


def change(figure: Estimate, *, better: int = 1) -> Entry:
    """Returns a difference in points as a field; `better` is -1 where less is better."""
    return Entry(
        points(figure.value), point_span(figure), better * sign(figure), reason=figure.reason
    )


_PAPER_METRICS: tuple[MetricName, ...] = (
    "tpr",
    "fpr",
    "tnr",
    "fnr",
    "accuracy",
    "balanced_accuracy",
)
_MOST_SHOWN: Final = 4


def main_table(result: EvaluationResult) -> Table:
    """Balanced accuracy of the telling defences under each attack, with the gain."""
    focus = Focus(result)
    shown = main_methods(result)
    head = ["Attack", *(column_name(result, name) for name in shown)]
    if focus.method is not None:
        head.append(f"Gain of {focus.method}")
    rows = []
    for condition in focus.here:
        row = [condition_heading(result, condition)]
        for method in shown:
            cell = focus.cell(condition, method)
            row.append(rate(cell.metrics["balanced_accuracy"]))
        if focus.method is not None:
            gain = focus.comparison(condition, focus.method)
            row.append(change(gain.metrics["balanced_accuracy"]))
        rows.append(tuple(row))
    return Table(
        name="main",
        caption=f"Balanced accuracy in %, {population(result, focus.split)}.",
        head=tuple(head),
        rows=tuple(rows),
        notes=tuple(_main_notes(result, shown)),
    )


def main_methods(result: EvaluationResult) -> tuple[str, ...]:
    """Returns the defences of the first table and the figures, undefended first.

    Of many learned ones and other detectors these are the first four; the table of all rows has
    the rest.
    """
    bounds = result.of_role("bound")
    learned = result.of_role("learned")[:_MOST_SHOWN]
    others = result.of_role("detector")[: _MOST_SHOWN - len(learned)]
    baseline = (result.best_baseline or result.retuned,)
    names = (UNDEFENDED, result.best_fixed, *baseline, *others, *learned, *bounds[:1])
    return tuple(dict.fromkeys(names))


def column_name(result: EvaluationResult, method: str) -> str:
    """Returns a method's name with its part in the table."""
    name = method_name(method)
    if method == result.best_fixed and method != UNDEFENDED:
        return f"{name} (best fixed)"
    if method == result.best_baseline:
        return f"{name} (best baseline)"
    return name[:1].upper() + name[1:] if method == UNDEFENDED else name


def _main_notes(result: EvaluationResult, shown: Sequence[str]) -> Iterator[str]:
    confidence = f"{100 * result.settings.confidence:g} %"
    yield (
        f"Ranges: {confidence} intervals, bootstrapped over groups "
        f"({result.settings.resamples:,} resamples)."
    )
    yield "Gain: defended minus undefended on the same faces, in percentage points."
    selection = split_name(result.settings.selection_split)
    if conditions_of(result, result.settings.selection_split) == (CLEAN,):
        yield (
            f"No method saw an attack of this run: baselines are chosen on clean {selection} faces "
            "alone."
        )
    if result.best_fixed != UNDEFENDED:
        yield f"Best fixed action and threshold: chosen on {selection} faces."
    else:
        yield f"No fixed action was better than the identity on {selection} faces."
    if result.best_baseline:
        yield (
            f"Best baseline: of all neither learned nor fixed, the best on {selection} faces "
            "to which it was not fitted. All rows are below."
        )
    for bound in result.of_role("bound"):
        if bound in shown:
            yield f"{bound}: picks the best action knowing the label; no choice of one beats it."
    if any(entry.familiarity == "adaptive" for entry in result.conditions):
        yield (
            "Adaptive attacker: for each face, and for each column anew, the attack of this run "
            "that hurts that defence most."
        )


def paper_tables(result: EvaluationResult) -> tuple[Table, ...]:
    """The paper's tables 1 to 3: validation before and after the defence, then test."""
    focus = Focus(result)
    validation = result.settings.selection_split
    tables = [_batch_table(result, 1, "the detector alone", UNDEFENDED)]
    if focus.method is not None:
        tables.append(_batch_table(result, 2, f"after the defence ({focus.method})", focus.method))
        if focus.split != validation:
            tables.append(_test_table(result, focus.split, focus.method))
    return tuple(tables)


def _batch_table(result: EvaluationResult, number: int, who: str, method: str) -> Table:
    found = [figures for figures in result.batch_figures if figures.method == method]
    first = found[0]
    return Table(
        name=f"paper-{number}",
        caption=(
            f"Table {number}. {split_name(first.split).capitalize()}, {who}: "
            f"mean over {first.batches} random batches of {first.batch_size} faces, drawn from "
            f"{result.split_entry(first.split).n:,}, in %."
        ),
        head=("Metric", *(condition_name(figures.condition) for figures in found)),
        rows=tuple(
            (Entry(SHORT[name]), *(Entry(percent(figures.mean[name])) for figures in found))
            for name in _PAPER_METRICS
        ),
    )


def _test_table(result: EvaluationResult, split: str, method: str) -> Table:
    cells = [result.cell(split, condition, method) for condition in conditions_of(result, split)]
    return Table(
        name="paper-3",
        caption=(
            f"Table 3. After the defence ({method}), all faces once, in %, "
            f"{population(result, split)}."
        ),
        head=("Metric", *(condition_name(cell.condition) for cell in cells)),
        rows=tuple(
            (Entry(SHORT[name]), *(rate(cell.metrics[name]) for cell in cells))
            for name in _PAPER_METRICS
        ),
    )


def paired_table(result: EvaluationResult) -> Table | None:
    """The learned defences against their references, face by face; None without any."""
    focus = Focus(result)
    learned = result.of_role("learned")
    order = focus.here
    against = (UNDEFENDED, result.best_fixed, result.retuned, result.best_baseline)
    found = [
        item
        for item in result.comparisons
        if item.split == focus.split and item.method in learned and item.reference in against
    ]
    if not found:
        return None
    return Table(
        name="paired",
        caption=f"The same faces under two methods: {population(result, focus.split)}.",
        head=(
            "Attack",
            "Method",
            "Against",
            "Gain (points)",
            "Mended",
            "Broken",
            "McNemar p",
            "Holm",
        ),
        rows=tuple(
            (
                Entry(condition_name(item.condition)),
                Entry(item.method),
                Entry(method_name(item.reference)),
                change(item.metrics["balanced_accuracy"]),
                Entry(f"{item.mended:,}"),
                Entry(f"{item.broken:,}"),
                Entry(p_value(item.mcnemar_p)),
                Entry(p_value(item.mcnemar_holm)),
            )
            for item in sorted(found, key=lambda item: order.index(item.condition))
        ),
        notes=(
            "Mended: wrong by the reference, right by the defence; broken: the other way round.",
            "McNemar's exact test takes faces for independent; the intervals do not. Holm: the "
            "same p after Holm's correction for all comparisons of the defence on this split, "
            "those with every other baseline among them.",
        ),
        words=3,
    )


def grid_tables(result: EvaluationResult) -> tuple[Table, ...]:
    """Every metric of every cell, one table per split."""
    return tuple(_grid_table(result, split.name) for split in result.splits)


def _grid_table(result: EvaluationResult, split: str) -> Table:
    measured = result.cells[0].metrics
    return Table(
        name=f"grid-{split}",
        caption=f"All figures in %, {population(result, split)}.",
        head=("Attack", "Method", *(SHORT[name] for name in METRICS if name in measured)),
        rows=tuple(
            (
                Entry(condition_name(cell.condition)),
                Entry(method_name(cell.method)),
                *(rate(cell.metrics[name]) for name in METRICS if name in cell.metrics),
            )
            for cell in result.cells
            if cell.split == split
        ),
        words=2,
    )


def quality_table(result: EvaluationResult) -> Table | None:
    """How much each attack changes the images; None if that was not measured."""
    rows = []
    for condition in result.conditions:
        if condition.n:
            psnr = mean_and_sd(condition.psnr_mean, condition.psnr_sd, 1)
            ssim = mean_and_sd(condition.ssim_mean, condition.ssim_sd, 3)
            rows.append(
                (Entry(condition.name), Entry(psnr), Entry(ssim), Entry(f"{condition.n:,}"))
            )
    if not rows:
        return None
    return Table(
        name="quality",
        caption="How little the attacks change the images: mean ± standard deviation.",
        head=("Attack", "PSNR (dB)", "SSIM", "Faces"),
        rows=tuple(rows),
    )


def data_table(result: EvaluationResult) -> Table:
    """How many faces of which label each split has."""
    return Table(
        name="data",
        caption="Faces per split.",
        head=("Split", "Faces", "Real", "Fake", "Fake share (%)", "Groups", "Skipped files"),
        rows=tuple(
            (
                Entry(split_name(split.name)),
                Entry(f"{split.n:,}"),
                Entry(f"{split.real:,}"),
                Entry(f"{split.fake:,}"),
                Entry(percent(split.fake / split.n)),
                Entry(f"{split.groups:,}"),
                Entry(f"{len(split.skipped):,}"),
            )
            for split in result.splits
        ),
    )


def condition_heading(result: EvaluationResult, condition: str) -> Entry:
    """Returns a condition's name with how well the methods know it."""
    entry = next(entry for entry in result.conditions if entry.name == condition)
    return Entry(condition_name(condition), KNOWN[entry.familiarity or "clean"])


def population(result: EvaluationResult, split: str) -> str:
    """Returns the split and how many faces and groups it has."""
    entry = result.split_entry(split)
    return (
        f"{split_name(split)} split, n = {count(entry.n, 'face')} "
        f"({entry.real:,} real, {entry.fake:,} fake) in {count(entry.groups, 'group')}"
    )
