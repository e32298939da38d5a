"""Gradients of grouped convolutions: as right as torch's own, whatever the geometry."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from demagnify import detectors
from demagnify.detectors.depthwise import FastGroupedGradients, fast_gradients

CPU = torch.device("cpu")


def gradients(layer, images, *, fast):
    layer.zero_grad()
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        if fast:
            with FastGroupedGradients():
                result = layer(images)
        else:
            result = layer(images)
    result.float().pow(2).mean().backward()
    return result, [images.grad, *(one.grad for one in layer.parameters())]


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 5, "padding": 2, "stride": 2},
        {"kernel_size": (3, 5), "padding": (1, 2), "bias": False},
        {"kernel_size": 3, "dilation": 2},
        {"kernel_size": 3, "padding": "same"},
    ],
)
@pytest.mark.parametrize("groups", [4, 8])
def test_gradients_agree_with_torchs(settings, groups):
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 16, groups=groups, **settings)
    images = torch.randn(3, 8, 14, 14)
    mine, of_mine = gradients(layer, images, fast=True)
    torchs, of_torchs = gradients(layer, images, fast=False)
    assert mine.dtype == torchs.dtype == torch.bfloat16
    torch.testing.assert_close(mine, torchs, rtol=2e-2, atol=2e-2)
    for one, other in zip(of_mine, of_torchs, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=5e-2, atol=1e-3)


def test_other_convolutions_are_left_alone():
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4, 3)
    images = torch.randn(2, 4, 9, 9)
    mine, torchs = (gradients(layer, images, fast=fast)[0] for fast in (True, False))
    assert torch.equal(mine, torchs)


def test_arguments_may_be_named():
    images, weight = torch.randn(1, 4, 6, 6), torch.randn(4, 1, 3, 3, requires_grad=True)
    with FastGroupedGradients():
        result = functional.conv2d(images, weight=weight, groups=4, stride=2)
    expected = functional.conv2d(images, weight, groups=4, stride=2)
    torch.testing.assert_close(result.float(), expected, rtol=2e-2, atol=2e-2)


def test_nothing_changes_in_float32_or_without_gradients():
    assert not isinstance(fast_gradients(CPU, "float32"), FastGroupedGradients)
    with torch.no_grad():
        assert not isinstance(fast_gradients(CPU, "bfloat16"), FastGroupedGradients)
    assert isinstance(fast_gradients(CPU, "bfloat16"), FastGroupedGradients)


def test_a_detector_of_grouped_convolutions_gets_gradients_everywhere():
    detector = detectors.create("mobilenetv3_small_050", input_size=32, device="cpu")
    detector.precision = "bfloat16"
    faces = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    detector.train()
    detector(faces).sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in detector.parameters())
