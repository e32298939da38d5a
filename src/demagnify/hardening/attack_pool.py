"""The attack pool: filters, surrogate networks and given attacks, from which the agent chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.rng import generator
from demagnify.core.specs import Wrapper
from demagnify.data.dataset import FaceDataset
from demagnify.data.subsample import draw_by_group
from demagnify.hardening.config import HardeningConfig
from demagnify.hardening.delivery import Delivery
from demagnify.hardening.surrogate_training import train_surrogates
from demagnify.hardening.surrogates import draw_surrogates
from demagnify.transforms.base import Identity, Rngs, Transform, content_numbers, create
from demagnify.transforms.catalogue import DEGRADATIONS
from demagnify.transforms.transform_set import TransformSet

FIGURE: Final = "surrogates.png"

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class AttackPool:
    """Everything that may be done to a face, in families."""

    # the transforms of each family; empty families are left out
    families: tuple[tuple[Transform, ...], ...]

    @cached_property
    def transforms(self) -> TransformSet:
        """The identity, and all of them, by number from 1."""
        return TransformSet([Identity(), *(one for family in self.families for one in family)])

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, without the identity."""
        return self.transforms.names[1:]

    def draw(self, rng: np.random.Generator, count: int) -> Integers:
        """Draws numbers from 1, int64 (count,), uniformly over families and then within one."""
        sizes = np.array([len(family) for family in self.families])
        family = rng.integers(0, len(sizes), count)
        within = (rng.random(count) * sizes[family]).astype(np.int64)
        numbers: Integers = 1 + (np.cumsum(sizes) - sizes)[family] + within
        return numbers

    def degrade(
        self, images: torch.Tensor, numbers: Integers, indices: Integers, *, seed: int, epoch: int
    ) -> torch.Tensor:
        """Applies to each image its own transform; the draws do not depend on the batch."""

        def work(number: int) -> tuple[torch.Tensor, torch.Tensor]:
            rows = np.flatnonzero(numbers == number)
            rngs = [generator(seed, "degradation", epoch, int(i), number) for i in indices[rows]]
            where = torch.from_numpy(rows)
            return where, _run(self.transforms[number], images[where], rngs)

        result = images.clone()
        with ThreadPoolExecutor() as threads:  # few images share a transform
            for where, degraded in threads.map(work, np.unique(numbers[numbers > 0]).tolist()):
                result[where] = degraded
        return result

    def seeded(self, *, seed: int, round_: int) -> TransformSet:
        """Returns the transforms as the agent's actions: the draws depend on image and round."""
        return TransformSet(
            [Identity(), *(Seeded(one, seed, round_) for one in self.transforms[1:])]
        )


@dataclass(frozen=True)
class Seeded(Wrapper, Transform):
    """A random transform whose draws depend on each image's own pixels and a round."""

    family = "seeded"
    uses = ()
    inner: Transform
    seed: int
    round_: int  # number of the round; another round draws other settings

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:
        """Returns the transformed images."""
        rngs = [
            generator(self.seed, "degradation", self.round_, number, 1)
            for number in content_numbers(images)
        ]
        return _run(self.inner, images, rngs)

    def fingerprint(self) -> str:
        """Returns the fingerprint of the transform, with seed and round."""
        settings = f"{self.seed} {self.round_}"
        return f"{self.family} v{self.version} {settings} [{self.inner.fingerprint()}]"


def _run(transform: Transform, images: torch.Tensor, rngs: Rngs) -> torch.Tensor:
    return transform(images, rngs=rngs if transform.random else None)


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
    """
    filters = [create(name) for name in config.degradations or DEGRADATIONS]
    some = faces.subset(draw_by_group(faces, config.surrogates.faces, config.seed, "sparring"))
    surrogates = train_surrogates(
        some, config.surrogates, seed=config.seed, folder=folder, device=device, log=log
    )
    if surrogates:
        draw_surrogates(some, surrogates, folder / FIGURE)
        log(f"{len(surrogates)} surrogate networks; look at {folder / FIGURE}")
    families: tuple[Sequence[Transform], ...] = (filters, surrogates, attacks)
    return AttackPool(tuple(tuple(map(Delivery, family)) for family in families if family))
