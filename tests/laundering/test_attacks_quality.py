"""PSNR and SSIM, compared with what they are by definition."""

import math

import numpy as np
import pytest
import torch

from demagnify.core.errors import ImageContractError
from demagnify.laundering.quality import QualitySummary, quality


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_psnr_is_by_definition_also_where_uint8_would_wrap():
    originals = noise(5, 3, 24, 20)
    attacked = noise(6, 3, 24, 20)[1:]
    psnr, _ = quality(originals, attacked, batch_size=2)
    error = originals.double() - attacked.double()
    expected = 10 * np.log10(255**2 / (error**2).mean((1, 2, 3)).numpy())
    np.testing.assert_allclose(psnr, expected, rtol=1e-5)


def test_ssim_falls_with_noise_and_is_one_for_equal_images():
    originals = noise(3, 3, 32, 32)
    attacked = originals.clone()
    attacked[1] = (attacked[1].int() + 30).clamp(0, 255).to(torch.uint8)
    attacked[2] = 255 - attacked[2]
    psnr, ssim = quality(originals, attacked)
    assert math.isinf(psnr[0])
    assert ssim[0] == pytest.approx(1.0)
    assert 1 > ssim[1] > 0.8 > 0 > ssim[2]


def test_each_image_is_judged_alone():
    originals, attacked = noise(3, 3, 16, 16), 255 - noise(3, 3, 16, 16) // 3
    together = quality(originals, attacked)
    alone = [quality(originals[i : i + 1], attacked[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(together[0], [psnr[0] for psnr, _ in alone], rtol=1e-6)
    np.testing.assert_allclose(together[1], [ssim[0] for _, ssim in alone], rtol=1e-5)


def test_the_summary_leaves_unchanged_images_out_of_the_mean_psnr():
    summary = QualitySummary.of(np.array([30.0, math.inf, 34.0]), np.array([0.8, 1.0, 0.9]))
    assert summary == QualitySummary(count=3, unchanged=1, psnr=32.0, ssim=pytest.approx(0.9))
    empty = QualitySummary.of(np.array([]), np.array([]))
    assert empty.count == 0
    assert math.isnan(empty.psnr)


def test_other_shapes_are_refused():
    with pytest.raises(ImageContractError, match="differ"):
        quality(noise(2, 3, 16, 16), noise(2, 3, 16, 17))
