"""The attack table for readers: Markdown, CSV, and in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from attack_table_cells import AdaptiveFigures, AttackTable, TableCell, TableData
from demagnify.core.printing import cell as safe_cell
from demagnify.core.printing import count, listed
from demagnify.evaluation.adaptive import SearchConfig
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report.markup import markdown_table
from demagnify.evaluation.report.tables import Entry, Table, rate
from demagnify.evaluation.words import (
    NOTHING,
    SHORT,
    condition_name,
    sign,
    with_point_span,
    with_span,
)
from demagnify.laundering.config import CLEAN

SHOWN: Final[tuple[MetricName, ...]] = ("fnr", "fpr", "balanced_accuracy", "auc")
MARK: Final = "†"
FEW_GROUPS: Final = 20

_TARGETS: Final = {"all": "all faces", "fakes": "fakes", "reals": "real faces"}
_EFFECTS: Final = {
    (1, 1): "hides fakes and makes real faces look fake",
    (1, 0): "hides fakes",
    (1, -1): "hides fakes, and fewer real faces are called fake (scores sink)",
    (0, 1): "makes real faces look fake",
    (-1, 1): "makes real faces look fake, and fewer fakes are missed (scores rise)",
    (0, 0): "does neither",
    (0, -1): "does neither; fewer real faces are called fake",
    (-1, 0): "does neither; fewer fakes are missed",
    (-1, -1): "does neither; fewer fakes are missed and fewer real faces are called fake",
}
"""By the signs of the changes of FNR and FPR whose intervals are clear of zero."""


def effect(cell: TableCell) -> str:
    """Returns in words which way an attack pushes a detector."""
    return _EFFECTS[sign(cell.change["fnr"]), sign(cell.change["fpr"])]


def sentences(table: AttackTable) -> list[str]:
    """Returns a sentence per data set, detector and family of attacks: which way each pushes."""
    return [
        f"{detector.name} on {data.name}, {name}: {_effects(cells)}."
        for data in table.data
        for detector in table.detectors
        for name, cells in _families(table.rows(data.name, detector.name)).items()
    ]


def to_markdown(table: AttackTable) -> str:
    """Returns the table as Markdown: one table per data set and detector, then the words."""
    blocks = [f"```bash\n{table.command}\n```"] if table.command else []
    blocks += [
        markdown_table(_grid(table, data, detector.name))
        for data in table.data
        for detector in table.detectors
        if table.rows(data.name, detector.name)
    ]
    effects = sentences(table)
    if effects:
        blocks.append(
            "Which way each attack pushes, as far as the intervals show, in percentage points "
            "against the same faces without an attack:"
        )
        blocks.append("\n".join(f"- {sentence}" for sentence in effects))
    if table.left_out:
        blocks.append("Left out:")
        lines = (f"- {one.attack} on {one.data}: {one.reason}" for one in table.left_out)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def to_csv(table: AttackTable) -> str:
    """Returns one line per cell; figures are fractions, PSNR is in dB."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    ends = ("", "_low", "_high")
    metrics = [f"{name}{end}" for name in SHOWN for end in ends]
    changes = [f"{name}_change{end}" for name in ("fnr", "fpr") for end in ends]
    head = ("data", "split", "size", "detector", "attack", "precision", "n", "groups")
    writer.writerow((*head, *metrics, *changes, "psnr", "ssim", "success", "queries"))
    for data in table.data:
        writer.writerows(
            map(safe_cell, _csv_row(cell, data)) for cell in table.cells if cell.data == data.name
        )
    return buffer.getvalue()


def _csv_row(cell: TableCell, data: TableData) -> list[object]:
    found = cell.adaptive
    figures = [
        *(end for name in SHOWN for end in _ends(cell.metrics[name])),
        *(end for name in ("fnr", "fpr") for end in _ends(cell.change[name])),
        *(cell.psnr_mean, cell.ssim_mean),
        *((None, None) if found is None else (found.success.value, found.queries.value)),
    ]
    return [
        *(data.name, data.split, data.size, cell.detector, cell.attack, cell.precision),
        *(data.real + data.fake, data.groups),
        *("" if value is None else f"{value:.6g}" for value in figures),
    ]


