"""What a policy is: what an agent sees in, what it does with each image out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import torch
from torch import nn

from demagnify.core.registry import Registry

POLICIES: Final[Registry[type[Policy]]] = Registry("policy")


class Ask(Protocol):
    """The detector as a policy knows it: on live images, or on a reward table."""

    def __call__(self, rows: torch.Tensor, actions: torch.Tensor, /) -> torch.Tensor:
        """Returns the detector's logits, float32 (n,) on the device of `rows`.

        Args:
            rows: int64 (n,), which of the images, in rising order and none twice.
            actions: int64 (n,), what to do to each first.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a policy made of N images.

    Attributes:
        logits: float32 (N,); an image is called fake where its logit is above the threshold.
        actions: int64 (N,), what was done to each; of several things the one that tells most.
        calls: int64 (N,), how often the detector was asked about each.
        unsure: bool (N,), where no verdict is given; None if the policy always gives one.
        doubt: float32 (N,), the estimated chance that the verdict is wrong; None if not known.
    """

    logits: torch.Tensor
    actions: torch.Tensor
    calls: torch.Tensor
    unsure: torch.Tensor | None = None
    doubt: torch.Tensor | None = None


class Policy(nn.Module, ABC):
    """Maps states, float32 (N, S), to actions, int64 (N,), and comes to verdicts with them.

    A subclass is registered by its name and made again from its `settings`; weights, if it has
    any, are its state dict. One that asks the detector more than once, or gives no verdict on
    some images, writes `judge` anew; as live images and reward tables are judged through the same
    method, both come out alike.
    """

    name: ClassVar[str]

    @abstractmethod
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the number of the first action for each state, int64 (N,) on their device."""

    def judge(self, states: torch.Tensor, ask: Ask, threshold: float) -> Verdicts:
        """Acts on each image and asks the detector about what came of it, once.

        Args:
            states: float32 (N, S).
            ask: Acts and asks.
            threshold: The detector's; a logit above it means fake.
        """
        del threshold
        actions = self(states)
        logits = ask(torch.arange(len(states), device=states.device), actions)
        return Verdicts(logits=logits, actions=actions, calls=torch.ones_like(actions))

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Returns the keyword arguments that make this policy again, but for its weights."""

    @classmethod
    def create(cls, name: str, settings: dict[str, Any]) -> Policy:
        """Makes the registered policy called `name`.

        Raises:
            UnknownNameError: If no policy is called so.
        """
        return POLICIES.get(name)(**settings)
