"""PSNR and SSIM, compared with what they are by definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.laundering.quality import QualitySummary, image_quality, psnr, quality


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_psnr_is_by_definition_also_where_uint8_would_wrap():
    originals = noise(5, 3, 24, 20)
    attacked = noise(6, 3, 24, 20)[1:]
    found, _ = quality(originals, attacked)
    error = originals.double() - attacked.double()
    expected = 10 * np.log10(255**2 / (error**2).mean((1, 2, 3)).numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(psnr(originals, attacked), expected, rtol=1e-6)
    assert np.isinf(psnr(originals, originals)).all()


def test_ssim_falls_with_noise_and_is_one_for_equal_images():
    originals = noise(3, 3, 32, 32)
    attacked = originals.clone()
    attacked[1] = (attacked[1].int() + 30).clamp(0, 255).to(torch.uint8)
    attacked[2] = 255 - attacked[2]
    decibels, ssim = quality(originals, attacked)
    assert math.isinf(decibels[0])
    assert ssim[0] == pytest.approx(1.0)
    assert 1 > ssim[1] > 0.8 > 0 > ssim[2]


def test_each_image_is_compared_alone():
    originals, attacked = noise(3, 3, 16, 16), 255 - noise(3, 3, 16, 16) // 3
    together = quality(originals, attacked)
    alone = [quality(originals[i : i + 1], attacked[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(together[0], [one[0][0] for one in alone], rtol=1e-6)
    np.testing.assert_allclose(together[1], [ssim[0] for _, ssim in alone], rtol=1e-5)


def test_the_mean_psnr_excludes_unchanged_images():
    summary = QualitySummary.of(np.array([30.0, math.inf, 34.0]), np.array([0.8, 1.0, 0.9]))
    assert summary == QualitySummary(count=3, unchanged=1, psnr=32.0, ssim=pytest.approx(0.9))
    empty = QualitySummary.of(np.array([]), np.array([]))
    assert empty.count == 0
    assert math.isnan(empty.psnr)


def test_other_shapes_are_refused():
    with pytest.raises(ImageContractError, match="differ"):
        quality(noise(2, 3, 16, 16), noise(2, 3, 16, 17))


def photograph(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 70), st.integers(12, 70), st.integers(0, 60), st.integers(0, 99))
def test_the_figures_are_those_of_torchmetrics(height, width, strength, seed):
    original = photograph(height, width, seed)
    change = np.random.default_rng(seed + 1).normal(0, strength, original.shape)
    changed = np.clip(original + change, 0, 255).astype(np.uint8)
    batches = [images.to_batch([one]).float() for one in (changed, original)]
    decibels = peak_signal_noise_ratio(*batches, data_range=255.0)
    ssim = structural_similarity_index_measure(*batches, data_range=255.0)
    found = image_quality(original, changed)
    assert found[0] == pytest.approx(float(decibels), rel=1e-4)
    assert found[1] == pytest.approx(float(ssim), abs=1e-4)


def test_flat_and_equal_images():
    flat = np.full((32, 32, 3), 200, dtype=np.uint8)
    assert image_quality(flat, flat) == (math.inf, pytest.approx(1.0))
    assert image_quality(flat, flat - 200)[0] == pytest.approx(20 * math.log10(255 / 200))


@pytest.mark.parametrize("side", [1, 3, 8])
def test_tiny_images_have_figures_too(side):
    decibels, ssim = image_quality(photograph(side, 9, 0), photograph(side, 9, 1))
    assert math.isfinite(decibels)
    assert -1 <= ssim <= 1


def test_only_images_of_one_shape_are_compared():
    with pytest.raises(ImageContractError, match="cannot be compared"):
        image_quality(photograph(20, 20, 0), photograph(20, 21, 0))
