"""Several networks side by side whose logits become one: experts for different kinds of fakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class JoinedNetwork(nn.Module):
    """Runs timm networks on the same input and joins their logits by a noisy or.

    A face is real only if no member finds it fake: with p_k the member's probability of a fake
    after a scale and an offset of its own, the joined probability is 1 - prod(1 - p_k). So an
    expert that knows one kind of fakes need not know the others, and a single member gives its own
    logit. Scales and offsets are weights; `demagnify.detectors.joining` fits them.

    It has timm's two methods, so that saving, training, hardening, policies, calibration and the
    export to ONNX treat it as any other network.

    Args:
        members: timm networks with one output.

    Shape:
        float32 (N, 3, S, S), scaled as the members expect it, to (N, 1).

    Source:
        Pearl, "Probabilistic Reasoning in Intelligent Systems" (1988), 4.3: the noisy or.

    Example:
        >>> from demagnify.detectors.backbones import build
        >>> network = build("test_resnet+test_resnet", input_size=32)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 1])
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.scale = nn.Parameter(torch.ones(len(members)))
        self.offset = nn.Parameter(torch.zeros(len(members)))
        self._widths = [int(one.get_classifier().in_features) for one in self._parts()]
        self.num_features = sum(self._widths)
        self.num_classes = 1

    def forward_features(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns the members' pooled features side by side, float32 (N, F)."""
        found = [
            one.forward_head(one.forward_features(batch).float(), pre_logits=True)
            for one in self._parts()
        ]
        return torch.cat(found, dim=1)

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the joined logit of each image, (N, 1)."""
        parts = torch.split(features, self._widths, dim=1)
        logits = [
            one.get_classifier()(part) for one, part in zip(self._parts(), parts, strict=True)
        ]
        return noisy_or(torch.cat(logits, dim=1) * self.scale + self.offset)[:, None]

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns the joined logit of each image, (N, 1)."""
        return self.forward_head(self.forward_features(batch))

    def _parts(self) -> list[Any]:
        return list(self.members)


def noisy_or(logits: torch.Tensor) -> torch.Tensor:
    """Returns the logit of "at least one of K independent causes" from theirs, (N, K) to (N,).

    Example:
        >>> noisy_or(torch.tensor([[0.0, 0.0], [2.0, -100.0]])).sigmoid()
        tensor([0.7500, 0.8808])
    """
    joined = logits[:, 0]
    for other in logits[:, 1:].unbind(1):
        # The odds of "a or b" are odds(a) + odds(b) + odds(a) odds(b); here their logarithm.
        terms = torch.stack([joined, other, joined + other], dim=1)
        most = terms.amax(dim=1)
        joined = most + (terms - most[:, None]).exp().sum(dim=1).log()
    return joined
