"""All that the agent can throw at the detector: filters, sparring networks, given attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.data.dataset import FaceDataset
from demagnify.hardening.config import Hardening
from demagnify.hardening.drawing import drawn_by_group
from demagnify.hardening.publishing import Published
from demagnify.hardening.surrogates import train_partners
from demagnify.hardening.surrogates.picture import draw_partners
from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.degradations import Degradation, registered
from demagnify.transforms.degradations.kinds import Dice, Floats

PICTURE: Final = "partners.png"


@dataclass(frozen=True)
class Opponents:
    """Everything that may be done to a face, in families.

    Attributes:
        families: Degradations by name, by family; empty families are left out.
    """

    families: tuple[Mapping[str, Degradation], ...]

    @property
    def kinds(self) -> dict[str, Degradation]:
        """All of them by name, in the order of their numbers from 1."""
        return {name: kind for family in self.families for name, kind in family.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.kinds)

    def draw(self, dice: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Draws numbers from 1, int64 (count,): every family as often, within it every kind."""
        sizes = np.array([len(family) for family in self.families])
        family = dice.integers(0, len(sizes), count)
        within = (dice.random(count) * sizes[family]).astype(np.int64)
        numbers: NDArray[np.int64] = 1 + (np.cumsum(sizes) - sizes)[family] + within
        return numbers


@dataclass(frozen=True)
class AttackedFace:
    """An attack as a degradation.

    Attributes:
        attack: Such as a published super-resolution network.
    """

    attack: Attack

    def __call__(self, face: Floats, dice: Dice) -> Floats:  # noqa: ARG002  attacks draw nothing
        """Attacks float32 RGB (H, W, 3), 0-255."""
        rounded = np.clip(np.rint(face), 0, 255).astype(np.uint8)
        image = torch.from_numpy(np.ascontiguousarray(rounded.transpose(2, 0, 1)))[None]
        return self.attack(image)[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)


def gather_opponents(
    faces: FaceDataset,
    config: Hardening,
    attacks: Sequence[Attack],
    *,
    folder: Path,
    device: torch.device,
    tell: Callable[[str], None],
) -> Opponents:
    """Returns the filters of `config`, its sparring networks, trained or read, and the attacks.

    All are finished as attackers do; see `Published`.

    Args:
        faces: Training faces, on which sparring networks learn.
        config: The settings of the loop.
        attacks: Given ones; they count as seen afterwards.
        folder: Where finished sparring networks are kept.
        device: Where they learn.
        tell: Gets a line about them.

    Raises:
        UnknownNameError: If a filter is not registered.
    """
    filters = registered(config.kinds or None)
    some = drawn_by_group(faces, config.sparring.faces, config.seed, "sparring")
    learned_on = faces.subset(some)
    partners = train_partners(
        learned_on, config.sparring, seed=config.seed, folder=folder, device=device
    )
    if partners:
        picture = folder / PICTURE
        draw_partners(learned_on, partners, picture)
        tell(f"{len(partners)} sparring networks; look at {picture}")
    families: tuple[Mapping[str, Degradation], ...] = (
        filters,
        {partner.name: partner for partner in partners},
        {attack.name: AttackedFace(attack) for attack in attacks},
    )
    return Opponents(
        tuple(
            {name: Published(kind) for name, kind in family.items()}
            for family in families
            if family
        )
    )
