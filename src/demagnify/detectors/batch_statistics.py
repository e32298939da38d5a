"""BatchNorm over the faces of all processes, so that several train as one does.

torch's SyncBatchNorm needs a GPU, and its own modules. This one takes the place of the function
that every kind of BatchNorm calls, on any device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from demagnify.core.process_group import ProcessGroup

_PARAMETERS: Final = (
    "input",
    "running_mean",
    "running_var",
    "weight",
    "bias",
    "training",
    "momentum",
    "eps",
)
_USUAL: Final = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}


def shared_statistics(group: ProcessGroup) -> contextlib.AbstractContextManager[object]:
    """Returns the context in which a forward pass takes its batch to be that of all processes."""
    return contextlib.nullcontext() if group.size == 1 else _SharedStatistics(group)


class _SharedStatistics(TorchFunctionMode):
    def __init__(self, group: ProcessGroup) -> None:
        super().__init__()
        self._group = group

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  torch's own signature
        """Replaces BatchNorm that computes statistics."""
        if func is not F.batch_norm:
            return func(*args, **(kwargs or {}))
        given = {**_USUAL, **dict(zip(_PARAMETERS, args, strict=False)), **(kwargs or {})}
        if not given["training"]:
            return func(*args, **(kwargs or {}))
        return _batch_norm(self._group, **given)


def _batch_norm(
    group: ProcessGroup,
    input: torch.Tensor,  # noqa: A002  torch's own names
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    training: bool,  # noqa: ARG001
    momentum: float,
    eps: float,
) -> torch.Tensor:
    scaled: torch.Tensor
    scaled, mean, variance = _Standardized.apply(input.float(), eps, group)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.lerp_(variance.to(running_var.dtype), momentum)
    shape = (1, -1, *[1] * (input.ndim - 2))
    if weight is not None:
        scaled = scaled * weight.view(shape)
    if bias is not None:
        scaled = scaled + bias.view(shape)
    return scaled.to(input.dtype)


class _Standardized(torch.autograd.Function):
    """Mean 0 and variance 1 for each channel, over the batches of all processes."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch types it so
        images: torch.Tensor,
        eps: float,
        group: ProcessGroup,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns the scaled batch, the means, and the unbiased variances."""
        axes = [0, *range(2, images.ndim)]
        shape = (1, -1, *[1] * (images.ndim - 2))
        channels = images.shape[1]
        # A row for each process, so that one message brings what exact sums need: the squares are
        # those of distances to the mean of each.
        counts = images.new_zeros(group.size)
        means, squares = images.new_zeros(2, group.size, channels)
        counts[group.rank] = images.numel() // channels
        means[group.rank] = images.mean(axes)
        squares[group.rank] = (images - means[group.rank].view(shape)).square().sum(axes)
        group.add_up([counts, means, squares])
        count, weights = counts.sum(), counts.unsqueeze(1)
        mean = (weights * means).sum(0) / count
        total = (squares + weights * (means - mean).square()).sum(0)
        inverse = (total / count + eps).rsqrt()
        scaled = (images - mean.view(shape)) * inverse.view(shape)
        variance = total / (count - 1).clamp(min=1)
        ctx.save_for_backward(scaled, inverse, count)
        ctx.group, ctx.axes, ctx.shape = group, axes, shape
        ctx.mark_non_differentiable(mean, variance)
        return scaled, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # noqa: ANN401
        scaled, inverse, count = ctx.saved_tensors
        gradient = gradients[0]
        total, along = gradient.sum(ctx.axes), (gradient * scaled).sum(ctx.axes)
        ctx.group.add_up([total, along])
        total, along = (one.div(count).view(ctx.shape) for one in (total, along))
        return (gradient - total - scaled * along) * inverse.view(ctx.shape), None, None
