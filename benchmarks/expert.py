"""Gives an expert for one kind of fakes its threshold, and tells what it finds beside false alarms.

With `--most` the threshold is the best for the fakes of the first data set among those that call at
most that share of the real faces fake, a mean over data sets and attacks. Fakes of the other sets
are not the expert's kind and are left out there; the table shows them. At most `--faces` faces of
each set drawn by group, 95 % intervals over groups. On the split test the figures go to the card:

    python benchmarks/expert.py runs/expert --most 0.005 --attack bicubic-x2 --attack jpeg-85 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
    python benchmarks/expert.py runs/expert --split test --faces 400 --attack bicubic-x4 \
        --data stylegan256 --data composite --data ff128 --data sample --data dfdc224
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify import Detector, FaceDataset, Manifest, load_detector
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.detectors.threshold import choose_threshold
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.records import Estimate
from demagnify.laundering.conditions import create_attacks, under_attacks
from on_validation import validation_faces
from ship import FIGURES, UNIT, models_table

CONFIDENCE: Final = 0.95

Column = tuple[NDArray[np.int64], NDArray[np.floating[Any]]]


def main() -> None:
    """Writes the threshold and prints a line for each data set and attack."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("detector", help="a folder; its threshold is written with --most")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--faces", type=int, default=240, help="at most, of each data set")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--most", type=float, help="highest share of real faces called fake")
    options = parser.parse_args()
    if options.split == "test" and options.most is not None:
        parser.error("a threshold is chosen on validation faces")
    expert = load_detector(options.detector, device="cpu", precision="float32")
    seen: list[tuple[str, str, FaceDataset, Column]] = []
    for folder in options.data:
        faces = _drawn(folder, options.split, options.faces, expert.input_size)
        for attack, changed in under_attacks(faces, create_attacks(options.attack)).items():
            column = (faces.labels, expert.logits(changed).numpy())
            seen.append((folder.name, attack, faces, column))
    if options.most is not None:
        kind = options.data[0].name
        columns = [column if name == kind else reals(column) for name, _, _, column in seen]
        set_threshold(expert, columns, Path(options.detector), most=options.most)
    machine = describe_machine("cpu").processor
    print(f"{machine}; split {options.split}; threshold {expert.threshold:+.3f}\n")
    rows = [figures_of(expert, *one) for one in seen]
    print(models_table(rows), flush=True)
    if options.split == "test":
        words = [*_flags("attack", options.attack), *_flags("data", options.data)]
        command = f"expert.py {expert.name} --split test --faces {options.faces} {' '.join(words)}"
        test = with_rows(expert.card.get("test"), f"python benchmarks/{command}", rows)
        expert.save(Path(options.detector), {**expert.card, "test": test})


def with_rows(
    test: dict[str, Any] | None, command: str, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the card's figures with those of a command after the ones that stand there."""
    if test is None:
        return {"unit": UNIT, "command": command, "figures": rows}
    known = {(row["data"], row["attack"]) for row in test["figures"]}
    new = [row for row in rows if (row["data"], row["attack"]) not in known]
    command = f"{test['command']}; {command}"
    return {"unit": UNIT, "command": command, "figures": [*test["figures"], *new]}


def figures_of(
    expert: Detector, data: str, attack: str, faces: FaceDataset, column: Column
) -> dict[str, Any]:
    """Returns the figures of one set under one attack as a card has them, in percent."""
    labels, logits = column
    scores = Scores(labels, logits - expert.threshold, 0.0)
    found = Measured.over(scores, GroupResamples(faces.groups).weights()).intervals(CONFIDENCE)
    return {
        "data": data,
        "attack": attack,
        "faces": len(faces),
        "groups": len(set(faces.groups.tolist())),
        **{key: _percent(found[key]) for key in FIGURES},
    }


def _drawn(folder: Path, split: str, count: int, size: int) -> FaceDataset:
    """Draws faces as the other tables do: whole groups of val, many groups of test."""
    if split == "test":
        return open_faces(subsample(Manifest.load(folder).split(split), count), size=size)
    return validation_faces(folder, count, size)


def _flags(flag: str, values: Sequence[str | Path]) -> Iterator[str]:
    for value in values:
        yield f"--{flag} {Path(value).name}"


def _percent(estimate: Estimate) -> dict[str, float]:
    ends = (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
    return {name: round(100 * number, 1) for name, number in ends if number is not None}


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
