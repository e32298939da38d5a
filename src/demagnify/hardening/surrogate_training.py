"""Training surrogate networks: minutes on a processor, the same result for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from demagnify.core import artifacts, progress
from demagnify.core.artifacts import check_same
from demagnify.core.errors import BadArtifactError
from demagnify.core.rng import derived_seed, generator
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.config import SurrogateConfig
from demagnify.hardening.surrogates import (
    Design,
    Discriminator,
    Surrogate,
    SurrogateNetwork,
    draw_design,
)
from demagnify.transforms.degradations import Floats, rounded
from demagnify.transforms.kernels import opencv_jpeg

KIND: Final = "surrogate network"
CROP: Final = 72
"""Side of the training crops: a multiple of every scale."""
RATE: Final = 1e-3
_DEGRADED_TWICE: Final = 0.5
"""How often the inputs of enhancing networks are degraded before they are shrunk as well, as in
Wang et al., "Real-ESRGAN" (ICCVW 2021)."""
_SMOOTHING: Final = 1e-2
"""Below which error the loss is smooth, as in Charbonnier et al. (ICIP 1994), in 0-1."""


class Pair(NamedTuple):
    """Inputs of a network and their targets, float32 RGB (N, 3, H, W) in 0-1."""

    small: torch.Tensor
    target: torch.Tensor


def train_surrogates(
    faces: FaceDataset,
    config: SurrogateConfig,
    *,
    seed: int,
    folder: Path,
    device: torch.device,
    log: Callable[[str], None] = lambda _line: None,
) -> list[Surrogate]:
    """Trains surrogate networks, or reads those that an earlier run has finished."""
    designs = [draw_design(seed, number + 1) for number in range(config.count)]
    trained = []
    steps = config.steps * sum(design.effort for design in designs)
    with progress.bar("training surrogate networks", steps) as advance:
        for design in designs:
            place = folder / design.name
            identity = {
                "surrogate network": design.model_dump(mode="json"),
                "steps": config.steps,
                "batch size": config.batch_size,
                "seed": seed,
                "training faces": faces.fingerprint(),
            }
            network = _load(place, design, identity, log)
            if network is None:
                network = train_surrogate(
                    faces, design, config, seed=seed, device=device, advance=advance
                )
                artifacts.save(place, KIND, network.state_dict(), {"identity": identity})
            else:
                advance(config.steps * design.effort)
            trained.append(Surrogate(design, network))
    return trained


def _load(
    folder: Path, design: Design, identity: dict[str, Any], log: Callable[[str], None]
) -> SurrogateNetwork | None:
    """Returns a finished network; None if there is none, or it is damaged."""
    if not (folder / artifacts.CARD).is_file():
        return None
    try:
        artifact = artifacts.load(folder, KIND)
    except BadArtifactError as error:
        log(f"{error.message}; the network is trained again")
        return None
    check_same(artifact.card.get("identity"), identity, folder)
    return _network(design, artifact.tensors)


def _network(design: Design, tensors: artifacts.Tensors) -> SurrogateNetwork:
    network = SurrogateNetwork(design).to(memory_format=torch.channels_last)
    network.load_state_dict(tensors)
    return network.eval()


def read_surrogates(folder: Path) -> list[Surrogate]:
    """Reads all surrogate networks at any depth of a folder, by name.

    Raises:
        BadArtifactError: If there is none, or one is damaged.
    """
    cards = sorted(folder.rglob(artifacts.CARD))
    found = []
    for place in (card.parent for card in cards if artifacts.kind_of(card.parent) == KIND):
        artifact = artifacts.load(place, KIND)
        design = Design.model_validate(artifact.card["identity"]["surrogate network"])
        found.append(Surrogate(design, _network(design, artifact.tensors)))
    if not found:
        raise BadArtifactError(
            f"{folder}: there is no surrogate network in it",
            hint="`demagnify harden OUT` leaves them in OUT.rounds",
        )
    return found


def train_surrogate(
    faces: FaceDataset,
    design: Design,
    config: SurrogateConfig,
    *,
    seed: int,
    device: torch.device,
    advance: Callable[[int], None] = lambda _steps: None,
) -> SurrogateNetwork:
    """Returns a network that was trained on crops of the faces."""
    # The purposes of `derived_seed` and `generator` are older than the word surrogate: others
    # would give other networks.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, "sparring weights", design.number))
        network = SurrogateNetwork(design)
        discriminator = Discriminator()
    for module in (network, discriminator):
        module.to(device)
        module.to(memory_format=torch.channels_last)
    steps = config.steps * design.effort
    training = _Training(network, discriminator, design, steps)
    for step in range(steps):
        rng = generator(seed, "sparring lesson", design.number, step)
        training.step(step, draw_pair(faces, design, config.batch_size, rng, device))
        advance(1)
    network.cpu().eval()
    return network


def draw_pair(
    faces: FaceDataset,
    design: Design,
    count: int,
    rng: np.random.Generator,
    device: torch.device,
) -> Pair:
    """Draws crops of faces with their small, perhaps degraded versions."""
    side = min(CROP, faces.size // design.scale * design.scale)
    chosen = rng.integers(0, len(faces), count)
    corners = rng.integers(0, faces.size - side + 1, (count, 2))
    images = faces.batch(chosen).permute(0, 2, 3, 1).numpy()
    targets, small = [], []
    for image, (top, left) in zip(images, corners, strict=True):
        crop = np.ascontiguousarray(image[top : top + side, left : left + side], dtype=np.float32)
        small.append(_shrunk(crop, design, rng))
        targets.append(_target(crop, design))
    return Pair(*(_tensor(parts, device) for parts in (small, targets)))


class _Training:
    """The two networks and their optimizers."""

    def __init__(
        self, network: SurrogateNetwork, discriminator: Discriminator, design: Design, steps: int
    ) -> None:
        self.network, self.discriminator = network, discriminator
        self.design, self.steps = design, steps
        self._adam = torch.optim.Adam(network.parameters(), lr=RATE)
        self._discriminator_adam = torch.optim.Adam(
            discriminator.parameters(), lr=RATE / 2, betas=(0.5, 0.99)
        )

    def step(self, number: int, pair: Pair) -> None:
        """Trains one step; the discriminator joins in after the first quarter."""
        for group in self._adam.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * number / self.steps)) + RATE / 100
        rebuilt = self.network(pair.small)
        loss = ((rebuilt - pair.target) ** 2 + _SMOOTHING**2).sqrt().mean()
        if self.design.texture and 4 * number >= self.steps:
            self._train_discriminator(rebuilt.detach(), pair.target)
            loss = loss + self.design.texture * F.softplus(-self.discriminator(rebuilt)).mean()
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        self._adam.step()

    def _train_discriminator(self, rebuilt: torch.Tensor, target: torch.Tensor) -> None:
        true, false = self.discriminator(target), self.discriminator(rebuilt)
        self._discriminator_adam.zero_grad()
        torch.autograd.backward(F.softplus(-true).mean() + F.softplus(false).mean())
        self._discriminator_adam.step()


def _shrunk(crop: Floats, design: Design, rng: np.random.Generator) -> Floats:
    """Shrinks by area averaging; with `dirt`, blurs before, and adds noise and JPEG after."""
    if design.dirt:
        crop = _float(cv2.GaussianBlur(crop, (0, 0), 0.1 + 1.9 * design.dirt * rng.random()))
    if design.aim == "enhancing" and rng.random() < _DEGRADED_TWICE:
        crop = _degraded(crop, design.dirt, rng)
    side = len(crop) // design.scale
    small = _float(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA))
    return _degraded(small, design.dirt, rng) if design.dirt else small


def _degraded(image: Floats, dirt: float, rng: np.random.Generator) -> Floats:
    """Adds noise and JPEG."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image = image + noise * np.float32(12 * dirt * rng.random())
    quality = int(95 - 65 * dirt * rng.random())
    return opencv_jpeg(rounded(image), quality).astype(np.float32)


def _target(crop: Floats, design: Design) -> Floats:
    """Returns the target of a crop: with flat areas and hard edges for painting networks."""
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
