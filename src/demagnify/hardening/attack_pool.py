"""The attack pool: filters, surrogate networks and given attacks, from which the agent chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.data.dataset import FaceDataset
from demagnify.data.subsample import draw_by_group
from demagnify.hardening.config import HardeningConfig
from demagnify.hardening.degrader import Degrader, content_indices, registered
from demagnify.hardening.delivery import Delivery
from demagnify.hardening.surrogate_training import train_surrogates
from demagnify.hardening.surrogates import Surrogate, draw_surrogates
from demagnify.transforms import Identity, TransformSet
from demagnify.transforms.base import Transform
from demagnify.transforms.degradations import Filter as Degradation
from demagnify.transforms.degradations import Floats

FIGURE: Final = "surrogates.png"


@dataclass(frozen=True)
class AttackPool:
    """Everything that may be done to a face, in families.

    Attributes:
        families: Degradations by name, by family; empty families are left out.
    """

    families: tuple[Mapping[str, Degradation], ...]

    @property
    def degradations(self) -> dict[str, Degradation]:
        """All of them by name, in the order of their numbers from 1."""
        return {name: one for family in self.families for name, one in family.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.degradations)

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Draws numbers from 1, int64 (count,), uniformly over families and then within one."""
        sizes = np.array([len(family) for family in self.families])
        family = rng.integers(0, len(sizes), count)
        within = (rng.random(count) * sizes[family]).astype(np.int64)
        numbers: NDArray[np.int64] = 1 + (np.cumsum(sizes) - sizes)[family] + within
        return numbers


@dataclass(frozen=True)
class AttackedFace:
    """An attack as a degradation.

    Attributes:
        attack: Such as a published super-resolution network.
    """

    attack: Transform

    def __call__(self, face: Floats, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Attacks float32 RGB (H, W, 3), 0-255."""
        rounded = np.clip(np.rint(face), 0, 255).astype(np.uint8)
        image = torch.from_numpy(np.ascontiguousarray(rounded.transpose(2, 0, 1)))[None]
        return self.attack(image)[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)


@dataclass(frozen=True)
class Degraded(Transform):
    """A degradation as an action; what is drawn depends on the image's own pixels and the round.

    Attributes:
        kind: Its name.
        seed: Of the draws.
        round_: Another round draws other settings.
        degradation: What it does.
    """

    kind: str
    seed: int
    round_: int
    degradation: Degradation = field(repr=False, compare=False)

    @cached_property
    def _degrader(self) -> Degrader:
        return Degrader({self.kind: self.degradation}, seed=self.seed)

    @property
    def name(self) -> str:
        """The degradation's name."""
        return self.kind

    def apply(self, images: torch.Tensor, rngs: object = ()) -> torch.Tensor:  # noqa: ARG002
        """Degrades every image of the batch."""
        numbers = np.ones(len(images), dtype=np.int64)
        return self._degrader(images, numbers, content_indices(images), epoch=self.round_)


def degrading(kinds: Mapping[str, Degradation], *, seed: int, round_: int) -> TransformSet:
    """Returns the actions of the adversary: leaving, and each degradation."""
    degraded = [Degraded(name, seed, round_, kind) for name, kind in kinds.items()]
    return TransformSet([Identity(), *degraded])


def build_attack_pool(
    faces: FaceDataset,
    config: HardeningConfig,
    attacks: Sequence[Transform],
    *,
    folder: Path,
    device: torch.device,
    log: Callable[[str], None],
) -> AttackPool:
    """Returns the filters of `config`, its surrogate networks, trained or read, and the attacks.

    All are delivered as attackers do; see `Delivery`.

    Args:
        faces: Training faces, on which surrogate networks are trained.
        config: The settings of the loop.
        attacks: Published attacks; they count as seen afterwards.
        folder: Where finished surrogate networks are cached.
        device: Where they are trained.
        log: Gets a line about them.

    Raises:
        UnknownNameError: If a filter is not registered.
    """
    filters = registered(config.degradations or None)
    some = faces.subset(draw_by_group(faces, config.surrogates.faces, config.seed, "sparring"))
    trained = train_surrogates(
        some, config.surrogates, seed=config.seed, folder=folder, device=device
    )
    surrogates = [Surrogate(design, network) for design, network in trained]
    if surrogates:
        draw_surrogates(some, surrogates, folder / FIGURE)
        log(f"{len(surrogates)} surrogate networks; look at {folder / FIGURE}")
    families: tuple[Mapping[str, Degradation], ...] = (
        filters,
        {surrogate.name: surrogate for surrogate in surrogates},
        {attack.name: AttackedFace(attack) for attack in attacks},
    )
    return AttackPool(
        tuple(
            {name: Delivery(one) for name, one in family.items()} for family in families if family
        )
    )
