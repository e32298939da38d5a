"""The attack table for readers: Markdown, CSV, and in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from demagnify.evaluation.attack_table.result import (
    AttackTable,
    TableCell,
    TableData,
)
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.report.words import (
    NOTHING,
    SHORT,
    condition_name,
    count,
    listed,
    sign,
    with_point_span,
    with_span,
)
from demagnify.evaluation.results import Estimate
from demagnify.laundering.conditions import CLEAN

SHOWN: Final[tuple[MetricName, ...]] = ("fnr", "fpr", "balanced_accuracy", "auc")
MARK: Final = "†"
FEW_GROUPS: Final = 20

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
"""By the signs of the changes of FNR and FPR that the intervals leave no doubt about."""


def effect(cell: TableCell) -> str:
    """Returns in words which way an attack pushes a detector."""
    return _EFFECTS[sign(cell.change["fnr"]), sign(cell.change["fpr"])]


def sentences(table: AttackTable) -> list[str]:
    """Returns a sentence per data set, detector and family of attacks: which way each pushes."""
    return [
        f"{detector.name} on {data.name}, {name}: {_pushes(cells)}."
        for data in table.data
        for detector in table.detectors
        for name, cells in _families(table.rows(data.name, detector.name)).items()
    ]


def to_markdown(table: AttackTable) -> str:
    """Returns the table as Markdown: one table per data set and detector, then the words."""
    blocks = list(_blocks(table))
    if table.command:
        blocks.insert(0, f"```bash\n{table.command}\n```")
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
        for cell in table.cells:
            if cell.data == data.name:
                writer.writerow(_csv_row(cell, data))
    return buffer.getvalue()


def _csv_row(cell: TableCell, data: TableData) -> Iterator[object]:
    yield from (data.name, data.split, data.size, cell.detector, cell.attack, cell.precision)
    yield from (data.real + data.fake, data.groups)
    for name in SHOWN:
        yield from _ends(cell.metrics[name])
    yield from (*_ends(cell.change["fnr"]), *_ends(cell.change["fpr"]))
    yield from (_plain(cell.psnr_mean), _plain(cell.ssim_mean))
    found = cell.adaptive
    yield from (
        ("", "")
        if found is None
        else (
            _plain(found.success.value),
            _plain(found.queries.value),
        )
    )


def _ends(figure: Estimate) -> tuple[str, str, str]:
    return _plain(figure.value), _plain(figure.low), _plain(figure.high)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _blocks(table: AttackTable) -> Iterator[str]:
    for data in table.data:
        for detector in table.detectors:
            cells = table.rows(data.name, detector.name)
            if cells:
                yield _caption(table, data, detector.name)
                yield _grid(cells, data)
                yield "  \n".join(_notes(cells, data, table))
    said = sentences(table)
    if said:
        yield (
            "Which way each attack pushes, as far as the intervals tell, in percentage points "
            "against the same faces without an attack:"
        )
        yield "\n".join(f"- {sentence}" for sentence in said)
    if table.left_out:
        yield "Left out:"
        yield "\n".join(f"- {one.attack} on {one.data}: {one.reason}" for one in table.left_out)


def _caption(table: AttackTable, data: TableData, detector: str) -> str:
    part = "" if table.limit is None else f", at most {table.limit:,} drawn by group"
    skipped = f", {data.skipped} files could not be used" if data.skipped else ""
    return (
        f"**{detector} on {data.name}**, split {data.split}: n = {data.real + data.fake:,} faces "
        f"({data.real:,} real, {data.fake:,} fake) in {data.groups:,} groups{part}, "
        f"{data.size}\N{MULTIPLICATION SIGN}{data.size} pixels{skipped}. Rates in %."
    )


def _grid(cells: Sequence[TableCell], data: TableData) -> str:
    head = ["Attack", *(SHORT[name] for name in SHOWN), "PSNR, dB", "SSIM", "n", "groups"]
    lines = [f"| {' | '.join(head)} |", f"|:--|{'--:|' * (len(head) - 1)}"]
    for cell in cells:
        mark = f" {MARK}" if cell.precision == "bfloat16" else ""
        row = [
            f"{condition_name(cell.attack)}{mark}",
            *(with_span(cell.metrics[name]) for name in SHOWN),
            NOTHING if cell.psnr_mean is None else f"{cell.psnr_mean:.2f}",
            NOTHING if cell.ssim_mean is None else f"{cell.ssim_mean:.4f}",
            f"{data.real + data.fake:,}",
            f"{data.groups:,}",
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


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
            yield _adaptive_note(cell, table)


def _adaptive_note(cell: TableCell, table: AttackTable) -> str:
    found, settings = cell.adaptive, table.settings
    if found is None:
        return ""
    queries = found.queries.value
    best = sorted(found.published.items(), key=lambda pair: -pair[1])
    mostly = listed([f"{condition_name(name)} {often:,}" for name, often in best[:4] if often])
    whom = {"all": "all faces", "fakes": "fakes", "reals": "real faces"}[settings.targets]
    return (
        f"Adaptive: the best of all rows for each face by this detector's score ({whom}, at most "
        f"{settings.budget} queries): {with_span(found.success)} % of the right verdicts turned, "
        f"{NOTHING if queries is None else f'{queries:.1f}'} queries each; most often {mostly}."
    )


def _families(cells: Sequence[TableCell]) -> dict[str, list[TableCell]]:
    found: dict[str, list[TableCell]] = {}
    for cell in cells:
        if cell.attack != CLEAN:
            found.setdefault(cell.family, []).append(cell)
    return found


def _pushes(cells: Sequence[TableCell]) -> str:
    """Says it once for all attacks of a family that push the same way."""
    said: dict[str, list[str]] = {}
    for cell in cells:
        figures = ", ".join(
            f"{SHORT[metric]} {with_point_span(cell.change[metric])}" for metric in ("fnr", "fpr")
        )
        said.setdefault(effect(cell), []).append(f"{cell.attack}: {figures}")
    return "; ".join(f"{words} [{'; '.join(names)}]" for words, names in said.items())
