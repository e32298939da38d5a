"""The faces that the enhancement answer learns from: as stored, and as if newly captured.

Stored photographs carry traces of JPEG, which a super-resolution network removes. If all captured
faces had such traces, missing ones would be the sign of an enhanced face, and scans would be called
enhanced. So each face takes part twice: as it is stored, and shrunk, so that its traces vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core import images
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError
from demagnify.core.images import Pixels
from demagnify.core.rng import generator
from demagnify.data import Manifest, Skipped
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare.opening import open_faces
from demagnify.data.subsample import subsample
from demagnify.hardening.enhancement_examples import Enhanced, FaceSet, upright
from demagnify.hardening.enhancement_features import SMALLEST
from demagnify.hardening.surrogate_training import train_surrogates
from demagnify.hardening.surrogates import Surrogate
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import default_cache
from demagnify.transforms import create_attack
from demagnify.transforms.degradations import rounded
from demagnify.transforms.kernels import opencv_jpeg

if TYPE_CHECKING:
    from demagnify.hardening.enhancement import EnhancementConfig

_LARGEST: Final = 256
"""Longest side at which training faces are read; larger ones are resized."""
_PART: Final = 144
"""Side of the part of a face that takes part as it is stored: large enough for a tile."""


def open_sets(
    data: Sequence[Path],
    split: str,
    config: EnhancementConfig,
    *,
    cache: Path | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> list[FaceSet]:
    """Returns parts of the faces of each data set, as captured and as every network rebuilds them.

    Each data set gives two: its faces as they are stored, and shrunk; see `parts`.

    Args:
        data: Manifests.
        split: "train", "val" or "test".
        config: Names the networks.
        cache: Where enhanced faces are kept.
        on_skip: Gets each file or line that is left out.
    """
    wanted = config.subsample if split == "train" else config.validation_faces
    networks = [create_attack(name, device=config.device) for name in config.networks]
    found = []
    for number, source in enumerate(data):
        manifest = Manifest.load(source, strict=config.strict)
        manifest.check_groups()
        chosen = subsample(manifest.split(split), wanted, seed=config.seed)
        size = _own_size(chosen)
        whole = _alternate(open_faces(chosen, size=size, strict=config.strict))
        if on_skip is not None:
            for one in (*manifest.skipped, *whole.skipped):
                on_skip(one)
        for name, shrunk, side in (
            ("stored", False, min(size, _PART)),
            ("shrunk", True, min(size, max(SMALLEST, size // 2))),
        ):
            purpose = f"enhancement parts {number} {split} {name}"
            captured = parts(whole, side, shrunk=shrunk, seed=config.seed, purpose=purpose)
            enhanced = []
            for network in networks:
                most = len(captured) // 4 if config.is_slow(network.name) else len(captured)
                part = captured.subset(np.arange(max(2, most)))
                rebuilt = attacked_faces(part, network, cache=cache or default_cache())
                enhanced.append(Enhanced(network.name, np.asarray(rebuilt.images[:])))
            pixels = np.asarray(captured.images[:])
            found.append(
                FaceSet(f"{number} {name}", pixels, captured.labels, tuple(enhanced), captured)
            )
    return found


def parts(faces: FaceDataset, side: int, *, shrunk: bool, seed: int, purpose: str) -> FaceDataset:
    """Returns a square part of each face, off the grid of its traces of JPEG.

    Args:
        faces: Faces of one size.
        side: Of the part in pixels.
        shrunk: Whether faces are shrunk first, and get what cameras add; see `newly_captured`.
        seed: Of the draws.
        purpose: Of the draws.
    """
    rows = []
    for row, face in enumerate(np.asarray(faces.images[:])):
        rng, pixels = generator(seed, purpose, row), upright(face)
        if shrunk:
            pixels = newly_captured(pixels, side, rng)
        top, left = rng.integers(0, len(pixels) - side + 1, 2)
        rows.append(pixels[top : top + side, left : left + side])
    batch = np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2))
    return FaceDataset(batch, faces.labels, faces.groups, faces.names)


def newly_captured(pixels: Pixels, least: int, rng: np.random.Generator) -> Pixels:
    """Shrinks a face, which wipes traces of JPEG out, and adds what cameras do.

    Args:
        pixels: uint8 RGB (S, S, 3).
        least: Side in pixels that the face keeps at least.
        rng: Draws size, noise, sharpening and compression.
    """
    share = rng.uniform(max(least / len(pixels), 0.4), 0.8)
    side = max(least, round(len(pixels) * share))
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    face: NDArray[Any] = small.astype(np.float32)
    if rng.random() < 0.5:  # the noise of a sensor, half of it as smooth as after demosaicing
        noise: Any = np.asarray(rng.normal(0, 1, face.shape), dtype=np.float32)
        if rng.random() < 0.5:
            noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.4, 0.9)) * 2
        face = face + noise * rng.uniform(0.5, 4) * np.sqrt(0.3 + face / 180)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.6, 1.2))
        face = face + rng.uniform(0.2, 0.8) * (face - soft)
    stored = rounded(face)
    return opencv_jpeg(stored, int(rng.integers(85, 99))) if rng.random() < 0.4 else stored


def _own_size(manifest: Manifest) -> int:
    """Returns the median of the shorter sides of a few images: faces are not resized."""
    some = manifest.names[:: max(1, len(manifest) // 9)]
    sides = [min(images.load(Path(manifest.root) / name).shape[:2]) for name in some]
    return min(_LARGEST, int(np.median(sides)))


def _alternate(faces: FaceDataset) -> FaceDataset:
    """Puts real and fake faces in turns, so that any first part has as many of both."""
    classes = [np.flatnonzero(faces.labels == label) for label in (0, 1)]
    short = min(map(len, classes))
    if not short:
        raise BadConfigError(
            "there are no real or no fake faces", hint="both take part in the training"
        )
    order = np.stack([one[:short] for one in classes], axis=1).ravel()
    chosen = faces.subset(order)
    chosen.skipped = faces.skipped
    return chosen


def with_surrogates(
    sets: Sequence[FaceSet],
    config: EnhancementConfig,
    folder: Path,
    log: Callable[[str], None] = lambda _line: None,
) -> list[FaceSet]:
    """Returns the sets with half of their faces rebuilt by surrogate networks as well.

    The networks are trained on the first set, into `folder`, unless an earlier run has done that.
    """
    device = pick_device(config.device)
    surrogates = train_surrogates(
        sets[0].faces, config.surrogates, seed=config.seed, folder=folder, device=device, log=log
    )
    return [
        FaceSet(
            one.name,
            one.captured,
            one.labels,
            (*one.enhanced, *(_rebuilt(one, surrogate, config.seed) for surrogate in surrogates)),
            one.faces,
        )
        for one in sets
    ]


def _rebuilt(faces: FaceSet, surrogate: Surrogate, seed: int) -> Enhanced:
    half = faces.captured[: len(faces.captured) // 2]
    purpose = f"enhancement surrogate {surrogate.design.number}"
    return Enhanced(surrogate.name, rebuilt_by(surrogate, half, seed=seed, purpose=purpose))


def rebuilt_by(
    surrogate: Surrogate, faces: NDArray[np.uint8], *, seed: int, purpose: str
) -> NDArray[np.uint8]:
    """Returns faces as a surrogate network rebuilds them, uint8 (N, 3, S, S)."""
    rows = []
    for row, face in enumerate(faces):
        pixels = upright(face).astype(np.float32)
        rebuilt = surrogate.degrade(pixels, generator(seed, purpose, row))
        rows.append(rounded(rebuilt).transpose(2, 0, 1))
    return np.stack(rows)
