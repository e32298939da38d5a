"""The faces that a loop trains on: self-blended fakes, balanced data sets, and their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from demagnify.core import progress
from demagnify.core.images import from_batch
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.data.face_finding import FaceFinder
from demagnify.data.sample.fakes import self_blend
from demagnify.detectors.detector import Detector
from demagnify.detectors.loop import Targets
from demagnify.hardening.attack_pool import Integers
from demagnify.hardening.config import HardeningConfig
from demagnify.scores import LogitTable
from demagnify.transforms.base import Identity
from demagnify.transforms.kernels import opencv_jpeg
from demagnify.transforms.transform_set import TransformSet

_QUALITIES: Final = (80, 100)
"""JPEG qualities of self-blended images; the real faces next to them are as their files hold them,
so the range covers theirs."""


@dataclass(frozen=True)
class TrainingFaces:
    """What a loop trains on.

    Attributes:
        faces: The faces of all data sets, self-blended ones, and repetitions.
        origin: int64 (N,), which face of the data sets each one was; -1 where it is self-blended.
    """

    faces: FaceDataset
    origin: Integers

    def targets(
        self, teacher: Detector, faces: FaceDataset, share: float, cache: Path
    ) -> Targets | None:
        """Returns targets that are partly the verdicts of a detector on the clean faces.

        Labels count alone where the detector is wrong and for self-blended faces, which it has not
        seen. Hinton et al., "Distilling the Knowledge in a Neural Network" (2015).

        Args:
            teacher: The detector before hardening.
            faces: The faces of the data sets, in the order of `origin`.
            share: What its verdicts count, 0 to 1.
            cache: The file that keeps its logits, so that a training that goes on has the same
                targets, whatever the number of threads.

        Returns:
            float32 (N,) in [0, 1]; None if `share` is 0.
        """
        if not share:
            return None
        table = LogitTable(faces, teacher, TransformSet([Identity()]))
        table.fill(cache)
        fake = expit(table.logits[:, 0] - teacher.threshold)
        right = (fake > 0.5) == (faces.labels == 1)
        mixed = np.where(right, (1 - share) * faces.labels + share * fake, faces.labels)
        own = self.origin >= 0
        targets = self.faces.labels.astype(np.float32)
        targets[own] = mixed[self.origin[own]]
        return targets


def gather(
    faces: FaceDataset,
    config: HardeningConfig,
    *,
    sources: int,
    finder: FaceFinder | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> TrainingFaces:
    """Adds self-blended fakes to the faces of one data set or several, and balances these.

    Args:
        faces: Training faces.
        config: `blended`, `balance` and `seed` of it.
        sources: How many data sets they come from; of several, names begin with their numbers.
        finder: Finds eyes, nose and mouth; `FaceFinder` by default.
        log: Gets a line about what was added.
    """
    sets = [int(name.split(":")[0]) if sources > 1 else 0 for name in faces.names]
    numbers, origin = np.array(sets), np.arange(len(faces))
    if config.blended:
        rng = generator(config.seed, "self-blended faces")
        real = np.flatnonzero(faces.labels == 0)
        chosen = np.sort(rng.permutation(real)[: round(config.blended * len(real))])
        blended, kept = self_blended(faces.subset(chosen, copy=False), config.seed, finder)
        if not len(kept):
            log("no face was found in the training faces, so none was blended with itself")
        else:
            faces = FaceDataset.concatenate([faces, blended])
            numbers = np.r_[numbers, numbers[chosen[kept]]]
            origin = np.r_[origin, np.full(len(kept), -1)]
            log(f"{len(kept)} self-blended fakes; no face was found in {len(chosen) - len(kept)}")
    if config.balance:
        counts = np.bincount(numbers)
        # Square-root sampling: a set with a quarter of the faces gets half of the passes.
        repeats = np.rint(np.sqrt(counts.max() / np.maximum(counts, 1))).astype(np.int64)
        rows = np.repeat(np.arange(len(faces)), repeats[numbers])
        log("passes over each data set: " + ", ".join(map(str, repeats)))
        faces, origin = faces.subset(rows, copy=False), origin[rows]
    return TrainingFaces(faces, origin)


def self_blended(
    faces: FaceDataset, seed: int, finder: FaceFinder | None = None
) -> tuple[FaceDataset, Integers]:
    """Makes a self-blended fake of each face in which eyes, nose and mouth are found.

    Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended Images" (CVPR 2022). Each is stored
    as JPEG of a random quality, as the fakes of data sets are.

    Args:
        faces: Real faces.
        seed: Of the blending, and of the qualities.
        finder: Finds eyes, nose and mouth; `FaceFinder` by default.

    Returns:
        The fakes, in the groups of their faces, and which of the faces they were made of.

    Example:
        >>> pixels = np.zeros((2, 3, 64, 64), dtype=np.uint8)
        >>> len(self_blended(FaceDataset.from_arrays(pixels, [0, 0]), 0)[0])  # no face in black
        0
    """
    finder = finder or FaceFinder()
    made: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    with progress.bar("blending faces with themselves", len(faces)) as advance:
        for indices, images in faces.batches(64):
            for index, pixels in zip(indices.tolist(), from_batch(images), strict=True):
                found = finder.find(pixels)
                if found:
                    rng = generator(seed, "self-blended", index)
                    marks = found[0].landmarks.astype(np.float64)
                    fake, _mask = self_blend(pixels, marks, rng=rng)
                    fake = opencv_jpeg(fake, int(rng.integers(*_QUALITIES, endpoint=True)))
                    made.append(fake.transpose(2, 0, 1))
                    kept.append(index)
                advance(1)
    rows = np.array(kept, dtype=np.int64)
    pixels = np.stack(made) if made else np.empty((0, *faces.images.shape[1:]), dtype=np.uint8)
    names = [f"{faces.names[index]} (self-blended)" for index in kept]
    fakes = FaceDataset(pixels, np.ones(len(rows), np.int64), faces.groups[rows], names)
    return fakes, rows
