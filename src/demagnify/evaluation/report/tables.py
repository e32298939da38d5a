"""The report's main tables, independent of how they are written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from demagnify.evaluation.metrics import METRICS, MetricName
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.words import (
    KNOWN,
    MINUS,
    SHORT,
    attack_name,
    defense_name,
    mean_and_sd,
    p_value,
    percent,
    point_span,
    points,
    sign,
    span,
    split_name,
)
from demagnify.evaluation.results import UNDEFENDED, Estimate, EvaluationResult
from demagnify.laundering.conditions import CLEAN


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a table.

    Attributes:
        value: What it says.
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
        caption: What it shows, with units and n.
        head: The columns' headings; the first is that of the rows' headings.
        rows: The rows; the first entry of each is its heading.
        notes: What must be known to read it.
    """

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = field(default=())


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
    shown = main_defenses(result)
    head = ["Attack", *(column_name(result, name) for name in shown)]
    if focus.defense is not None:
        head.append(f"Gain of {focus.defense}")
    rows = []
    for attack in attacks_of(result, focus.split):
        row = [attack_heading(result, attack)]
        for defense in shown:
            cell = result.cell(focus.split, attack, defense)
            row.append(rate(cell.metrics["balanced_accuracy"]))
        if focus.defense is not None:
            gain = result.comparison(focus.split, attack, focus.defense, UNDEFENDED)
            row.append(change(gain.metrics["balanced_accuracy"]))
        rows.append(tuple(row))
    return Table(
        name="main",
        caption=f"Balanced accuracy in %, {population(result, focus.split)}.",
        head=tuple(head),
        rows=tuple(rows),
        notes=tuple(_main_notes(result, shown)),
    )


def main_defenses(result: EvaluationResult) -> tuple[str, ...]:
    """Returns the defences that the first table and the pictures show, undefended first.

    Of many learned ones and other detectors these are the first four; the table of all rows has
    the rest.
    """
    bounds = result.of_role("bound")
    learned = result.of_role("learned")[:_MOST_SHOWN]
    others = result.of_role("detector")[: _MOST_SHOWN - len(learned)]
    rival = (result.best_rival or result.retuned,)
    names = (UNDEFENDED, result.best_fixed, *rival, *others, *learned, *bounds[:1])
    return tuple(dict.fromkeys(names))


def column_name(result: EvaluationResult, defense: str) -> str:
    """Returns a defence's name with what it stands for."""
    name = defense_name(defense)
    if defense == result.best_fixed and defense != UNDEFENDED:
        return f"{name} (best fixed)"
    if defense == result.best_rival:
        return f"{name} (best rival)"
    return name[:1].upper() + name[1:] if defense == UNDEFENDED else name


def _main_notes(result: EvaluationResult, shown: Sequence[str]) -> Iterator[str]:
    confidence = f"{100 * result.settings.confidence:g} %"
    yield (
        f"Ranges: {confidence} intervals, bootstrapped over groups "
        f"({result.settings.resamples:,} resamples)."
    )
    yield "Gain: defended minus undefended on the same faces, in percentage points."
    selection = split_name(result.settings.selection_split)
    if result.best_fixed != UNDEFENDED:
        yield f"Best fixed action and threshold: chosen on {selection} faces."
    else:
        yield f"No single action was better than leaving faces alone on {selection} faces."
    if result.best_rival:
        yield (
            f"Best rival: of everything neither learned nor fixed, the best on {selection} faces "
            "that it was not fitted to. All rows are below."
        )
    for bound in result.of_role("bound"):
        if bound in shown:
            yield f"{bound}: picks the best action knowing the label; no choice of one beats it."
    if any(entry.familiarity == "adaptive" for entry in result.attacks):
        yield (
            "Adaptive attacker: for each face, and for each column anew, the attack of this run "
            "that hurts that defence most."
        )


def paper_tables(result: EvaluationResult) -> tuple[Table, ...]:
    """The paper's tables 1 to 3: validation before and after the defence, then test."""
    focus = Focus(result)
    validation = result.settings.selection_split
    tables = [_batch_table(result, 1, "the detector alone", UNDEFENDED)]
    if focus.defense is not None:
        tables.append(
            _batch_table(result, 2, f"after the defence ({focus.defense})", focus.defense)
        )
        if focus.split != validation:
            tables.append(_test_table(result, focus.split, focus.defense))
    return tuple(tables)


def _batch_table(result: EvaluationResult, number: int, who: str, defense: str) -> Table:
    found = [figures for figures in result.batch_figures if figures.defense == defense]
    first = found[0]
    return Table(
        name=f"paper-{number}",
        caption=(
            f"Table {number}. {split_name(first.split).capitalize()}, {who}: "
            f"mean over {first.batches} random batches of {first.batch_size} faces, drawn from "
            f"{result.split_entry(first.split).n:,}, in %."
        ),
        head=("Metric", *(attack_name(figures.attack) for figures in found)),
        rows=tuple(
            (Entry(SHORT[name]), *(Entry(percent(figures.mean[name])) for figures in found))
            for name in _PAPER_METRICS
        ),
    )


