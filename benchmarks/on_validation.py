"""Compares defences with the first one on validation faces, by which a default is chosen.

The differences are paired by face, with 95 % intervals over groups. Nothing of the split test is
read. The commands behind tables of docs/hardening.md:

    python benchmarks/on_validation.py default joined --attack realesr-compact-x2 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
    python benchmarks/on_validation.py hardened broad --means --attack realesr-compact-x2 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224

With `--means`, two detectors of the same network stand beside means of their weights and both
together: "both" takes the logit that lies higher above its own detector's threshold, so that a face
is fake if either calls it fake.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify import (
    DefendedDetector,
    Detector,
    FaceDataset,
    Manifest,
    load_defense,
)
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import draw_by_group
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.words import percent, with_point_span, with_span
from demagnify.hardening.validation import SHARES, mean_detector
from demagnify.laundering.conditions import create_attacks, under_attacks

CONFIDENCE: Final = 0.95
COLUMNS: Final = (
    *("data", "faces, groups", "attack", "defence"),
    *("AUC", "balanced accuracy", "FPR", "AUC gain", "gain"),
)

Margins = NDArray[np.floating[Any]]
"""Logits above the threshold."""


def main() -> None:
    """Prints a line for each data set, attack and defence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("defenses", nargs="+", help="as in detect --defense; the first is compared")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--faces", type=int, default=240, help="at most, of each data set")
    parser.add_argument("--means", action="store_true", help="means of the weights of two, too")
    options = parser.parse_args()
    if options.means and len(options.defenses) != 2:
        parser.error("--means takes two detectors")
    defenses = [load_defense(name, precision="float32") for name in options.defenses]
    names = [Path(name).name for name in options.defenses]
    first = defenses[0]
    machine = describe_machine(str(first.device or "cpu"))
    print(f"{machine.processor}, {machine.device}; split val; 95 % intervals over groups\n")
    print(f"| {' | '.join(COLUMNS)} |\n|:--|--:|:--|:--|--:|--:|--:|--:|--:|")
    for folder in options.data:
        faces = validation_faces(folder, options.faces, first.input_size)
        for attack, seen in under_attacks(faces, create_attacks(options.attack)).items():
            margins = margins_of(defenses, names, seen, means=options.means)
            for cells in measured_cells(margins, faces):
                where = f"{len(faces)}, {len(set(faces.groups.tolist()))} | {attack}"
                print(f"| {folder.name} | {where} | {' | '.join(cells)} |", flush=True)


def validation_faces(folder: Path, count: int, size: int) -> FaceDataset:
    """Returns at most about `count` faces of the split val, whole groups, the same every time."""
    faces = open_faces(Manifest.load(folder).split("val"), size=size)
    return faces.subset(draw_by_group(faces, count, 0, "two detectors"))


def margins_of(
    defenses: Sequence[DefendedDetector], names: Sequence[str], faces: FaceDataset, *, means: bool
) -> Iterator[tuple[str, Margins]]:
    """Yields each defence's margins, and those of two's means and of two together."""
    margins = [_margins(defense, faces) for defense in defenses]
    yield from zip(names, margins, strict=True)
    if not means:
        return
    first, second = (_detector(defense) for defense in defenses)
    for share in SHARES:
        mean = mean_detector(first, second, share)
        mean.threshold = (1 - share) * first.threshold + share * second.threshold
        yield f"{percent(share)} % of {names[1]}'s weights", _margins(mean, faces)
    yield "both", np.maximum(*margins)


def measured_cells(
    margins: Iterator[tuple[str, Margins]], faces: FaceDataset
) -> Iterator[list[str]]:
    """Yields the name, figures and gains over the first of each defence as cells of a table."""
    resamples = GroupResamples(faces.groups).weights()
    first: Measured | None = None
    for name, values in margins:
        measured = Measured.over(Scores(faces.labels, values, 0.0), resamples)
        found = measured.intervals(CONFIDENCE)
        cells = [with_span(found[key]) for key in ("auc", "balanced_accuracy", "fpr")]
        gains = ["", ""]
        if first is not None:
            gained = measured.minus(first, CONFIDENCE)
            gains = [with_point_span(gained[key]) for key in ("auc", "balanced_accuracy")]
        first = first or measured
        yield [name, *cells, *gains]


def _margins(detector: Detector | DefendedDetector, faces: FaceDataset) -> Margins:
    margins: Margins = detector.logits(faces).numpy() - detector.threshold
    return margins


def _detector(defense: DefendedDetector) -> Detector:
    if not isinstance(defense.detector, Detector):
        raise SystemExit("--means takes detectors of this package")
    return defense.detector


if __name__ == "__main__":
    main()
