"""PSNR and SSIM of single images: the same figures as torchmetrics gives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.laundering.similarity import similarity


def noise(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 70), st.integers(12, 70), st.integers(0, 60), st.integers(0, 99))
def test_the_figures_are_those_of_torchmetrics(height, width, strength, seed):
    original = noise(height, width, seed)
    change = np.random.default_rng(seed + 1).normal(0, strength, original.shape)
    changed = np.clip(original + change, 0, 255).astype(np.uint8)
    batches = [images.to_batch([one]).float() for one in (changed, original)]
    psnr = peak_signal_noise_ratio(*batches, data_range=255.0)
    ssim = structural_similarity_index_measure(*batches, data_range=255.0)
    found = similarity(original, changed)
    assert found[0] == pytest.approx(float(psnr), rel=1e-4)
    assert found[1] == pytest.approx(float(ssim), abs=1e-4)


def test_flat_and_equal_images():
    flat = np.full((32, 32, 3), 200, dtype=np.uint8)
    assert similarity(flat, flat) == (math.inf, pytest.approx(1.0))
    assert similarity(flat, flat - 200)[0] == pytest.approx(20 * math.log10(255 / 200))


@pytest.mark.parametrize("side", [1, 3, 8])
def test_tiny_images_have_figures_too(side):
    psnr, ssim = similarity(noise(side, 9, 0), noise(side, 9, 1))
    assert math.isfinite(psnr)
    assert -1 <= ssim <= 1


def test_only_images_of_one_shape_are_compared():
    with pytest.raises(ImageContractError, match="cannot be compared"):
        similarity(noise(20, 20, 0), noise(20, 21, 0))
