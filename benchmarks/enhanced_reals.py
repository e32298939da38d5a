"""Counts how much more often enhanced real faces are called fake than untouched ones.

The verdicts are those of the shipped default with its calibration. Every network enhances the same
real faces, so that the difference is one within faces; its interval draws groups again. Example
(DATA holds the data sets; test is looked at once, after everything else is settled):

    python benchmarks/enhanced_reals.py DATA --split val
    python benchmarks/enhanced_reals.py DATA --split test
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.core import progress
from demagnify.data import Manifest
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.bootstrap import GroupResamples
from demagnify.evaluation.machine import describe_machine
from demagnify.hardening.enhancement_examples import family_of
from demagnify.inference.calibration import Calibration
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import default_cache
from demagnify.transforms import create_attack

SETS: Final = ("dfdc224", "ff128")
NETWORKS: Final = {
    "srresnet-x4": 1,
    "srmd-x4": 1,
    "waifu2x-photo-x2": 1,
    "srgan-x4": 1,
    "realesr-compact-x2": 1,
    "realesr-compact-x4": 1,
    "dat-light-x4": 3,
}
"""The networks, each with the number of faces of which it enhances one, since some are slow."""
ALLOWED: Final = 0.02
_FACES_AT_ONCE: Final = 32


def main() -> None:
    """Enhances, classifies, counts and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--split", choices=("val", "test"), required=True)
    parser.add_argument("--faces", type=int, default=100, help="real faces of each set")
    options = parser.parse_args()
    defense = load_defense("default", precision="float32")
    calibration = Calibration.beside("default", defense.fingerprint())
    sets = [_reals(options.data / name, options.split, options.faces, defense) for name in SETS]
    untouched = [_called_fake(faces, defense, calibration) for faces in sets]
    print("| family | network | faces | groups | untouched | enhanced | more |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for network, share in NETWORKS.items():
        attack = create_attack(network, device="cpu")
        before, after, groups = [], [], []
        for faces, plain in zip(sets, untouched, strict=True):
            rows = np.arange(len(faces))[::share]
            enhanced = attacked_faces(faces.subset(rows), attack, cache=default_cache())
            before.append(plain[rows])
            after.append(_called_fake(enhanced, defense, calibration))
            groups += [faces.groups[row] for row in rows]
        print(_line(network, np.concatenate(before), np.concatenate(after), groups), flush=True)
    machine = describe_machine(str(defense.device or "cpu"))
    print(f"\n{machine.processor}, {machine.device}; the limit was {ALLOWED:.0%} more")


def _reals(folder: Path, split: str, count: int, defense: DefendedDetector) -> FaceDataset:
    manifest = subsample(Manifest.load(folder).split(split), 2 * count, seed=0)
    faces = open_faces(manifest, size=defense.input_size)
    faces = faces.subset(np.flatnonzero(faces.labels == 0)[:count])
    return faces.renamed(list(faces.names), [f"{folder.name}:{one}" for one in faces.groups])


def _called_fake(
    faces: FaceDataset, defense: DefendedDetector, calibration: Calibration
) -> NDArray[np.bool_]:
    logits = [one for part in _logits(faces, defense) for one in part]
    verdicts = calibration.apply(logits).verdicts
    return np.array([one == "fake" for one in verdicts], dtype=np.bool_)


def _logits(faces: FaceDataset, defense: DefendedDetector) -> Iterator[list[float]]:
    with progress.bar("classifying faces", len(faces)) as advance:
        for rows, batch in faces.batches(_FACES_AT_ONCE):
            yield defense.decide(batch).logits.double().cpu().tolist()
            advance(len(rows))


def _line(
    network: str, before: NDArray[np.bool_], after: NDArray[np.bool_], groups: list[str]
) -> str:
    """Returns a row: shares in percent, and the difference with its 95 % interval."""
    weights = GroupResamples(groups).weights().astype(np.float64)
    change = after.astype(np.float64) - before
    low, high = np.quantile(weights @ change / weights.sum(1), [0.025, 0.975]) * 100
    return (
        f"| {family_of(network)} | {network} | {len(before)} | {len(set(groups))} | "
        f"{before.mean():.1%} | {after.mean():.1%} | "
        f"{change.mean() * 100:+.1f} ({low:+.1f} to {high:+.1f}) |"
    )


if __name__ == "__main__":
    main()
