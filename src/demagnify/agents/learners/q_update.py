"""One gradient step of a Q-network, as fast as memory allows."""

from __future__ import annotations

from typing import Final

import torch
from torch.nn import functional

from demagnify.agents.q_network import QNetwork

_ADAM: Final = "adam"


class QUpdate:
    """Trains a Q-network with Adam on the mean squared error to target Q-values.

    The first layer of the paper's network has 77 MB of weights, and with one image per update the
    time goes where memory does. So Adam is fused, and the first layer's gradient is written over
    the last one instead of into 77 MB of fresh memory, whose pages alone cost more than the
    arithmetic.

    Args:
        network: The network, on its device; trained in place.
    """

    def __init__(self, network: QNetwork) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters(), fused=True)
        network.first.weight.grad = torch.zeros_like(network.first.weight)
        self._inputs = torch.empty(0)
        self._hidden = torch.empty(0)
        self._values = torch.empty(0)

    def values(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the value of every action, float32 (N, A), and keeps what `step` needs."""
        with torch.no_grad():
            self._inputs = self.network.inputs(states)
            self._hidden = self.network.first(self._inputs)
        self._values = self.network.head(self._hidden.requires_grad_())
        return self._values.detach()

    def step(self, actions: torch.Tensor, targets: torch.Tensor, rate: float) -> torch.Tensor:
        """Moves the values that the last call of `values` returned towards targets.

        The target Q-values are the Q-values with the entry of the action taken replaced, so the
        other actions add nothing to the loss but count in its mean.

        Args:
            actions: int64 (N,), the actions taken.
            targets: float32 (N,), what they turned out to be worth.
            rate: The learning rate.

        Returns:
            The loss, a scalar tensor without gradient.
        """
        goal = self._values.detach().clone()
        goal[torch.arange(len(actions), device=goal.device), actions] = targets
        loss = functional.mse_loss(self._values, goal)
        second = self.network.second
        second.weight.grad = second.bias.grad = None
        torch.autograd.backward(loss, inputs=[self._hidden, *second.parameters()])
        self._first_layer_gradient()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.detach()

    def _first_layer_gradient(self) -> None:
        first, slope = self.network.first, self._hidden.grad
        if slope is None or first.weight.grad is None:
            raise RuntimeError("call values() before step()")
        torch.mm(slope.T, self._inputs, out=first.weight.grad)
        first.bias.grad = slope.sum(0)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns weights and Adam's moments by name."""
        state = self.optimizer.state_dict()["state"]
        moments = {
            f"{_ADAM}.{index}.{key}": value
            for index, values in state.items()
            for key, value in values.items()
        }
        return {**self.network.state_dict(), **moments}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes over what `tensors` returned."""
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"{_ADAM}."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor.clone()
        groups = self.optimizer.state_dict()["param_groups"]
        self.network.load_state_dict({name: tensors[name] for name in self.network.state_dict()})
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
