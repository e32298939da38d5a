"""Error rates of the verdict on a face in a clip, from stored frames of labelled clips.

`detect` takes the mean logit of a face's frames and answers "unsure" where fewer than 70 % of them
are on the side of the mean. Here the frames of a group and class of a data set stand for a face,
clean and under each attack, beside one frame alone. Nothing is chosen here. The command behind a
table of docs/verdict.md:

    python benchmarks/tracks.py ff128 --size 128 --split test --attack jpeg-50 \
        --attack realesr-compact-x2 --attack realesr-compact-x4
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify import Manifest, create_transform, load_defense
from demagnify.core.images import fit, from_batch, to_batch
from demagnify.data.prepare.opening import open_faces
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.measuring import rate
from demagnify.inference.video.clip import LEAST_FRAMES, ClipOptions
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, default_cache

BATCH: Final = 32


def main() -> None:
    """Prints a line for each condition, and for one frame and all frames of a face."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=224, help="at which faces are attacked")
    parser.add_argument("--split", default="val")
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--defense", default="default")
    options = parser.parse_args()
    defense = load_defense(options.defense, precision="float32")
    machine = describe_machine(str(defense.device or "cpu"))
    print(f"{machine.processor}, {machine.device}; split {options.split}; 95 % intervals, exact\n")
    print("| condition | frames | real: called fake | fake: called real | unsure |")
    print("|:--|:--|--:|--:|--:|")
    faces = open_faces(Manifest.load(options.data).split(options.split), size=options.size)
    clips = [rows for rows in clips_of(faces.groups, faces.labels) if len(rows) >= LEAST_FRAMES]
    labels = np.array([faces.labels[rows[0]] for rows in clips])
    for name in (CLEAN, *options.attack):
        seen = faces
        if name != CLEAN:
            seen = attacked_faces(faces, create_transform(name), cache=default_cache())
        margins = np.concatenate(
            [
                defense.logits(to_batch([fit(one, defense.input_size) for one in from_batch(part)]))
                .float()
                .numpy()
                for _, part in seen.batches(BATCH)
            ]
        ) - np.float32(defense.threshold)
        alone = np.array([verdict(margins[rows[:1]]) for rows in clips])
        means = np.array([verdict(margins[rows]) for rows in clips])
        for words, verdicts in (("one", alone), ("all", means)):
            cells = [
                in_words(verdicts[labels == 0] == "fake"),
                in_words(verdicts[labels == 1] == "real"),
                in_words(verdicts == "unsure"),
            ]
            print(f"| {name} | {words} | {' | '.join(cells)} |", flush=True)


def clips_of(groups: NDArray[np.str_], labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Returns the rows of each group and class."""
    return [
        np.flatnonzero((groups == group) & (labels == label)).astype(np.int64)
        for group, label in sorted(set(zip(groups.tolist(), labels.tolist(), strict=True)))
    ]


def verdict(margins: NDArray[np.floating]) -> str:
    """Returns the verdict of `detect` on a face whose frames have these logits over the limit."""
    fake = margins.mean() > 0
    agreement = ((margins > 0) == fake).mean()
    if agreement < ClipOptions.model_fields["agreement"].default:
        return "unsure"
    return "fake" if fake else "real"


def in_words(hits: NDArray[np.bool_]) -> str:
    """Returns a share with its interval, in percent; each clip is a trial."""
    found = rate(hits, np.arange(len(hits)).astype(str))
    assert found is not None
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.value:.1f} ({low:.1f} to {high:.1f}), n = {len(hits)}"


if __name__ == "__main__":
    main()
