"""Gradients of grouped convolutions on a processor, in float32 where bfloat16 is slower.

Processors multiply matrices of bfloat16 several times faster than float32, but oneDNN has no fast
bfloat16 kernels for the gradients of grouped (depthwise) convolutions. Networks made of both, such
as EfficientNet, train fastest when only these gradients are float32;
`benchmarks/training.py` measures it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from demagnify.core.devices import Precision, computes_in_bfloat16

_PARAMETERS: Final = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


def fast_gradients(
    device: torch.device, precision: Precision
) -> contextlib.AbstractContextManager[object]:
    """Returns the context in which a forward pass runs whose gradients are wanted fast."""
    slow = device.type == "cpu" and computes_in_bfloat16(device, precision)
    if slow and torch.is_grad_enabled():
        return FastGroupedGradients()
    return contextlib.nullcontext()


class FastGroupedGradients(TorchFunctionMode):
    """Within it, grouped 2-d convolutions run in bfloat16 and their gradients in float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  torch's own signature
        """Replaces grouped convolutions that will be differentiated."""
        given = {**dict(zip(_PARAMETERS, args, strict=False)), **(kwargs or {})}
        if func is not torch.conv2d or not _is_grouped(given):
            return func(*args, **(kwargs or {}))
        result = _GroupedConvolution.apply(
            given["input"].to(torch.bfloat16),
            given["weight"],
            *(_pair(given.get(name, usual)) for name, usual in _GEOMETRY.items()),
            given["groups"],
        )
        bias = given.get("bias")
        return result if bias is None else result + bias.to(result.dtype).view(-1, 1, 1)


_GEOMETRY: Final = {"stride": 1, "padding": 0, "dilation": 1}


def _is_grouped(given: Mapping[str, Any]) -> bool:
    plain = not isinstance(given.get("padding", 0), str)
    return given.get("groups", 1) > 1 and plain and torch.is_grad_enabled()


def _pair(value: int | Iterable[int]) -> list[int]:
    pair = [value] if isinstance(value, int) else list(value)
    return pair * 2 if len(pair) == 1 else pair


class _GroupedConvolution(torch.autograd.Function):
    """A convolution without bias whose gradients are computed in float32."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch types it so
        inputs: torch.Tensor,
        weight: torch.Tensor,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        groups: int,
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.geometry = stride, padding, dilation, groups
        return torch.conv2d(
            inputs, weight.to(inputs.dtype), None, stride, padding, dilation, groups
        )

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        of_inputs, of_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(),
            inputs.float(),
            weight.float(),
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            wanted,
        )
        gradients_of = [
            None if gradient is None else gradient.to(tensor.dtype)
            for gradient, tensor in ((of_inputs, inputs), (of_weight, weight))
        ]
        return (*gradients_of, None, None, None, None)
