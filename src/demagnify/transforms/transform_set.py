"""Numbered transforms: what an agent or an attacker chooses from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.core.images import check_batch
from demagnify.transforms.base import IDENTITY, Rngs, Transform, create


class TransformSet(Sequence[Transform]):
    """Transforms by number; number 0 is the identity.

    Args:
        transforms: The transforms; the first is the identity, no name comes twice.

    Attributes:
        identity: bool (A,), which transforms leave the pixels as they are.

    Raises:
        BadConfigError: If the first is not the identity or a name comes twice.

    Example:
        >>> TransformSet.create(["identity", "jpeg-50", "flip"]).names
        ('identity', 'jpeg-50', 'flip')
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self._transforms = tuple(transforms)
        names = self.names
        if not names or names[0] != IDENTITY:
            raise BadConfigError(
                f"the first transform is {IDENTITY!r}, not {names[0] if names else 'nothing'!r}",
                hint=f"put {IDENTITY!r} at the front",
            )
        if len(set(names)) < len(names):
            raise BadConfigError(f"a transform comes twice in {', '.join(names)}")
        self.identity: NDArray[np.bool_] = np.array([one.is_identity for one in transforms])

    @classmethod
    def create(cls, specs: Sequence[str]) -> TransformSet:
        """Makes the set from specs such as "jpeg", "jpeg-50", "flip+grey".

        Raises:
            UnknownNameError: If a name is not registered.
            BadConfigError: If the first is not the identity, one comes twice, or a setting is out
                of its range.
        """
        return cls([create(spec) for spec in specs])

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of their numbers."""
        return tuple(one.name for one in self._transforms)

    def apply(
        self, images: torch.Tensor, numbers: torch.Tensor, *, rngs: Rngs | None = None
    ) -> torch.Tensor:
        """Applies to each image its own transform, batched per transform.

        Args:
            images: Image batch; it is not changed.
            numbers: int64 (N,), the number of each image's transform, on any device.
            rngs: A generator per image for random transforms; see `Transform`.

        Shape:
            uint8 RGB (N, 3, H, W) to the same; `images` itself where every transform is the
            identity.

        Raises:
            ImageContractError: If `images` is not an image batch.
            ValueError: If there is not one number of this set per image.
        """
        check_batch(images)
        if numbers.shape != (len(images),):
            raise ValueError(
                f"{len(images)} images need as many numbers, not {tuple(numbers.shape)}"
            )
        chosen: list[int] = torch.unique(numbers).tolist()
        if chosen and not 0 <= chosen[0] <= chosen[-1] < len(self):
            raise ValueError(f"transforms are numbered 0 to {len(self) - 1}, not {chosen}")
        changing = [number for number in chosen if not self.identity[number]]
        if not changing:
            return images
        if len(chosen) == 1:
            return self._call(chosen[0], images, rngs)
        result = images.clone()
        where = numbers.to(images.device)
        for number in changing:
            mask = where == number
            rows = torch.nonzero(mask)[:, 0].tolist()
            few = None if rngs is None else [rngs[row] for row in rows]
            result[mask] = self._call(number, images[mask], few)
        return result

    def _call(self, number: int, images: torch.Tensor, rngs: Rngs | None) -> torch.Tensor:
        one = self._transforms[number]
        return one(images, rngs=rngs if one.random else None)

    @overload
    def __getitem__(self, index: int) -> Transform: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Transform, ...]: ...
    def __getitem__(self, index: int | slice) -> Transform | tuple[Transform, ...]:
        return self._transforms[index]

    def __iter__(self) -> Iterator[Transform]:
        return iter(self._transforms)

    def __len__(self) -> int:
        return len(self._transforms)

    def __repr__(self) -> str:
        return f"TransformSet({list(self._transforms)!r})"
