"""Fine-tunes a detector on faces that published networks laundered, computed once and kept.

Each training face gets one version, by a network that is drawn for it (one that is named more often
is drawn more often), at the face's own size and delivered as attackers do. Then a part of every
pass stays clean, a part is filtered and the rest is laundered. The targets hold 30 % of the start's
verdicts on clean faces. What is done is not done again. Then means of the weights can be compared:

    python benchmarks/seen_networks.py tuned --data dfdc224=224 --data ff128=128 --data sample=224 \
        --network realesr-compact-x4 --network realesr-compact-x2 --network srgan-x4
    python benchmarks/on_validation.py hardened tuned --means --attack realesr-compact-x4 \
        --data dfdc224 --data ff128 --data sample
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify import FaceDataset, Manifest, load_detector
from demagnify.core.rng import generator
from demagnify.data.prepare.opening import open_faces
from demagnify.detectors.config import TrainDetectorConfig
from demagnify.detectors.training import train_detector
from demagnify.hardening.attack_pool import AttackPool
from demagnify.hardening.delivery import Delivery
from demagnify.hardening.training_faces import TrainingFaces
from demagnify.laundering.attacked_faces import cached_faces
from demagnify.laundering.conditions import at_size
from demagnify.transforms import create
from demagnify.transforms.catalogue import DEGRADATIONS

TEACHING: Final = 0.3
"""Share of the start's verdicts in the training targets."""
BATCH: Final = 256
"""Faces that are laundered at once; each network gets a part of them."""


def main() -> None:
    """Launders the training faces, fine-tunes, and writes the detector."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", action="append", required=True, metavar="FOLDER=SIZE")
    parser.add_argument("--network", action="append", required=True)
    parser.add_argument("--detector", default="hardened", help="to start from")
    parser.add_argument("--clean", type=float, default=0.45, help="share of the faces of a pass")
    parser.add_argument("--filtered", type=float, default=0.15, help="share of the faces of a pass")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = load_detector(options.detector)
    kept = options.output.with_name(options.output.name + ".laundered")
    sets = [(Path(folder), int(side)) for folder, _, side in map(_parted, options.data)]

    def opened(split: str) -> tuple[FaceDataset, FaceDataset]:
        return both(sets, split, options.network, options.seed, start.input_size, kept)

    clean, laundered = opened("train")
    cache = kept / "targets.safetensors"
    targets = TrainingFaces(clean, np.arange(len(clean))).targets(start, clean, TEACHING, cache)
    validation = FaceDataset.concatenate(opened("val"))
    settings = TrainDetectorConfig(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    train_detector(
        (clean, validation),
        options.output,
        settings,
        detector=deepcopy(start),
        transform=Seen(laundered, options.clean, options.filtered, options.seed),
        targets=targets,
        about={"seen_attacks": [*start.card.get("seen_attacks", []), *sorted({*options.network})]},
        log=print,
    )


def _parted(words: str) -> tuple[str, str, str]:
    return words.rpartition("=")


def both(
    sets: Sequence[tuple[Path, int]],
    split: str,
    networks: Sequence[str],
    seed: int,
    size: int,
    cache: Path,
) -> tuple[FaceDataset, FaceDataset]:
    """Returns the faces of a split, all sets one after the other, clean and laundered.

    Args:
        sets: Each data set, and the side at which its faces are laundered.
        split: "train" or "val".
        networks: Names of attacks; a name that stands twice is drawn twice as often.
        seed: Of the draws.
        size: Side to which both are resized.
        cache: Where laundered faces are kept.
    """
    single = list(dict.fromkeys(networks))
    attacks = [Delivery(create(name, precision="auto")) for name in single]
    pool = AttackPool((tuple(attacks),))
    parts: list[list[FaceDataset]] = [[], []]
    for place, (folder, side) in enumerate(sets):
        faces = open_faces(Manifest.load(folder).split(split), size=side)
        rng = generator(seed, f"seen networks {split}", place)
        drawn = np.array([single.index(name) for name in networks])
        numbers = 1 + drawn[rng.integers(0, len(networks), len(faces))]

        def launder(
            rows: NDArray[np.int64],
            faces: FaceDataset = faces,
            numbers: NDArray[np.int64] = numbers,
        ) -> torch.Tensor:
            return pool.degrade(faces.batch(rows), numbers[rows], rows, seed=seed, epoch=0)

        key = [faces.fingerprint(), str(seed), *networks, *(one.fingerprint() for one in attacks)]
        made = cached_faces(
            faces,
            launder,
            cache=cache,
            key="\n".join(key),
            what=f"laundering {folder.name}",
            about={"faces": faces.fingerprint()},
            batch_size=BATCH,
        )
        for part, one in zip(parts, (faces, made), strict=True):
            fitted = at_size({"one": one}, size)["one"]
            names = [f"{place}:{name} ({len(parts[1])})" for name in one.names]
            groups = np.array([f"{place}:{group}" for group in one.groups])
            part.append(FaceDataset(fitted.images, fitted.labels, groups, names))
    clean, laundered = map(FaceDataset.concatenate, parts)
    return clean, laundered


@dataclass(frozen=True)
class Seen:
    """What happens to the faces of a batch: nothing, a filter, or their laundered version."""

    laundered: FaceDataset
    clean: float  # share of the faces that stay as they are
    filtered: float  # share of the faces that a random filter degrades
    seed: int

    def __call__(
        self, images: torch.Tensor, indices: NDArray[np.int64], *, epoch: int
    ) -> torch.Tensor:
        """Returns changed copies; a face's depends on its index and the epoch."""
        count = len(self.laundered)
        rng = generator(self.seed, "seen networks", epoch)
        chance, filters = rng.random(count)[indices], _filters()
        numbers = filters.draw(rng, count)[indices]
        filtered = (chance >= self.clean) & (chance < self.clean + self.filtered)
        changed = filters.degrade(
            images, np.where(filtered, numbers, 0), indices, seed=self.seed, epoch=epoch
        )
        rows = np.flatnonzero(chance >= self.clean + self.filtered)
        changed[torch.from_numpy(rows)] = self.laundered.batch(indices[rows]).to(images.device)
        return changed

    def identity(self) -> dict[str, Any]:
        """Returns everything on which the result depends."""
        return {
            "laundered": self.laundered.fingerprint(),
            "clean": self.clean,
            "filtered": self.filtered,
            "seed": self.seed,
        }


def _filters() -> AttackPool:
    return AttackPool((tuple(Delivery(create(name)) for name in DEGRADATIONS),))


if __name__ == "__main__":
    main()
