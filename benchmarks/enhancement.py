"""Trains the shipped enhancement answer, and measures it on families of networks left out.

Every step keeps its files in OUTPUT, so that a later run goes on. Example (DATA holds the four data
sets; SURROGATES is the folder surrogates/ that `demagnify harden` leaves in OUT.rounds/):

    python benchmarks/enhancement.py DATA runs/enhancement --surrogates SURROGATES --ship

Faces take part as they are stored, and shrunk, so that traces of JPEG vanish, with the noise of a
sensor: otherwise missing traces of JPEG would be the sign of an enhanced face. The networks of the
catalogue enhance both. Of stylegan256 only the photographs take part. The split test is not read.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.rng import generator
from demagnify.data import Manifest
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.hardening import enhancement_examples as examples
from demagnify.hardening.enhancement import EnhancementConfig, decide, measure
from demagnify.hardening.enhancement_faces import parts, rebuilt_by
from demagnify.hardening.enhancement_features import describe
from demagnify.hardening.enhancement_files import save
from demagnify.hardening.enhancement_network import fit, logits_of
from demagnify.hardening.surrogate_training import read_surrogates
from demagnify.inference.enhancement import WEIGHTS
from demagnify.transforms import create_attack

NETWORKS: Final = (
    *("realesr-compact-x2", "realesr-compact-x3", "realesr-compact-x4", "realesrgan-x4plus"),
    *("srresnet-x4", "srgan-x4", "srmd-x2", "srmd-x3", "srmd-x4", "waifu2x-photo-x2"),
    *("edsr-liif-x2", "edsr-liif-x4", "dat-light-x2", "dat-light-x4"),
)
SLOW: Final = ("dat-light", "realesrgan", "edsr-liif")
"""Enhance a third of the faces."""
SIZES: Final = {
    "dfdc224": (224, 144, 96),
    "ff128": (128, 128, 72),
    "stylegan256": (256, 144, 108),
    "composite": (256, 144, 120),
}
"""Side at which faces are read, and of the parts that are used: as stored, and shrunk."""
PHOTOGRAPHS: Final = ("stylegan256",)
"""Sets of which the fakes, wholly synthetic, are left out."""
FACES: Final = {"train": 60, "val": 32}
DELIVERIES: Final = {"train": ("mixed", "mixed2"), "val": ("none", "jpeg75", "mixed")}
RESAMPLED: Final = 400

Pixels = NDArray[np.uint8]
Features = dict[tuple[str, str, str, str, str], NDArray[np.float32]]
"""(N, 2, F), captured and enhanced, by split, set, history, network and delivery."""


def main() -> None:
    """Rebuilds, describes, measures, and perhaps ships."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the four data sets")
    parser.add_argument("output", type=Path, help="where faces and features are kept")
    parser.add_argument("--surrogates", type=Path, help="surrogate networks for the training")
    parser.add_argument("--ship", action="store_true", help="replace the shipped weights")
    options = parser.parse_args()
    faces, features = options.output / "faces", options.output / "features"
    for folder in (faces, features):
        folder.mkdir(parents=True, exist_ok=True)
    for split in FACES:
        for name in SIZES:
            rebuild(options.data, faces, name, split, options.surrogates)
    for path in sorted(faces.glob("*.npz")):
        describe_file(path, features)
    found: Features = {}
    for path in sorted(features.glob("*.npy")):
        split, name, history, network, how = path.stem.split("_")
        found[split, name, history, network, how] = np.load(path)
    print_table(found, faces)
    command = "python " + shlex.join(["benchmarks/enhancement.py", "DATA", *sys.argv[2:]])
    train(found, WEIGHTS if options.ship else options.output / "network", command)


