"""Teaching a sparring network: minutes on a processor, always the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from demagnify.core.rng import derived_seed, generator
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.surrogates.config import Lessons
from demagnify.hardening.surrogates.design import Design
from demagnify.hardening.surrogates.network import Discriminator, SparringNetwork

Floats = NDArray[np.float32]

CROP: Final = 72
"""Side of the crops on which a network learns: a multiple of every scale."""
RATE: Final = 1e-3
_DIRTY_TWICE: Final = 0.5
"""How often images for enhancers are soiled before they are shrunk as well, as in Wang et al.,
"Real-ESRGAN" (ICCVW 2021)."""
_SMOOTHING: Final = 1e-2
"""How near to no error the loss turns round, as in Charbonnier et al. (ICIP 1994), in 0-1."""


class Pair(NamedTuple):
    """What a network is fed and what it shall make of it, float32 RGB (N, 3, H, W) in 0-1."""

    small: torch.Tensor
    wanted: torch.Tensor


def teach(
    faces: FaceDataset,
    design: Design,
    lessons: Lessons,
    *,
    seed: int,
    device: torch.device,
    advance: Callable[[int], None] = lambda _steps: None,
) -> SparringNetwork:
    """Returns a network that was taught on crops of the faces.

    Args:
        faces: Training faces, clean; their labels play no part.
        design: How it is built and what it is taught.
        lessons: How much it is taught.
        seed: Of its first weights and of all draws.
        device: Where it learns; the result is on the CPU.
        advance: Told of every step.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, "sparring weights", design.number))
        network = SparringNetwork(design)
        judge = Discriminator()
    for module in (network, judge):
        module.to(device)
        module.to(memory_format=torch.channels_last)
    steps = lessons.steps * design.effort
    learning = _Learning(network, judge, design, steps)
    for step in range(steps):
        dice = generator(seed, "sparring lesson", design.number, step)
        learning.step(step, draw_pair(faces, design, lessons.batch_size, dice, device))
        advance(1)
    network.cpu().eval()
    return network


def draw_pair(
    faces: FaceDataset,
    design: Design,
    count: int,
    dice: np.random.Generator,
    device: torch.device,
) -> Pair:
    """Draws crops of faces with their small, perhaps dirty versions."""
    side = min(CROP, faces.size // design.scale * design.scale)
    chosen = dice.integers(0, len(faces), count)
    corners = dice.integers(0, faces.size - side + 1, (count, 2))
    images = faces.batch(chosen).permute(0, 2, 3, 1).numpy()
    sharp, small = [], []
    for image, (top, left) in zip(images, corners, strict=True):
        crop = np.ascontiguousarray(image[top : top + side, left : left + side], dtype=np.float32)
        small.append(_shrunk(crop, design, dice))
        sharp.append(_wanted(crop, design))
    return Pair(*(_tensor(parts, device) for parts in (small, sharp)))


class _Learning:
    """The two networks and their optimizers."""

    def __init__(
        self, network: SparringNetwork, judge: Discriminator, design: Design, steps: int
    ) -> None:
        self.network, self.judge, self.design, self.steps = network, judge, design, steps
        self._own = torch.optim.Adam(network.parameters(), lr=RATE)
        self._others = torch.optim.Adam(judge.parameters(), lr=RATE / 2, betas=(0.5, 0.99))

    def step(self, number: int, pair: Pair) -> None:
        """One step; the discriminator joins in after the first quarter."""
        for group in self._own.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * number / self.steps)) + RATE / 100
        rebuilt = self.network(pair.small)
        loss = ((rebuilt - pair.wanted) ** 2 + _SMOOTHING**2).sqrt().mean()
        if self.design.texture and 4 * number >= self.steps:
            self._judge(rebuilt.detach(), pair.wanted)
            loss = loss + self.design.texture * F.softplus(-self.judge(rebuilt)).mean()
        self._own.zero_grad()
        torch.autograd.backward(loss)
        self._own.step()

    def _judge(self, rebuilt: torch.Tensor, true: torch.Tensor) -> None:
        taken, refused = self.judge(true), self.judge(rebuilt)
        self._others.zero_grad()
        torch.autograd.backward(F.softplus(-taken).mean() + F.softplus(refused).mean())
        self._others.step()


def _shrunk(crop: Floats, design: Design, dice: np.random.Generator) -> Floats:
    """Shrinks by area averaging; with `dirt`, blurs before, and adds noise and JPEG after."""
    if design.dirt:
        crop = _float(cv2.GaussianBlur(crop, (0, 0), 0.1 + 1.9 * design.dirt * dice.random()))
    if design.aim == "enhancing" and dice.random() < _DIRTY_TWICE:
        crop = _soiled(crop, design.dirt, dice)
    side = len(crop) // design.scale
    small = _float(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA))
    return _soiled(small, design.dirt, dice) if design.dirt else small


def _soiled(image: Floats, dirt: float, dice: np.random.Generator) -> Floats:
    """Noise and JPEG."""
    noise = dice.standard_normal(image.shape, dtype=np.float32)
    image = image + noise * np.float32(12 * dirt * dice.random())
    quality = int(95 - 65 * dirt * dice.random())
    bgr = np.clip(image[..., ::-1].round(), 0, 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(_float(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1])


def _wanted(crop: Floats, design: Design) -> Floats:
    """What it shall make of a crop; flat areas and hard edges if it shall paint."""
    if not design.hardness:
        return crop
    flat = crop
    for _ in range(2 if design.aim == "painting" else 0):
        flat = _float(cv2.bilateralFilter(flat, 7, 35, 3))
    edges = flat - _float(cv2.GaussianBlur(flat, (0, 0), 1.5))
    return np.clip(flat + np.float32(design.hardness) * edges, 0, 255)


def _float(pixels: object) -> Floats:
    return np.asarray(pixels, dtype=np.float32)


def _tensor(parts: list[Floats], device: torch.device) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2) / 255
    return batch.to(device, memory_format=torch.channels_last)
