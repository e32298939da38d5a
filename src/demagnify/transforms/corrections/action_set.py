"""The numbered actions that an agent chooses from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.core.images import check_batch
from demagnify.transforms.corrections.base import LEAVE, Action
from demagnify.transforms.corrections.chain import create


class ActionSet(Sequence[Action]):
    """The actions of one agent, by number; number 0 is always "leave".

    Args:
        actions: The actions; the first is "leave", no name comes twice.

    Attributes:
        shifts: float32 (A,), what is added to the detector's logit after each action.
        leaving: bool (A,), which actions leave the pixels as they are.

    Raises:
        BadConfigError: If the first is not "leave" or a name comes twice.
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = tuple(actions)
        names = self.names
        if not names or names[0] != LEAVE:
            raise BadConfigError(
                f"the first action is always {LEAVE!r}, not {names[0] if names else 'nothing'!r}",
                hint=f"put {LEAVE!r} at the front",
            )
        if len(set(names)) < len(names):
            raise BadConfigError(f"an action comes twice in {', '.join(names)}")
        self.shifts: NDArray[np.float32] = np.array([a.shift for a in actions], dtype=np.float32)
        self.leaving: NDArray[np.bool_] = np.array([a.leaves_pixels for a in actions])

    @classmethod
    def create(cls, specs: Sequence[str]) -> ActionSet:
        """Makes the set of the actions that `specs` say, such as "jpeg", "jpeg-50", "flip+grey".

        Raises:
            UnknownNameError: If a name is not registered.
            BadConfigError: If the first is not "leave", an action comes twice, or a setting is
                out of its range.
        """
        return cls([create(spec) for spec in specs])

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order of their numbers."""
        return tuple(action.name for action in self._actions)

    def apply(self, images: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Applies to each image its own action, batched per action.

        What an action adds to the logit is up to whoever asks the detector; see `shift`.

        Args:
            images: Image batch (N, 3, H, W); it is not changed.
            actions: int64 (N,), the number of each image's action, on any device.

        Returns:
            An image batch of the same shape; `images` itself where all are left.

        Raises:
            ImageContractError: If `images` is not an image batch.
            ValueError: If there is not one number of this set per image.
        """
        check_batch(images)
        if actions.shape != (len(images),):
            raise ValueError(
                f"{len(images)} images need as many actions, not {tuple(actions.shape)}"
            )
        chosen: list[int] = torch.unique(actions).tolist()
        if chosen and not 0 <= chosen[0] <= chosen[-1] < len(self):
            raise ValueError(f"actions are numbered 0 to {len(self) - 1}, not {chosen}")
        changing = [number for number in chosen if not self.leaving[number]]
        if not changing:
            return images
        if len(chosen) == 1:
            return self._actions[chosen[0]](images)
        result = images.clone()
        where = actions.to(images.device)
        for number in changing:
            mine = where == number
            result[mine] = self._actions[number](images[mine])
        return result

    def shift(self, logits: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Adds to the detector's logits what each image's action adds, float32 (N,).

        Args:
            logits: The detector's answers to the corrected images, float32 (N,).
            actions: int64 (N,), the number of each image's action.
        """
        shifts = torch.from_numpy(self.shifts).to(logits.device)
        return logits + shifts[actions.to(logits.device)]

    @overload
    def __getitem__(self, index: int) -> Action: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Action, ...]: ...
    def __getitem__(self, index: int | slice) -> Action | tuple[Action, ...]:
        return self._actions[index]

    def __iter__(self) -> Iterator[Action]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    def __repr__(self) -> str:
        return f"ActionSet({list(self._actions)!r})"
