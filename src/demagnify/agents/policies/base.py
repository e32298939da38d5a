"""The contract of policies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import torch
from torch import nn

from demagnify.core.registry import Registry

POLICIES: Final[Registry[type[Policy]]] = Registry(
    "policy", package="demagnify.agents.policies", group="demagnify.policies"
)


class Query(Protocol):
    """The detector as a policy sees it: on images, or on a logit table."""

    def __call__(self, rows: torch.Tensor, actions: torch.Tensor, /) -> torch.Tensor:
        """Returns the detector's logits, float32 (n,) on the device of `rows`.

        Args:
            rows: int64 (n,), numbers of images, in rising order and none twice.
            actions: int64 (n,), the number of the transform for each.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions of a policy on N images.

    Attributes:
        logits: float32 (N,); a logit above the threshold means fake. The mean, if the detector
            ran several times.
        actions: int64 (N,), the action for each image; of several the most important one.
        calls: int64 (N,), how often the detector ran on each image, for state and verdict.
        abstained: bool (N,), where no verdict is given; None if the policy always gives one.
        uncertainty: float32 (N,), the estimated chance that the verdict is wrong; None if unknown.
        undefended: float32 (N,), the logits of the original images; None if not computed.
    """

    logits: torch.Tensor
    actions: torch.Tensor
    calls: torch.Tensor
    abstained: torch.Tensor | None = None
    uncertainty: torch.Tensor | None = None
    undefended: torch.Tensor | None = None


class Policy(nn.Module, ABC):
    """Maps states, float32 (N, S), to actions, int64 (N,), and to decisions.

    A subclass registers itself by its name and is made again from its `settings`; its weights, if
    it has any, are its state dict. A policy that averages over several actions overrides `views`;
    one that runs the detector step by step, or abstains, overrides `decide`. Images and logit
    tables go through the same method, so that both give the same decisions.

    Attributes:
        name: The registered name.
        uses_state: Whether it reads states. If not, none are computed, and it gets (N, 0).

    Example:
        >>> import torch
        >>> from demagnify.agents.policies import FixedPolicy
        >>> FixedPolicy(1)(torch.zeros(3, 0))
        tensor([1, 1, 1])
    """

    name: ClassVar[str]
    uses_state: ClassVar[bool] = True

    @property
    def averaged(self) -> int:
        """The logits of how many actions are averaged, where that is the same for every image."""
        return 1

    @abstractmethod
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the number of the first action for each state, int64 (N,) on their device."""

    def views(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the k actions whose logits are averaged, int64 (N, k), the first one first."""
        actions: torch.Tensor = self(states)
        return actions[:, None]

    def decide(self, states: torch.Tensor, query: Query, threshold: float) -> Decisions:
        """Applies each action to each image, runs the detector, and takes the mean logit.

        Args:
            states: float32 (N, S).
            query: Applies actions and runs the detector.
            threshold: The detector's threshold; a logit above it means fake.
        """
        del threshold
        views = self.views(states)
        rows = torch.arange(states.shape[0], device=states.device)
        logits = torch.stack([query(rows, actions) for actions in views.unbind(1)]).mean(dim=0)
        calls = torch.full_like(rows, views.shape[1])
        return Decisions(logits=logits, actions=views[:, 0], calls=calls)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Returns the keyword arguments that make this policy again, except its weights."""

    @classmethod
    def create(cls, name: str, settings: dict[str, Any]) -> Policy:
        """Makes the registered policy called `name`.

        Raises:
            UnknownNameError: If there is no such policy.
        """
        return POLICIES.get(name)(**settings)