def rebuild(data: Path, folder: Path, name: str, split: str, surrogates: Path | None) -> None:
    """Writes the faces of a set as captured and as each network enhances them."""
    sparring = read_surrogates(surrogates) if surrogates and split == "train" else []
    attacks = [create_attack(network, device="cpu") for network in NETWORKS]
    for history, faces in _histories(data, name, split):
        stem = f"{split}_{name}_{history}"
        if not (path := folder / f"{stem}_captured.npz").is_file():
            groups = np.array(faces.groups, dtype=str)
            np.savez(path, x=np.asarray(faces.images[:]), g=groups)
        for network, attack in zip(NETWORKS, attacks, strict=True):
            if (path := folder / f"{stem}_{network}.npz").is_file():
                continue
            count = len(faces) // 3 if network.startswith(SLOW) else len(faces)
            starts = range(0, count, 16)
            parts = [attack(faces.batch(range(i, min(i + 16, count)))).numpy() for i in starts]
            np.savez(path, x=np.concatenate(parts))
        for surrogate in sparring:
            if not (path := folder / f"{stem}_{surrogate.name}.npz").is_file():
                purpose = f"sur {name} {history} {surrogate.name}"
                pixels = np.asarray(faces.images[:])
                np.savez(path, x=rebuilt_by(surrogate, pixels, seed=0, purpose=purpose))


