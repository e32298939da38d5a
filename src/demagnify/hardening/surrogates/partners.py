"""Sparring networks as degradations that the agent may choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from demagnify.core import artifacts, progress
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.state import check_same
from demagnify.hardening.publishing import magnified, resize
from demagnify.hardening.surrogates.config import Sparring
from demagnify.hardening.surrogates.design import Design, draw_design
from demagnify.hardening.surrogates.network import SparringNetwork
from demagnify.hardening.surrogates.teaching import teach
from demagnify.transforms.degradations.kinds import Dice, Floats

KIND: Final = "sparring network"
_EXAGGERATED: Final = 0.5
"""How often what it adds to a bicubic enlargement is made up to 2.5 times as strong: it was
taught for a minute and is tamer than those that were taught for days."""
_TWICE: Final = 0.25
"""How often a face is shrunk and rebuilt twice, which leaves the traces twice as deep."""


@dataclass(frozen=True)
class Partner:
    """A sparring network as an attacker would use it; a `Degradation`.

    Attributes:
        design: How it was built and what it was taught.
        network: On the CPU.
    """

    design: Design
    network: SparringNetwork

    @property
    def name(self) -> str:
        """Its design's."""
        return self.design.name

    def __call__(self, face: Floats, dice: Dice) -> Floats:
        """Shrinks and rebuilds float32 RGB (H, W, 3), 0-255."""
        passes = 2 if dice.random() < _TWICE else 1
        gain = dice.uniform(1.0, 2.5) if dice.random() < _EXAGGERATED else 1.0

        def enlarge(small: Floats) -> Floats:
            rebuilt = self.enlarge(small)
            plain = resize(small, rebuilt.shape[1], rebuilt.shape[0])
            return plain + np.float32(gain) * (rebuilt - plain)

        for _ in range(passes):
            face = magnified(face, enlarge, self.design.scale, dice)
        return face

    def enlarge(self, pixels: Floats) -> Floats:
        """Enlarges float32 RGB (H, W, 3), 0-255."""
        small = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            rebuilt = self.network(small.to(memory_format=torch.channels_last))[0]
        return np.ascontiguousarray((rebuilt.clamp(0, 1) * 255).permute(1, 2, 0).numpy())


def train_partners(
    faces: FaceDataset,
    config: Sparring,
    *,
    seed: int,
    folder: Path,
    device: torch.device,
) -> tuple[Partner, ...]:
    """Trains sparring networks, or reads those that an earlier run has finished.

    Args:
        faces: Training faces, clean.
        config: How many, and how much they are taught.
        seed: Of designs, weights and lessons.
        folder: Where finished networks are kept; made for these faces and settings alone.
        device: Where they learn.

    Raises:
        BadArtifactError: If `folder` holds networks of other faces or settings.
    """
    designs = [draw_design(seed, number + 1) for number in range(config.partners)]
    partners = []
    steps = config.lessons.steps * sum(design.effort for design in designs)
    with progress.bar("training sparring networks", steps) as advance:
        for design in designs:
            place = folder / design.name
            identity = {
                "sparring network": design.model_dump(mode="json"),
                "lessons": config.lessons.model_dump(mode="json"),
                "seed": seed,
                "training faces": faces.fingerprint(),
            }
            if (place / artifacts.CARD).is_file():
                advance(config.lessons.steps * design.effort)
            else:
                network = teach(
                    faces, design, config.lessons, seed=seed, device=device, advance=advance
                )
                artifacts.save(place, KIND, network.state_dict(), {"identity": identity})
            partners.append(_load(place, design, identity))
    return tuple(partners)


def _load(folder: Path, design: Design, identity: dict[str, Any]) -> Partner:
    artifact = artifacts.load(folder, KIND)
    check_same(artifact.card.get("identity"), identity, folder)
    network = SparringNetwork(design).to(memory_format=torch.channels_last)
    network.load_state_dict(artifact.tensors)
    return Partner(design, network.eval())
