"""Compares two detectors on validation faces, with means of their weights and both together.

"both" asks the two and takes the logit that lies higher above its own detector's threshold, so that
a face is fake if either calls it fake. The command behind the table of docs/hardening.md:

    python benchmarks/two_detectors.py hardened broad --attack realesr-compact-x2 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify import Detector, FaceDataset, Manifest, create_transform, load_detector
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import draw_by_group
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report.words import percent, with_span
from demagnify.hardening.validation import SHARES, mean_detector
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, default_cache

_CONFIDENCE: Final = 0.95

Margins = NDArray[np.floating[Any]]
"""Logits above the threshold."""


def main() -> None:
    """Prints a line for each data set, attack and detector."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", help="a detector, as in detect --defense")
    parser.add_argument("second", help="one of the same network")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--faces", type=int, default=240, help="at most, of each data set")
    options = parser.parse_args()
    first, second = (
        load_detector(name, precision="float32") for name in (options.first, options.second)
    )
    machine = describe_machine(str(first.device or "cpu"))
    print(f"{machine.processor}, {machine.device}; split val; 95 % intervals over groups\n")
    print("| data | faces, groups | attack | detector | AUC | balanced accuracy | FPR |")
    print("|:--|--:|:--|:--|--:|--:|--:|")
    for folder in options.data:
        whole = open_faces(Manifest.load(folder).split("val"), size=first.input_size)
        faces = whole.subset(draw_by_group(whole, options.faces, 0, "two detectors"))
        resamples = GroupResamples(faces.groups).weights()
        for name in (CLEAN, *options.attack):
            seen = _attacked(faces, name)
            for detector, margins in margins_of(first, second, seen):
                scores = Scores(faces.labels, margins, 0.0)
                found = Measured.over(scores, resamples).intervals(_CONFIDENCE)
                print(_line(folder.name, faces, name, detector, found), flush=True)


def margins_of(
    first: Detector, second: Detector, faces: FaceDataset
) -> Iterator[tuple[str, Margins]]:
    """Yields the margins of both, of means of their weights, and of the two together."""
    one, other = (_margins(detector, faces) for detector in (first, second))
    yield first.name, one
    yield second.name, other
    for share in SHARES:
        mean = mean_detector(first, second, share)
        mean.threshold = (1 - share) * first.threshold + share * second.threshold
        yield f"{percent(share)} % of {second.name}'s weights", _margins(mean, faces)
    yield "both", np.maximum(one, other)


def _margins(detector: Detector, faces: FaceDataset) -> Margins:
    margins: Margins = detector.logits(faces).numpy() - detector.threshold
    return margins


def _attacked(faces: FaceDataset, name: str) -> FaceDataset:
    if name == CLEAN:
        return faces
    return attacked_faces(faces, create_transform(name), cache=default_cache())


def _line(
    data: str, faces: FaceDataset, attack: str, detector: str, found: dict[Any, Estimate]
) -> str:
    cells = [with_span(found[name]) for name in ("auc", "balanced_accuracy", "fpr")]
    where = f"{len(faces)}, {len(set(faces.groups.tolist()))}"
    return f"| {data} | {where} | {attack} | {detector} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
