"""Counts how much more often enhanced real faces are called fake than untouched ones.

The verdicts are those of the shipped default with its calibration, as `detect` gives them: faces at
their own size are enhanced, asked whether they were, resized and classified. Every network enhances
the same faces, so that the difference is one within faces; its interval draws groups again. Logits
and answers are kept in OUTPUT. Example (DATA holds the data sets; test is looked at once, after
everything else is settled):

    python benchmarks/enhanced_reals.py DATA runs/enhanced --split val
    python benchmarks/enhanced_reals.py DATA runs/enhanced --split test

`calibrate_default.py` makes the calibration, with limits of its own for enhanced faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core import images, progress
from demagnify.data import Manifest
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.bootstrap import GroupResamples
from demagnify.evaluation.machine import describe_machine
from demagnify.hardening.enhancement_examples import family_of
from demagnify.inference.calibration import FILE, Calibration, folder_of
from demagnify.inference.enhancement import EnhancementRecognizer
from demagnify.inference.runtime import Runtime, load_runtime
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import default_cache
from demagnify.transforms import create_attack

SETS: Final = {"dfdc224": 224, "ff128": 128}
"""The data sets, each with the side of its faces."""
LEFT_OUT: Final = ("dat-light-x4",)
"""Networks that have no part in the calibration."""
NETWORKS: Final = {
    "realesr-compact-x2": 1,
    "srmd-x4": 1,
    "waifu2x-photo-x2": 1,
    "realesr-compact-x4": 1,
    "srgan-x4": 1,
    "srresnet-x4": 1,
    "dat-light-x4": 4,
}
"""The networks, each with the number of faces of which it enhances one, since some are slow."""
QUALITIES: Final = (0, 75)
"""JPEG qualities at which faces are stored after all; 0: as they are."""
ALLOWED: Final = 0.02
_FACES_AT_ONCE: Final = 32

Rows = dict[str, NDArray[Any]]
"""One row a face, network and quality: logit, answer, label, group, set, network, quality."""


def main() -> None:
    """Enhances, classifies, counts and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("output", type=Path, help="where logits and answers are kept")
    parser.add_argument("--split", choices=("val", "test"), required=True)
    parser.add_argument("--faces", type=int, default=150, help="real faces of each set")
    options = parser.parse_args()
    rows = collect(options.data, options.output, options.split, options.faces)
    calibration = Calibration.read(
        Path(str(folder_of("default") / FILE)), load_runtime("default").fingerprint
    )
    print_reals(rows, calibration)
    machine = describe_machine("cpu")
    print(f"\n{machine.processor}; the limit was {ALLOWED:.0%} more")


def collect(data: Path, output: Path, split: str, count: int) -> Rows:
    """Returns the rows of a split; each network's are kept in a file."""
    runtime, recognizer = load_runtime("default"), EnhancementRecognizer.load()
    output.mkdir(parents=True, exist_ok=True)
    sets = {name: _faces(data / name, split, count, side) for name, side in SETS.items()}
    parts: list[Rows] = []
    for network, share in {"none": 1, **NETWORKS}.items():
        if split == "val" and network in LEFT_OUT:
            continue
        for name, faces in sets.items():
            path = output / f"{split}_{count}_{name}_{network}.npz"
            if not path.is_file():
                chosen = faces.subset(np.arange(len(faces))[::share])
                if network != "none":
                    attack = create_attack(network, device="cpu")
                    chosen = attacked_faces(chosen, attack, cache=default_cache())
                found = _asked(chosen, runtime, recognizer)
                size = len(found["logit"])
                found |= {"set": np.full(size, name), "network": np.full(size, network)}
                np.savez(path, **found)  # type: ignore[arg-type]  # numpy's stub reads it as allow_pickle
            with np.load(path) as kept:
                parts.append(dict(kept))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _faces(folder: Path, split: str, count: int, side: int) -> FaceDataset:
    """Returns so many real faces of a set, and half as many fake ones, as they are stored."""
    manifest = subsample(Manifest.load(folder).split(split), min(4 * count, 1000), seed=0)
    faces = open_faces(manifest, size=side)
    kinds = [np.flatnonzero(faces.labels == label) for label in (0, 1)]
    faces = faces.subset(np.concatenate([kinds[0][:count], kinds[1][: count // 2]]))
    return faces.renamed(list(faces.names), [f"{folder.name}:{one}" for one in faces.groups])


def _asked(faces: FaceDataset, runtime: Runtime, recognizer: EnhancementRecognizer) -> Rows:
    logits: list[float] = []
    answers: list[str] = []
    for quality in QUALITIES:
        with progress.bar("classifying faces", len(faces)) as advance:
            for rows, batch in faces.batches(_FACES_AT_ONCE):
                stored = list(images.from_batch(batch))
                if quality:
                    stored = [images.through_jpeg(one, quality) for one in stored]
                crops = np.stack([images.fit(one, runtime.input_size) for one in stored])
                logits += runtime.decide(crops).logits.tolist()
                answers += [one.answer for one in recognizer(stored)]
                advance(len(rows))
    return {
        "logit": np.array(logits),
        "answer": np.array(answers),
        "label": np.tile(faces.labels, len(QUALITIES)),
        "group": np.tile(np.array(faces.groups, dtype=str), len(QUALITIES)),
        "name": np.tile(np.array(faces.names, dtype=str), len(QUALITIES)),
        "quality": np.repeat(QUALITIES, len(faces)),
    }


def print_reals(rows: Rows, calibration: Calibration) -> None:
    """Prints how often real faces are called fake, untouched and enhanced, and fakes found."""
    verdicts = np.array(calibration.apply(rows["logit"], rows["answer"].tolist()).verdicts)
    print(
        "| family | network | stored | faces | groups | untouched | enhanced | more "
        "| recognized | fakes found |"
    )
    print("|---|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for network in (one for one in NETWORKS if one in rows["network"]):
        for quality in QUALITIES:
            mine = rows["quality"] == quality
            plain = np.flatnonzero(mine & (rows["network"] == "none") & (rows["label"] == 0))
            real = np.flatnonzero(mine & (rows["network"] == network) & (rows["label"] == 0))
            places = {_key(rows, row): row for row in plain}
            before = verdicts[[places[_key(rows, row)] for row in real]] == "fake"
            after, groups = verdicts[real] == "fake", rows["group"][real]
            fake = mine & (rows["network"] == network) & (rows["label"] == 1)
            whole = mine & (rows["network"] == "none") & (rows["label"] == 1)
            print(
                f"| {family_of(network)} | {network} | {f'JPEG {quality}' if quality else 'as is'} "
                f"| {len(real)} | {len(set(groups.tolist()))} "
                f"| {before.mean():.1%} | {after.mean():.1%} | {_more(before, after, groups)} "
                f"| {(rows['answer'][real] == 'enhanced').mean():.0%} "
                f"| {(verdicts[fake] == 'fake').mean():.0%} "
                f"of {fake.sum()} (untouched {(verdicts[whole] == 'fake').mean():.0%}) |"
            )


def _key(rows: Rows, row: np.signedinteger[Any]) -> tuple[str, str]:
    return str(rows["set"][row]), str(rows["name"][row])


def _more(before: NDArray[np.bool_], after: NDArray[np.bool_], groups: NDArray[np.str_]) -> str:
    """Returns the difference in points with its 95 % interval over groups."""
    weights = GroupResamples(groups.tolist()).weights().astype(np.float64)
    change = after.astype(np.float64) - before
    low, high = np.quantile(weights @ change / weights.sum(1), [0.025, 0.975]) * 100
    return f"{change.mean() * 100:+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
