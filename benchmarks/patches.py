"""Trains the first stages of EfficientNet-Lite0 on random crops of faces: an expert for one kind.

Chai et al., "What makes fake images detectable?" (ECCV 2020): small receptive fields, and in use
the mean of the logits of all places of a face. It prints the AUC on whole validation faces, clean
and at the end through JPEG and resizing. With `--output` it writes a detector:

    python benchmarks/patches.py stylegan256 --size 256 --epochs 24
    python benchmarks/patches.py stylegan256 --output runs/expert --epochs 100 --launder 0.5 \
        --real dfdc224 --real ff128 --real sample --real composite

A third of each batch are real faces of the sets of `--real`, each set equally often, so that
another source alone is no trace of a fake; the rest are as many fakes as real faces of the data
set. Laundering and its settings are drawn without a look at the label.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from demagnify import Detector, Manifest
from demagnify.core.images import from_batch, to_batch
from demagnify.data.prepare.opening import open_faces
from demagnify.data.provenance import RECORDED, provenance_of
from demagnify.detectors import create
from demagnify.detectors.loop import learning_rate
from demagnify.hardening.attack_pool import AttackPool
from demagnify.hardening.delivery import Delivery
from demagnify.hardening.surrogate_training import read_surrogates
from demagnify.transforms import create as create_transform
from demagnify.transforms.catalogue import DEGRADATIONS
from demagnify.transforms.kernels import opencv_jpeg

BATCH: Final = 32
OFTEN: Final = 0.3
"""How often a crop is scaled, recoloured or stored as JPEG; half as often shrunk, or made noisy."""
SIDES: Final = (96, 128, 160, 192)
"""Sides to which a face is shrunk first, at times, as if its file were so small."""
MARGIN: Final = 32
"""Pixels around a crop that is laundered, to be cut off with what happens at the border."""

KEPT: Final = 0.995
"""Share of the mean weights that a step leaves; the mean is what is evaluated and written."""

Faces = NDArray[np.uint8]
Labels = NDArray[np.int64]


def main() -> None:
    """Trains, and prints a line every third pass."""
    options = parsed()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    (x, y), (val, wanted) = (_open(options.data, one, options.size) for one in ("train", "val"))
    others = [_reals(folder, options.size) for folder in options.real]
    pool = laundering(options.surrogates)
    detector = create(
        f"light:{options.stages}",
        weights=None if options.weights == "none" else options.weights,
        input_size=options.size,
        device="cpu",
        precision=options.precision,
    )
    network: Any = detector.network
    network.drop_rate = 0.2
    if options.weights in ("imagenet", "none"):
        torch.nn.init.zeros_(network.classifier.weight)
    mean = copy.deepcopy(detector)
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=0.02)
    share = options.real_share if others else 0.0
    steps = max(1, round(len(x) / (1 - share) / BATCH))
    whole, started = options.epochs * steps, time.monotonic()
    for epoch in range(options.epochs):
        detector.train()
        losses = 0.0
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    epoch * steps + step, steps=whole, base=options.learning_rate, warmup=0.05
                )
            faces, labels = drawn(x, y, others, rng, options.real_share)
            crops = np.stack(
                [augmented(face, options.crop, rng, pool, options.launder) for face in faces]
            )
            target = torch.from_numpy(labels).float()
            # Each class counts half.
            odds = torch.tensor((len(labels) - labels.sum()) / max(1, labels.sum()))
            logits = _logits(detector, crops)
            loss = F.binary_cross_entropy_with_logits(logits, target, pos_weight=odds.float())
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            follow(mean, detector)
            losses += loss.item()
        last = epoch + 1 == options.epochs
        if last or epoch % 3 == 2:
            found = [
                f"{name} {auc(wanted, score(mean, seen), interval=last)}"
                for name, seen in conditions(val)
                if last or name == "clean"
            ]
            line = f"pass {epoch + 1}: loss {losses / steps:.3f}; AUC {', '.join(found)}"
            print(f"{line} (n = {len(val)})", flush=True)
            if options.output:
                write(mean, options, minutes=(time.monotonic() - started) / 60)


def parsed() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="real and fake faces of the kind")
    parser.add_argument("--real", type=Path, action="append", default=[], help="real faces alone")
    parser.add_argument("--real-share", type=float, default=0.33, help="of them in a batch")
    parser.add_argument("--output", type=Path, help="the detector, written every third pass")
    parser.add_argument("--launder", type=float, default=0.0, help="share of laundered crops")
    parser.add_argument("--surrogates", type=Path, help="networks that launder: OUT.rounds")
    parser.add_argument("--size", type=int, default=224, help="side of the faces")
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--stages", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a file")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def follow(mean: Detector, detector: Detector) -> None:
    """Moves the mean weights towards the present ones, BatchNorm's statistics included."""
    own = detector.network.state_dict()
    for key, value in mean.network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(own[key], 1 - KEPT)
        else:
            value.copy_(own[key])


def laundering(surrogates: Path | None) -> AttackPool:
    """Returns the filters, and networks if there are any, as attackers deliver their faces."""
    networks = [] if surrogates is None else read_surrogates(surrogates)
    families = ([create_transform(name) for name in DEGRADATIONS], networks)
    return AttackPool(tuple(tuple(map(Delivery, family)) for family in families if family))


