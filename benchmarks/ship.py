"""Makes a trained detector or defence one that comes with the package, and prints its tables.

Weights become float16, the card keeps what training wrote and gets words from --words (a JSON file:
summary, limits, licence, command, training_data ...) and the figures of evaluations. The tables are
those of docs/models.md (--row: one defence) and docs/results.md (--columns: several). Example:

    python benchmarks/ship.py runs/hardened hardened --words words.json \
        --row hardened --evaluation dfdc224=runs/eval-dfdc224 --evaluation ff128=runs/eval-ff128
    python benchmarks/ship.py --evaluation dfdc224=runs/eval-dfdc224 --columns hardened default
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import torch

from demagnify.core import artifacts
from demagnify.evaluation import load_result
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult
from demagnify.laundering.conditions import CLEAN

WEIGHTS: Final = Path(__file__).parents[1] / "src" / "demagnify" / "weights"
SHELVES: Final = {"detector": "detectors", "defense": "defenses"}
FIGURES: Final = ("balanced_accuracy", "tpr", "fpr", "auc")
UNIT: Final = "percent; low and high are 95 % intervals, bootstrapped over groups"
DAMAGE: Final = 0.02
"""Recovered shares are given where an attack costs more."""


def main() -> None:
    """Reads the evaluations, prints the tables, and writes what is shipped if a name is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", help="what train-... or harden wrote")
    parser.add_argument("name", nargs="?", help="what it is called from now on")
    parser.add_argument("--evaluation", action="append", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--row", default=UNDEFENDED, help="whose figures the card gets")
    parser.add_argument("--attacks", nargs="*", help="whose figures the card gets; all if not set")
    parser.add_argument("--columns", nargs="*", default=[], help="defences to print side by side")
    parser.add_argument("--words", type=Path, help="JSON with what else the card shall say")
    options = parser.parse_args()
    results = {
        data: load_result(Path(folder))
        for data, _, folder in (one.partition("=") for one in options.evaluation)
    }
    for data, result in results.items():
        if options.columns:
            print(f"\n{data}\n\n{side_by_side(result, options.columns)}")
    figures = [
        row
        for data, result in results.items()
        for row in rows_of(data, result, options.row)
        if options.attacks is None or row["attack"] in options.attacks
    ]
    if options.name:
        words = json.loads(options.words.read_text(encoding="utf-8")) if options.words else {}
        ship(options.source, options.name, words, figures)
        print(f"\n{models_table(figures)}")


def ship(source: Path, name: str, words: dict[str, Any], figures: list[dict[str, Any]]) -> None:
    """Writes float16 weights and the card to the package's own weights."""
    kind = artifacts.kind_of(source)
    artifact = artifacts.load(source, kind)
    tensors = {
        key: tensor.half() if tensor.dtype == torch.float32 else tensor
        for key, tensor in artifact.tensors.items()
    }
    card = {**artifact.card, **words}
    if "detector" in card:
        card["detector"] = {**card["detector"], "name": name}
    if figures:
        command = words.get("evaluated_by", "demagnify evaluate OUT --data DATA --attack ...")
        card["test"] = {"unit": UNIT, "command": command, "figures": figures}
    artifacts.save(WEIGHTS / SHELVES[kind] / name, kind, tensors, card)


def rows_of(data: str, result: EvaluationResult, defense: str) -> list[dict[str, Any]]:
    """Returns one defence's test figures under every attack, in percent."""
    return [
        {
            "data": data,
            "attack": cell.condition,
            "faces": cell.n,
            "groups": cell.groups,
            **{name: _percent(cell.metrics[name]) for name in FIGURES},
        }
        for cell in result.cells
        if (cell.split, cell.method) == ("test", defense) and cell.condition != "adaptive"
    ]


def models_table(figures: list[dict[str, Any]]) -> str:
    """Returns the table of docs/models.md."""
    lines = [
        "| data | attack | faces, groups | balanced accuracy | TPR | FPR | AUC |",
        "|:--|:--|--:|--:|--:|--:|--:|",
    ]
    for row in figures:
        attack = "–" if row["attack"] == CLEAN else row["attack"]  # noqa: RUF001
        cells = [
            f"{row[n]['value']} ({row[n]['low']}–{row[n]['high']})"  # noqa: RUF001
            for n in FIGURES
        ]
        where = f"{row['faces']:,} in {row['groups']}"
        lines.append(f"| {row['data']} | {attack} | {where} | {' | '.join(cells)} |")
    return "\n".join(lines)


def side_by_side(result: EvaluationResult, columns: list[str]) -> str:
    """Returns balanced accuracy and recovered share of several defences under every attack."""
    names = [UNDEFENDED, *columns]
    attacks = [cell.condition for cell in result.cells if _key(cell) == ("test", UNDEFENDED)]
    lines = [f"| attack | {' | '.join(names)} |", f"|:--|{'--:|' * len(names)}"]
    for attack in attacks:
        cells = [_cell(result, attack, name) for name in names]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    for gain in result.mean_gains:
        if gain.split == "test" and gain.method in columns and gain.reference in names:
            said = f"mean of {len(gain.conditions)} attacks: {_range(gain.gain, signed=True)}"
            lines.append(f"\n{gain.method} − {gain.reference}, {said}")  # noqa: RUF001
    return "\n".join(lines)


def _key(cell: Any) -> tuple[str, str]:  # noqa: ANN401
    return cell.split, cell.method


def _cell(result: EvaluationResult, attack: str, defense: str) -> str:
    said = _range(result.cell("test", attack, defense).metrics["balanced_accuracy"])
    if defense == UNDEFENDED or attack == CLEAN:
        return said
    recovery = result.recovery("test", attack, defense)
    damage, share = recovery.damage.value, recovery.share.value
    return said if not damage or damage <= DAMAGE or share is None else f"{said} / {share:.0%}"


def _range(estimate: Estimate, *, signed: bool = False) -> str:
    value, low, high = (
        float("nan") if one is None else 100 * one
        for one in (estimate.value, estimate.low, estimate.high)
    )
    if signed:
        return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{value:.1f} ({low:.1f}–{high:.1f})"  # noqa: RUF001


def _percent(estimate: Estimate) -> dict[str, float]:
    ends = (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
    return {name: round(100 * number, 1) for name, number in ends if number is not None}


if __name__ == "__main__":
    main()
