"""Trains the first stages of EfficientNet-Lite0 on random crops at the native size.

Chai et al., "What makes fake images detectable?" (ECCV 2020): small receptive fields, and in use
the mean of the logits of all places of a face. A trial beside docs/hardening.md: it prints the AUC
on whole validation faces, clean and at the end through JPEG and resizing, and writes no detector.

    python benchmarks/patches.py stylegan256 --epochs 24
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn

from demagnify import Manifest
from demagnify.core.images import from_batch
from demagnify.data.prepare.opening import open_faces
from demagnify.detectors import create
from demagnify.detectors.loop import learning_rate
from demagnify.transforms.kernels import opencv_jpeg

BATCH: Final = 32
OFTEN: Final = 0.3
"""How often a crop is scaled, recoloured or stored as JPEG; half as often shrunk, or made noisy."""

Faces = NDArray[np.uint8]


class Patches(nn.Module):
    """Maps float RGB 0-255 (N, 3, H, W) to the mean logit over all places, (N,)."""

    def __init__(self, stages: int, weights: str | None) -> None:
        super().__init__()
        detector = create("light", weights=weights, device="cpu")
        network: Any = detector.network
        self.mean, self.std = detector.mean, detector.std
        self.body = nn.Sequential(network.conv_stem, network.bn1, *list(network.blocks)[:stages])
        width = self.body(torch.zeros(1, 3, 32, 32)).shape[1]
        last = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(last.weight)
        self.head = nn.Sequential(nn.Dropout(0.2), last)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        features = self.body((faces / 255 - self.mean) / self.std)
        logits: torch.Tensor = self.head(features).float().mean((1, 2, 3))
        return logits


def main() -> None:
    """Trains, and prints a line every third pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=256, help="side of the faces")
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--stages", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weights", choices=("imagenet", "none"), default="imagenet")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    (x, y), (val, wanted) = (_open(options.data, one, options.size) for one in ("train", "val"))
    network = Patches(options.stages, None if options.weights == "none" else options.weights)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=0.02)
    odds = torch.tensor((1 - y.mean()) / y.mean(), dtype=torch.float32)
    steps = max(1, len(x) // BATCH)
    for epoch in range(options.epochs):
        network.train()
        order, losses = rng.permutation(len(x)), 0.0
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    epoch * steps + step,
                    steps=options.epochs * steps,
                    base=options.learning_rate,
                    warmup=0.05,
                )
            crops = np.stack([augmented(x[row], options.crop, rng) for row in rows])
            labels = torch.from_numpy(y[rows]).float()
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(_batch(crops))
            loss = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=odds)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses += loss.item()
        last = epoch + 1 == options.epochs
        if last or epoch % 3 == 2:
            found = [
                f"{name} {auc(wanted, score(network, seen), interval=last)}"
                for name, seen in conditions(val)
                if last or name == "clean"
            ]
            line = f"pass {epoch + 1}: loss {losses / steps:.3f}; AUC {', '.join(found)}"
            print(f"{line} (n = {len(val)})", flush=True)


def auc(labels: NDArray[np.int64], logits: NDArray[np.float32], *, interval: bool) -> str:
    """Returns the AUC, with the 95 % interval of 1,000 resamples over faces if wanted."""
    value = f"{roc_auc_score(labels, logits):.3f}"
    if not interval:
        return value
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(labels), len(labels)) for _ in range(1000)]
    found = [roc_auc_score(labels[rows], logits[rows]) for rows in draws if np.ptp(labels[rows])]
    low, high = np.quantile(found, (0.025, 0.975))
    return f"{value} ({low:.3f} to {high:.3f})"


def augmented(face: Faces, crop: int, rng: np.random.Generator) -> Faces:
    """Returns a random crop, uint8 RGB (crop, crop, 3), augmented as photographs change."""
    side = int(rng.integers(int(crop * 0.85), crop + 1)) if rng.random() < OFTEN else crop
    top, left = (int(rng.integers(0, length - side + 1)) for length in face.shape[:2])
    part = _resized(face[top : top + side, left : left + side], crop)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    if rng.random() < OFTEN / 2:
        part = _resized(_resized(part, int(crop * rng.uniform(0.5, 0.9))), crop)
    levels = part.astype(np.float64)
    if rng.random() < OFTEN:
        tint = rng.uniform(-25, 25) + rng.uniform(-8, 8, 3)
        levels = (levels - 128) * rng.uniform(0.8, 1.2) + 128 + tint
    if rng.random() < OFTEN / 2:
        levels = levels + rng.normal(0, rng.uniform(1, 6), levels.shape)
    part = np.clip(levels, 0, 255).astype(np.uint8)
    return opencv_jpeg(part, int(rng.integers(60, 100))) if rng.random() < OFTEN else part


def conditions(faces: Faces) -> Iterator[tuple[str, Faces]]:
    """Yields the faces clean, as JPEG, and shrunk to half the side and enlarged."""
    side = faces.shape[1]
    yield "clean", faces
    yield "JPEG 85", np.stack([opencv_jpeg(face, 85) for face in faces])
    yield "bicubic x2", np.stack([_resized(_resized(face, side // 2), side) for face in faces])


def score(network: nn.Module, faces: Faces) -> NDArray[np.float32]:
    """Returns the logits of whole faces."""
    network.eval()
    with torch.inference_mode():
        parts = [network(_batch(faces[n : n + BATCH])) for n in range(0, len(faces), BATCH)]
    return torch.cat(parts).numpy()


def _open(folder: Path, split: str, size: int) -> tuple[Faces, NDArray[np.int64]]:
    faces = open_faces(Manifest.load(folder).split(split), size=size)
    pixels = [np.stack(from_batch(images)) for _, images in faces.batches(256)]
    return np.concatenate(pixels), faces.labels


def _batch(faces: Faces) -> torch.Tensor:
    batch = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float()
    return batch.contiguous(memory_format=torch.channels_last)


def _resized(face: Faces, side: int) -> Faces:
    how = cv2.INTER_AREA if side < face.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(face), (side, side), interpolation=how))


if __name__ == "__main__":
    main()