def _test_table(result: EvaluationResult, split: str, defense: str) -> Table:
    cells = [result.cell(split, attack, defense) for attack in attacks_of(result, split)]
    return Table(
        name="paper-3",
        caption=(
            f"Table 3. After the defence ({defense}), all faces once, in %, "
            f"{population(result, split)}."
        ),
        head=("Metric", *(attack_name(cell.attack) for cell in cells)),
        rows=tuple(
            (Entry(SHORT[name]), *(rate(cell.metrics[name]) for cell in cells))
            for name in _PAPER_METRICS
        ),
    )


def paired_table(result: EvaluationResult) -> Table | None:
    """The learned defences against their references, face by face; None without any."""
    focus = Focus(result)
    learned = result.of_role("learned")
    order = attacks_of(result, focus.split)
    against = (UNDEFENDED, result.best_fixed, result.retuned, result.best_rival)
    found = [
        item
        for item in result.comparisons
        if item.split == focus.split and item.defense in learned and item.reference in against
    ]
    if not found:
        return None
    return Table(
        name="paired",
        caption=f"The same faces judged by two: {population(result, focus.split)}.",
        head=(
            "Attack",
            "Defence",
            "Against",
            "Gain (points)",
            "Mended",
            "Broken",
            "McNemar p",
            "Holm",
        ),
        rows=tuple(
            (
                Entry(attack_name(item.attack)),
                Entry(item.defense),
                Entry(defense_name(item.reference)),
                change(item.metrics["balanced_accuracy"]),
                Entry(f"{item.mended:,}"),
                Entry(f"{item.broken:,}"),
                Entry(p_value(item.mcnemar_p)),
                Entry("" if item.mcnemar_holm is None else p_value(item.mcnemar_holm)),
            )
            for item in sorted(found, key=lambda item: order.index(item.attack))
        ),
        notes=(
            "Mended: wrong by the reference, right by the defence; broken: the other way round.",
            "McNemar's exact test takes faces for independent; the intervals do not. Holm: the "
            "same p after Holm's correction for all comparisons of the defence on this split, "
            "those with every other rival among them.",
        ),
    )


def grid_tables(result: EvaluationResult) -> tuple[Table, ...]:
    """Every metric of every cell, one table per split."""
    return tuple(_grid_table(result, split.name) for split in result.splits)


def _grid_table(result: EvaluationResult, split: str) -> Table:
    measured = result.cells[0].metrics
    return Table(
        name=f"grid-{split}",
        caption=f"All figures in %, {population(result, split)}.",
        head=("Attack", "Defence", *(SHORT[name] for name in METRICS if name in measured)),
        rows=tuple(
            (
                Entry(attack_name(cell.attack)),
                Entry(defense_name(cell.defense)),
                *(rate(cell.metrics[name]) for name in METRICS if name in cell.metrics),
            )
            for cell in result.cells
            if cell.split == split
        ),
    )


def quality_table(result: EvaluationResult) -> Table | None:
    """How much each attack changes the pictures; None if that was not measured."""
    rows = []
    for attack in result.attacks:
        if attack.n:
            psnr = mean_and_sd(attack.psnr_mean, attack.psnr_sd, 1)
            ssim = mean_and_sd(attack.ssim_mean, attack.ssim_sd, 3)
            rows.append((Entry(attack.name), Entry(psnr), Entry(ssim), Entry(f"{attack.n:,}")))
    if not rows:
        return None
    return Table(
        name="quality",
        caption="How little the attacks change the pictures: mean ± standard deviation.",
        head=("Attack", "PSNR (dB)", "SSIM", "FaceDataset"),
        rows=tuple(rows),
    )


def data_table(result: EvaluationResult) -> Table:
    """How many faces of which label each split has."""
    return Table(
        name="data",
        caption="Faces per split.",
        head=("Split", "FaceDataset", "Real", "Fake", "Fake share (%)", "Groups", "Skipped files"),
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


def attacks_of(result: EvaluationResult, split: str) -> tuple[str, ...]:
    """Returns the attacks on a split in the order of the result, "none" included."""
    here = {cell.attack for cell in result.cells if cell.split == split}
    return tuple(attack.name for attack in result.attacks if attack.name in here)


def attack_heading(result: EvaluationResult, attack: str) -> Entry:
    """Returns an attack's name with how well the defences know it."""
    entry = next(entry for entry in result.attacks if entry.name == attack)
    if entry.familiarity is not None:
        return Entry(attack_name(attack), KNOWN[entry.familiarity])
    some_seen = any(one.seen and one.name != CLEAN for one in result.attacks)
    if attack == CLEAN or not some_seen:
        return Entry(attack_name(attack))
    return Entry(attack, KNOWN["seen" if entry.seen else "unseen"])


def population(result: EvaluationResult, split: str) -> str:
    """Returns the split and how many faces and groups it has."""
    entry = result.split_entry(split)
    return (
        f"{split_name(split)} split, n = {entry.n:,} faces "
        f"({entry.real:,} real, {entry.fake:,} fake) in {entry.groups:,} groups"
    )
