"""Policies: state in, number of an action out."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

import torch
from torch import nn

from demagnify.defense.q_network import QNetwork
from demagnify.registry import Registry

POLICIES: Final[Registry[type[Policy]]] = Registry("policy")


class Policy(nn.Module, ABC):
    """Maps states, float32 (N, S), to actions, int64 (N,).

    A subclass is registered by its name and made again from its `settings`; weights, if it has
    any, are its state dict.
    """

    name: ClassVar[str]

    @abstractmethod
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the number of the action for each state, int64 (N,) on the states' device."""

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


@POLICIES.register("fixed")
class FixedPolicy(Policy):
    """Does the same to every image; number 0 never acts.

    Args:
        action: The number of the action.
    """

    name = "fixed"

    def __init__(self, action: int = 0) -> None:
        super().__init__()
        self.action = action

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the same action N times."""
        return torch.full((len(states),), self.action, dtype=torch.int64, device=states.device)

    def settings(self) -> dict[str, Any]:
        """Returns the action."""
        return {"action": self.action}


@POLICIES.register("random")
class RandomPolicy(Policy):
    """Draws an action from seed and state, so that one image always gets the same one.

    Args:
        actions: How many there are to draw from.
        seed: Another seed draws other actions.
    """

    name = "random"

    def __init__(self, actions: int, seed: int = 0) -> None:
        super().__init__()
        self.actions = actions
        self.seed = seed

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns uniformly distributed actions."""
        drawn = [self._draw(state.numpy().data) for state in states.detach().cpu().contiguous()]
        return torch.tensor(drawn, dtype=torch.int64, device=states.device)

    def _draw(self, state: memoryview) -> int:
        key = self.seed.to_bytes(16, "little", signed=True)
        digest = hashlib.blake2b(state, digest_size=8, key=key).digest()
        return int.from_bytes(digest, "little") % self.actions

    def settings(self) -> dict[str, Any]:
        """Returns the number of actions and the seed."""
        return {"actions": self.actions, "seed": self.seed}


@POLICIES.register("greedy-q")
class GreedyQPolicy(Policy):
    """Takes the action that a Q-network values most; of equals the first.

    Args:
        network: The network, or None to make one of the settings.
        settings: The arguments of `QNetwork`.
    """

    name = "greedy-q"

    def __init__(self, network: QNetwork | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.network = network if network is not None else QNetwork(**settings)

    @torch.no_grad()
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the greedy actions."""
        values: torch.Tensor = self.network(states)
        return values.argmax(dim=1)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments of the network."""
        return self.network.settings()