def drawn(
    x: Faces, y: Labels, others: Sequence[Faces], rng: np.random.Generator, share: float
) -> tuple[list[Faces], Labels]:
    """Draws a batch: as many real as fake faces, and as many real ones of other sets."""
    count = round(share * BATCH) if others else 0
    kinds = rng.permutation(np.r_[np.full(count, 2), np.arange(BATCH - count) % 2])
    faces = []
    for kind in kinds:
        if kind == 2:
            source = others[int(rng.integers(len(others)))]
            faces.append(source[int(rng.integers(len(source)))])
        else:
            faces.append(x[int(rng.choice(np.flatnonzero(y == kind)))])
    return faces, (kinds == 1).astype(np.int64)


def augmented(
    face: Faces,
    crop: int,
    rng: np.random.Generator,
    pool: AttackPool | None = None,
    launder: float = 0.0,
) -> Faces:
    """Returns a random crop, uint8 RGB (crop, crop, 3), augmented as photographs change."""
    laundered = rng.random() < launder
    if laundered and rng.random() < OFTEN:
        face = _resized(_resized(face, int(rng.choice(SIDES))), len(face))
    side = int(rng.integers(int(crop * 0.85), crop + 1)) if rng.random() < OFTEN else crop
    top, left = (int(rng.integers(0, length - side + 1)) for length in face.shape[:2])
    if laundered and pool is not None:
        face, top, left = _laundered(face, side, top, left, rng, pool)
    part = _resized(face[top : top + side, left : left + side], crop)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    if rng.random() < OFTEN / 2:
        part = _resized(_resized(part, int(crop * rng.uniform(0.5, 0.9))), crop)
    levels: NDArray[np.floating[Any]] = part.astype(np.float32)
    if rng.random() < OFTEN:
        tint = rng.uniform(-25, 25) + rng.uniform(-8, 8, 3)
        levels = (levels - 128) * rng.uniform(0.8, 1.2) + 128 + tint
    if rng.random() < OFTEN / 2:
        grain = rng.standard_normal(levels.shape, dtype=np.float32)
        levels = levels + np.float32(rng.uniform(1, 6)) * grain
    part = np.clip(levels, 0, 255).astype(np.uint8)
    return opencv_jpeg(part, int(rng.integers(60, 100))) if rng.random() < OFTEN else part


def _laundered(
    face: Faces, side: int, top: int, left: int, rng: np.random.Generator, pool: AttackPool
) -> tuple[Faces, int, int]:
    """Launders a crop with its margin; returns it, and where the crop is in it."""
    first = [max(0, place - MARGIN) for place in (top, left)]
    part = face[first[0] : top + side + MARGIN, first[1] : left + side + MARGIN]
    (number,) = pool.draw(rng, 1).tolist()
    transform = pool.transforms[number]
    (changed,) = from_batch(transform(to_batch([np.ascontiguousarray(part)]), rngs=[rng]))
    return changed, top - first[0], left - first[1]


def auc(labels: Labels, logits: NDArray[np.float32], *, interval: bool) -> str:
    """Returns the AUC, with the 95 % interval of 1,000 resamples over faces if wanted."""
    value = f"{roc_auc_score(labels, logits):.3f}"
    if not interval:
        return value
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(labels), len(labels)) for _ in range(1000)]
    found = [roc_auc_score(labels[rows], logits[rows]) for rows in draws if np.ptp(labels[rows])]
    low, high = np.quantile(found, (0.025, 0.975))
    return f"{value} ({low:.3f} to {high:.3f})"


def conditions(faces: Faces) -> Iterator[tuple[str, Faces]]:
    """Yields the faces clean, as JPEG, and shrunk to half the side and enlarged."""
    side = faces.shape[1]
    yield "clean", faces
    yield "JPEG 85", np.stack([opencv_jpeg(face, 85) for face in faces])
    yield "bicubic x2", np.stack([_resized(_resized(face, side // 2), side) for face in faces])


def score(detector: Detector, faces: Faces) -> NDArray[np.float32]:
    """Returns the logits of whole faces."""
    return detector.logits(to_batch(list(faces))).numpy()


def write(detector: Detector, options: argparse.Namespace, *, minutes: float) -> None:
    """Writes the detector; its threshold is chosen later."""
    words = {
        key: value.name if isinstance(value, Path) else str(value)
        for key, value in vars(options).items()
        if key != "real"
    }
    data = [options.data, *options.real]
    card = {
        "training": {**words, "real": [one.name for one in options.real]},
        "minutes": round(minutes, 1),
        RECORDED: provenance_of(data),
        "seen_attacks": [],
    }
    detector.save(options.output, card)


def _logits(detector: Detector, crops: Faces) -> torch.Tensor:
    """Returns the logits of crops at their own size: the detector would enlarge them."""
    network: Any = detector.network
    batch = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float()
    batch = (batch / 255 - detector.mean) / detector.std
    with torch.autocast("cpu", torch.bfloat16):
        features = network.forward_features(batch.contiguous(memory_format=torch.channels_last))
    logits: torch.Tensor = network.forward_head(features.float())[:, 0]
    return logits


def _open(folder: Path, split: str, size: int) -> tuple[Faces, Labels]:
    faces = open_faces(Manifest.load(folder).split(split), size=size)
    pixels = [np.stack(from_batch(images)) for _, images in faces.batches(256)]
    return np.concatenate(pixels), faces.labels


def _reals(folder: Path, size: int) -> Faces:
    pixels, labels = _open(folder, "train", size)
    return np.ascontiguousarray(pixels[labels == 0])


def _resized(face: Faces, side: int) -> Faces:
    how = cv2.INTER_AREA if side < face.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(face), (side, side), interpolation=how))


if __name__ == "__main__":
    main()
