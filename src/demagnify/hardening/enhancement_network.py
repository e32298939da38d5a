"""The network that recognizes enhanced faces by their features, its training and its export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import nn

from demagnify.core.files import atomic_path
from demagnify.core.rng import derived_seed, generator
from demagnify.hardening.enhancement_examples import FACTORS, FAMILIES, Described

Floats = NDArray[np.float32]

INPUT: Final = "features"
OUTPUTS: Final = ("logits", "distance")
_RATE: Final = 1e-3
_BATCH: Final = 256
_FARTHEST: Final = 10.0
"""Standard deviations beyond which a feature counts as no farther."""
_SIDE_TASKS: Final = 0.2
"""Weight of family and factor in the loss."""


class EnhancementNetwork(nn.Module):
    """Two hidden layers on standardized features.

    Args:
        mean: (F,), of the training features.
        scale: (F,), their standard deviations.
        width: Units of the hidden layers.
        dropout: Of features and of hidden units.

    Shape:
        Float (N, F) -> (N, 1 + families + factors): the logit of "enhanced", then those of the
        families and of the factors.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, mean: torch.Tensor, scale: torch.Tensor, width: int, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.body = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(len(mean), width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 1 + len(FAMILIES) + len(FACTORS)),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        logits: torch.Tensor = self.body(((features - self.mean) / self.scale).clamp(-5, 5))
        return logits

    def distance(self, features: torch.Tensor) -> torch.Tensor:
        """Returns how far features (N, F) are from those of the training: (N,), about 1 there."""
        far = ((features - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)
        return far.square().mean(1).sqrt()


class _Exported(nn.Module):
    """What is written as ONNX: logits and distance."""

    def __init__(self, network: EnhancementNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns logits and distance."""
        return self.network(features), self.network.distance(features)


def fit(
    examples: Described,
    *,
    epochs: int,
    width: int,
    decay: float,
    seed: int,
    log: Callable[[str], None] = lambda _line: None,
) -> EnhancementNetwork:
    """Returns a network that was trained on the examples; the same seed gives the same weights."""
    features = torch.from_numpy(examples.features)
    scale = features.std(0).clamp_min(1e-3)
    targets = [torch.from_numpy(one) for one in examples[1:]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "enhancement weights"))
        network = EnhancementNetwork(features.mean(0), scale, width).train()
        adam = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=decay)
        steps = epochs * -(-len(features) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 2 * _RATE, total_steps=max(steps, 2))
        for epoch in range(epochs):
            order = generator(seed, "enhancement order", epoch).permutation(len(features))
            total = 0.0
            for rows in torch.split(torch.from_numpy(order), _BATCH):
                loss = _loss(network(features[rows]), *(one[rows] for one in targets))
                adam.zero_grad()
                torch.autograd.backward(loss)
                adam.step()
                schedule.step()
                total += loss.item() * len(rows)
            log(f"epoch {epoch + 1} of {epochs}: loss {total / len(features):.3f}")
    return network.eval()


def _loss(
    logits: torch.Tensor, enhanced: torch.Tensor, families: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], enhanced.float())
    end = 1 + len(FAMILIES)
    for known, part in ((families, logits[:, 1:end]), (factors, logits[:, end:])):
        if (known >= 0).any():
            loss = loss + _SIDE_TASKS * F.cross_entropy(part, known, ignore_index=-1)
    return loss


def logits_of(network: nn.Module, features: Floats) -> Floats:
    """Returns the logits of features (N, F)."""
    with torch.inference_mode():
        logits: Floats = network(torch.from_numpy(features)).numpy()
    return logits


def distances_of(network: EnhancementNetwork, features: Floats) -> Floats:
    """Returns how far features (N, F) are from those that the network was trained on."""
    with torch.inference_mode():
        distances: Floats = network.distance(torch.from_numpy(features)).numpy()
    return distances


def export(network: EnhancementNetwork, path: Path) -> None:
    """Writes the network as ONNX, with its standardization inside and any number of rows."""
    example = torch.zeros(2, len(network.mean))
    with atomic_path(path) as temporary:
        torch.onnx.export(
            _Exported(network),
            (example,),
            str(temporary),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in (INPUT, *OUTPUTS)},
            dynamo=False,
        )