def _histories(data: Path, name: str, split: str) -> Iterator[tuple[str, FaceDataset]]:
    """Yields parts of the faces of a set, as stored and as if newly captured."""
    count, whole = FACES[split], name in PHOTOGRAPHS
    size, *sides = SIZES[name]
    manifest = subsample(
        Manifest.load(data / name).split(split), (3 if whole else 2) * count, seed=0
    )
    faces = open_faces(manifest, size=size)
    kinds = [np.flatnonzero(faces.labels == label) for label in (0, 1)]
    short = min(len(kinds[0]), len(kinds[1]), count // 2)
    both = np.stack([one[:short] for one in kinds], 1).ravel() if not whole else kinds[0][:count]
    faces = faces.subset(both)
    for history, side in zip(("stored", "fresh"), sides, strict=True):
        purpose = f"exp {name} {split} {history}"
        yield history, parts(faces, side, shrunk=history == "fresh", seed=0, purpose=purpose)


def describe_file(path: Path, folder: Path) -> None:
    """Writes the features of the pairs of one file, once for each delivery."""
    split, name, history, network = path.stem.split("_")
    if network == "captured":
        return
    for how in DELIVERIES[split]:
        target = folder / f"{path.stem}_{how}.npy"
        if target.is_file():
            continue
        captured = np.load(path.with_name(f"{split}_{name}_{history}_captured.npz"))["x"]
        rows = []
        for row, enhanced in enumerate(np.load(path)["x"]):
            rng = generator(0, f"pair {split} {name} {history} {network} {how}", row)
            delivered = examples.Delivered(None, 75 if how == "jpeg75" else None)
            mixed = how.startswith("mixed")
            pair = examples.draw_pair(captured[row], enhanced, rng, None if mixed else delivered)
            rows.append(np.stack([describe(one) for one in pair]))
        np.save(target, np.stack(rows))


def join(found: Features, split: str, hows: tuple[str, ...], left_out: str = "") -> Any:  # noqa: ANN401
    """Returns the examples of a split, without the catalogue's networks of one family."""
    parts = []
    for (where, _, _, network, how), rows in sorted(found.items()):
        family, factor = examples.family_of(network), examples.factor_of(network)
        if where != split or how not in hows or (network in NETWORKS and family == left_out):
            continue
        kinds = -1 if family is None else examples.FAMILIES.index(family)
        factors = -1 if factor is None else examples.FACTORS.index(factor)
        features = rows.reshape(2 * len(rows), -1).astype(np.float32)
        answers = [np.tile([-1, one], len(rows)) for one in (kinds, factors)]
        parts.append(examples.Described(features, np.tile([0, 1], len(rows)), *answers))
    return examples.joined(parts)


def _fitted(found: Features, left_out: str = "") -> Any:  # noqa: ANN401
    config = EnhancementConfig()
    return fit(
        join(found, "train", DELIVERIES["train"], left_out),
        epochs=config.epochs,
        width=config.width,
        decay=config.decay,
        seed=config.seed,
    )


def print_table(found: Features, faces: Path) -> None:
    """Prints balanced accuracies with the family of each network left out of the training."""
    print(
        "| left out | network | pairs | as it is: captured | enhanced | balanced | after JPEG 75 |"
    )
    print("|---|---|--:|--:|--:|--:|--:|")
    for family in examples.FAMILIES:
        network = _fitted(found, family)
        for name in (one for one in NETWORKS if examples.family_of(one) == family):
            cells = []
            for how in ("none", "jpeg75"):
                keys = [key for key in sorted(found) if key[0] == "val" and key[3:] == (name, how)]
                rows = np.concatenate([found[key] for key in keys]).astype(np.float32)
                right = np.stack(
                    [
                        logits_of(network, rows[:, 0])[:, 0] <= 0,
                        logits_of(network, rows[:, 1])[:, 0] > 0,
                    ]
                )
                cells.append((right, _groups(keys, found, faces)))
            right, groups = cells[0]
            print(
                f"| {family} | {name} | {right.shape[1]} | {right[0].mean():.2f} | "
                f"{right[1].mean():.2f} | {_interval(right, groups)} | {_interval(*cells[1])} |",
                flush=True,
            )


def _groups(keys: list[Any], found: Features, faces: Path) -> NDArray[np.str_]:
    names = []
    for key in keys:
        stored = np.load(faces / f"{'_'.join(key[:3])}_captured.npz")["g"]
        names += [f"{key[1]} {one}" for one in stored[: len(found[key])]]
    return np.array(names)


def _interval(right: NDArray[np.bool_], groups: NDArray[np.str_]) -> str:
    """Returns the balanced accuracy with its 95 % interval: groups drawn again with replacement."""
    members = [np.flatnonzero(groups == one) for one in np.unique(groups)]
    rng, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLED):
        rows = np.concatenate([members[one] for one in rng.integers(0, len(members), len(members))])
        drawn.append(right[:, rows].mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{right.mean():.2f} ({low:.2f} to {high:.2f})"


def train(found: Features, folder: Path, command: str) -> None:
    """Trains on all networks, chooses the limits on validation faces and saves."""
    config, network = EnhancementConfig(), _fitted(found)
    held_back = join(found, "val", ("mixed",))
    decision = decide(network, held_back, config)
    figures = measure(network, held_back, decision)
    faces = {
        split: {
            f"{name}, {history}": max(
                len(rows) for key, rows in found.items() if key[:3] == (split, name, history)
            )
            for name in SIZES
            for history in ("stored", "fresh")
        }
        for split in FACES
    }
    about = {
        "command": command,
        "networks": sorted({key[3] for key in found if key[0] == "train"}),
        "training faces": faces["train"],
        "validation faces": faces["val"],
        "validation": figures,
    }
    print(figures)
    for how in ("none", "jpeg75"):
        print(how, measure(network, join(found, "val", (how,)), decision))
    if folder == WEIGHTS:
        about = {**_ABOUT, **about}
        for one in folder.iterdir():
            one.unlink()
    save(network, decision, folder, about)


_ABOUT: Final = {
    "summary": "Says of a face whether a super-resolution network enhanced it: captured, enhanced, "
    "or cannot tell. A network of two hidden layers over 1,206 residual features.",
    "training_data": "DFDC, a set that is very probably FaceForensics++, one of local composites "
    "and photographs of FFHQ, each as captured and as enhanced, as stored and shrunk.",
    "limits": "Families of networks outside of the list are often missed (docs/enhancement.md). "
    "Do not rely on 'captured'.",
    "licence": "Apache-2.0; the training faces keep their own terms",
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