def _ends(figure: Estimate) -> tuple[float | None, ...]:
    return figure.value, figure.low, figure.high


def _grid(table: AttackTable, data: TableData, detector: str) -> Table:
    cells = table.rows(data.name, detector)
    n = data.real + data.fake
    part = "" if table.subsample is None else f", at most {table.subsample:,} drawn by group"
    skipped = f", {count(data.skipped, 'file')} could not be used" if data.skipped else ""
    return Table(
        name=f"{detector}-{data.name}",
        caption=f"{detector} on {data.name}, split {data.split}: n = {count(n, 'face')} "
        f"({data.real:,} real, {data.fake:,} fake) in {count(data.groups, 'group')}{part}, "
        f"{data.size}\N{MULTIPLICATION SIGN}{data.size} pixels{skipped}. Rates in %.",
        head=("Attack", *(SHORT[name] for name in SHOWN), "PSNR, dB", "SSIM", "n", "groups"),
        rows=tuple(
            (
                Entry(condition_name(cell.attack) + f" {MARK}" * (cell.precision == "bfloat16")),
                *(rate(cell.metrics[name]) for name in SHOWN),
                Entry(NOTHING if cell.psnr_mean is None else f"{cell.psnr_mean:.2f}"),
                Entry(NOTHING if cell.ssim_mean is None else f"{cell.ssim_mean:.4f}"),
                Entry(f"{n:,}"),
                Entry(f"{data.groups:,}"),
            )
            for cell in cells
        ),
        notes=tuple(_notes(cells, data, table)),
    )


def _notes(cells: Sequence[TableCell], data: TableData, table: AttackTable) -> Iterator[str]:
    yield (
        f"Ranges: {100 * table.confidence:.0f} % intervals, bootstrapped over groups "
        f"({table.resamples:,} resamples)."
    )
    if data.groups < FEW_GROUPS:
        yield f"Only {count(data.groups, 'group')}: these intervals are too narrow."
    if any(cell.precision == "bfloat16" for cell in cells):
        yield f"{MARK} The attack's network computed in bfloat16."
    for cell in cells:
        if cell.adaptive is not None:
            yield _adaptive_note(cell.adaptive, table.search)


def _adaptive_note(found: AdaptiveFigures, config: SearchConfig) -> str:
    queries = found.queries.value
    best = sorted(found.published.items(), key=lambda pair: -pair[1])
    mostly = listed([f"{condition_name(name)} {often:,}" for name, often in best[:4] if often])
    return (
        f"Adaptive: the best of all rows for each face by this detector's score "
        f"({_TARGETS[config.targets]}, at most {config.budget} queries): "
        f"{with_span(found.success)} % of the right verdicts turned, "
        f"{NOTHING if queries is None else f'{queries:.1f}'} queries each; most often {mostly}."
    )


def _families(cells: Sequence[TableCell]) -> dict[str, list[TableCell]]:
    found: dict[str, list[TableCell]] = {}
    for cell in cells:
        if cell.attack != CLEAN:
            found.setdefault(cell.family, []).append(cell)
    return found


def _effects(cells: Sequence[TableCell]) -> str:
    """One clause for all attacks of a family that push the same way."""
    grouped: dict[str, list[str]] = {}
    for cell in cells:
        figures = ", ".join(
            f"{SHORT[metric]} {with_point_span(cell.change[metric])}" for metric in ("fnr", "fpr")
        )
        grouped.setdefault(effect(cell), []).append(f"{cell.attack}: {figures}")
    return "; ".join(f"{words} [{'; '.join(names)}]" for words, names in grouped.items())
