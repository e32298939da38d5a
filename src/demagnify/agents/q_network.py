"""The network that estimates the value of each action."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import nn

from demagnify.core.rng import torch_generator

HIDDEN: Final = 128
SMALL: Final = 2**20
"""Weights of the first layer up to which one thread is the fastest."""


class QNetwork(nn.Module):
    """Two fully connected layers with ReLU between: state in, one value per action out.

    The paper's agent; with its 150,528 inputs, 128 hidden units and 2 actions it has 19,267,970
    weights.

    Args:
        state_size: Numbers per state, S.
        actions: Number of actions, A.
        hidden: Units between the layers.
        standardize: Whether states are standardised first; see `fit_scale`.
        seed: Seed of the initial weights (uniform, as torch initialises linear layers).
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        state_size: int,
        actions: int,
        *,
        hidden: int = HIDDEN,
        standardize: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.standardize = standardize
        self.first = _linear(state_size, hidden)
        self.second = _linear(hidden, actions)
        if standardize:
            self.register_buffer("shift", torch.zeros(state_size))
            self.register_buffer("scale", torch.ones(state_size))
        rng = torch_generator(seed, "q-network")
        for layer in (self.first, self.second):
            bound = 1.0 / math.sqrt(layer.in_features)
            for tensor in (layer.weight, layer.bias):
                nn.init.uniform_(tensor, -bound, bound, generator=rng)

    def fit_scale(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Sets the shift and scale that give every number of a state mean 0 and deviation 1.

        Args:
            mean: float32 (S,).
            deviation: float32 (S,); numbers that hardly vary are only shifted.
        """
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(deviation > 1e-6, 1.0 / deviation.clamp(min=1e-6), 1.0))

    def settings(self) -> dict[str, Any]:
        """Returns the keyword arguments that make a network of this shape."""
        return {
            "state_size": self.first.in_features,
            "actions": self.second.out_features,
            "hidden": self.first.out_features,
            "standardize": self.standardize,
        }

    def inputs(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the inputs of the first layer."""
        return (states - self.shift) * self.scale if self.standardize else states

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps the outputs of the first layer, (N, hidden), to action values, (N, A)."""
        values: torch.Tensor = self.second(torch.relu(hidden))
        return values

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the value of every action in every state.

        Args:
            states: float32 (N, S).

        Returns:
            float32 (N, A).
        """
        return self.head(self.first(self.inputs(states)))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Makes a layer without drawing its weights from torch's global generator."""
    return nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")


@contextmanager
def threads_for(network: QNetwork) -> Iterator[None]:
    """Lets torch compute on one thread if a network is small.

    Its batches take microseconds, so further threads gain nothing; on a busy machine, where they
    wait for one another, they turn seconds into minutes. Besides, the result does not depend on
    the number of threads then.
    """
    before = torch.get_num_threads()
    small = network.first.weight.numel() <= SMALL
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
