"""Compares defences with the first one on validation faces, by which a default is chosen.

The differences are paired by face, with 95 % intervals over groups. Nothing of the split test is
read. The command behind a table of docs/hardening.md:

    python benchmarks/on_validation.py default joined --attack realesr-compact-x2 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from demagnify import Manifest, create_transform, load_defense
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import draw_by_group
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.report.words import with_span
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, default_cache

CONFIDENCE: Final = 0.95


def main() -> None:
    """Prints a line for each data set, attack and defence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("defenses", nargs="+", help="as in detect --defense; the first is compared")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--faces", type=int, default=240, help="at most, of each data set")
    options = parser.parse_args()
    defenses = {
        Path(name).name: load_defense(name, precision="float32") for name in options.defenses
    }
    first, *_ = defenses.values()
    machine = describe_machine(str(first.device or "cpu"))
    print(f"{machine.processor}, {machine.device}; split val; 95 % intervals over groups\n")
    print("| data | n | attack | defence | AUC | balanced accuracy | FPR | AUC gain | gain |")
    print("|:--|--:|:--|:--|--:|--:|--:|--:|--:|")
    for folder in options.data:
        whole = open_faces(Manifest.load(folder).split("val"), size=first.input_size)
        faces = whole.subset(draw_by_group(whole, options.faces, 0, "two detectors"))
        resamples = GroupResamples(faces.groups).weights()
        for attack in (CLEAN, *options.attack):
            seen = faces
            if attack != CLEAN:
                seen = attacked_faces(faces, create_transform(attack), cache=default_cache())
            measured: list[Measured] = []
            for name, defense in defenses.items():
                margins = defense.logits(seen).numpy() - defense.threshold
                measured.append(Measured.over(Scores(faces.labels, margins, 0.0), resamples))
                found = measured[-1].intervals(CONFIDENCE)
                gained = measured[-1].minus(measured[0], CONFIDENCE)
                cells = [with_span(found[key]) for key in ("auc", "balanced_accuracy", "fpr")]
                gains = [with_span(gained[key]) for key in ("auc", "balanced_accuracy")]
                words = gains if len(measured) > 1 else ["", ""]
                where = f"{folder.name} | {len(faces)} | {attack} | {name}"
                print(f"| {where} | {' | '.join([*cells, *words])} |", flush=True)


if __name__ == "__main__":
    main()
