"""What a corrective transformation is, and the numbered set that an agent chooses from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, final, overload

import torch

from demagnify.errors import BadConfigError, ImageContractError
from demagnify.images import check_batch
from demagnify.registry import Registry

LEAVE: Final = "leave"

ACTIONS: Final[Registry[type[Action]]] = Registry("action")


@dataclass(frozen=True)
class Action(ABC):
    """A corrective transformation: image batch to image batch of the same shape.

    Subclasses are frozen dataclasses whose fields are their settings (all with defaults), so that
    `repr` tells two actions with different results apart; they implement `apply` and need not
    check anything. The same image gives the same result in any batch.
    """

    name: ClassVar[str]

    @final
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Applies the action.

        Args:
            images: Image batch, uint8 RGB (N, 3, H, W); it is not changed.

        Returns:
            An image batch of the same shape on the same device.

        Raises:
            ImageContractError: If `images` is not an image batch, or `apply` broke the contract.
        """
        check_batch(images)
        if not len(images):
            return images
        result = check_batch(self.apply(images), name=f"what {self.name!r} returned")
        if result.shape != images.shape:
            raise ImageContractError(
                f"the action {self.name!r} turned {tuple(images.shape)} into {tuple(result.shape)}",
                hint="an action keeps the shape",
            )
        return result

    @abstractmethod
    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the transformed copy of a checked, non-empty image batch."""


class ActionSet(Sequence[Action]):
    """The actions of one agent, by number; number 0 is always "leave".

    Args:
        actions: The actions; the first is "leave", no name comes twice.

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

    @classmethod
    def create(cls, names: Sequence[str]) -> ActionSet:
        """Makes the set of the registered actions called `names`, with their default settings.

        Raises:
            UnknownNameError: If a name is not registered.
            BadConfigError: If the first is not "leave" or a name comes twice.
        """
        return cls([ACTIONS.get(name)() for name in names])

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order of their numbers."""
        return tuple(action.name for action in self._actions)

    def apply(self, images: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Applies to each image its own action, batched per action.

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
        if len(chosen) == 1:
            return self._actions[chosen[0]](images)
        result = images.clone()
        where = actions.to(images.device)
        for number in chosen:
            if number:
                mine = where == number
                result[mine] = self._actions[number](images[mine])
        return result

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
