"""Gives an expert for one kind of fakes its threshold, and tells what it finds beside false alarms.

The threshold is the best for the fakes of the first data set among those that call at most `--most`
of the real faces fake, a mean over data sets and attacks. Fakes of the other sets are not the
expert's kind and are left out there; the table shows them. Validation faces, at most `--faces` of
each set drawn by group, 95 % intervals over groups:

    python benchmarks/expert.py runs/expert --attack bicubic-x2 --attack jpeg-85 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify import Detector, FaceDataset, Manifest, load_detector
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import draw_by_group
from demagnify.detectors.threshold import choose_threshold
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.words import with_span
from demagnify.laundering.conditions import create_attacks, under_attacks

CONFIDENCE: Final = 0.95
FIGURES: Final = ("auc", "tpr", "fpr")

Column = tuple[NDArray[np.int64], NDArray[np.floating[Any]]]


def main() -> None:
    """Writes the threshold and prints a line for each data set and attack."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("detector", help="a folder; its threshold is written with --most")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--faces", type=int, default=240, help="at most, of each data set")
    parser.add_argument("--most", type=float, help="highest share of real faces called fake")
    options = parser.parse_args()
    expert = load_detector(options.detector, device="cpu", precision="float32")
    seen: list[tuple[str, str, FaceDataset, Column]] = []
    for folder in options.data:
        whole = open_faces(Manifest.load(folder).split("val"), size=expert.input_size)
        faces = whole.subset(draw_by_group(whole, options.faces, 0, "two detectors"))
        for attack, changed in under_attacks(faces, create_attacks(options.attack)).items():
            column = (faces.labels, expert.logits(changed).numpy())
            seen.append((folder.name, attack, faces, column))
    if options.most is not None:
        kind = options.data[0].name
        columns = [column if name == kind else reals(column) for name, _, _, column in seen]
        set_threshold(expert, columns, Path(options.detector), most=options.most)
    machine = describe_machine("cpu")
    print(f"{machine.processor}; split val; threshold {expert.threshold:+.3f}\n")
    print("| data | faces, groups | attack | AUC | TPR | FPR |\n|:--|--:|:--|--:|--:|--:|")
    for name, attack, faces, (labels, logits) in seen:
        scores = Scores(labels, logits - expert.threshold, 0.0)
        found = Measured.over(scores, GroupResamples(faces.groups).weights()).intervals(CONFIDENCE)
        where = f"{len(faces)}, {len(set(faces.groups.tolist()))}"
        cells = " | ".join(with_span(found[key]) for key in FIGURES)
        print(f"| {name} | {where} | {attack} | {cells} |", flush=True)


def reals(column: Column) -> Column:
    """Returns the real faces of a column alone."""
    labels, logits = column
    return labels[labels == 0], logits[labels == 0]


def set_threshold(expert: Detector, columns: list[Column], folder: Path, *, most: float) -> None:
    """Chooses the threshold and writes the detector with it."""
    expert.threshold = choose_threshold(*columns, most=most).threshold
    expert.save(folder, {**expert.card, "most_false_alarms": most})


if __name__ == "__main__":
    main()
