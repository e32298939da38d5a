"""The distance in deep features; no figure of it is taken for LPIPS."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.laundering import perceptual
from demagnify.laundering.perceptual import perceptual_distance
from demagnify.transforms import attacks


@pytest.fixture(scope="module")
def faces(asset):
    """Three faces, uint8 (3, 3, 112, 112)."""
    asset(perceptual.NETWORK)
    files = sorted(asset("celeba-999").iterdir())[::333]
    return images.to_batch([images.load(file)[53:165, 33:145] for file in files])


@pytest.mark.assets
def test_equal_images_are_at_no_distance_and_others_are_apart(faces):
    assert perceptual_distance(faces, faces) == pytest.approx(0, abs=1e-9)
    distances = [
        perceptual_distance(faces, attacks.create(f"bicubic-x{scale}")(faces)).mean()
        for scale in (2, 3, 4)
    ]
    assert 0 < distances[0] < distances[1] < distances[2] < 4


@pytest.mark.assets
def test_blur_is_farther_than_noise_of_the_same_psnr(faces):
    """What PSNR cannot tell apart, and people can."""
    blurred = attacks.create("bicubic-x4")(faces)
    error = (blurred.float() - faces.float()).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    shifted = (faces.float() + error).round().clamp(0, 255).to(torch.uint8)
    assert (perceptual_distance(faces, blurred) > 2 * perceptual_distance(faces, shifted)).all()


@pytest.mark.assets
def test_it_is_the_distance_of_zhang_and_others_by_definition(faces):
    changed = 255 - faces
    layers = perceptual._layers("cpu")
    expected = []
    for one, other in zip(faces, changed, strict=True):
        pair = [
            (image[None] / 255 - torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))
            / torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
            for image in (one, other)
        ]
        stages = []
        with torch.inference_mode():
            for number, layer in enumerate(layers):
                pair = [layer(features) for features in pair]
                if number in perceptual.STAGES:
                    cosine = functional.cosine_similarity(*pair, dim=1)
                    stages.append((2 - 2 * cosine).mean().item())
        expected.append(np.mean(stages))
    np.testing.assert_allclose(
        perceptual_distance(faces, changed, batch_size=2), expected, rtol=1e-4
    )


def test_other_shapes_are_refused():
    with pytest.raises(ImageContractError, match="differ"):
        perceptual_distance(
            torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
            torch.zeros(1, 3, 32, 33, dtype=torch.uint8),
        )


def test_no_images_need_no_network():
    none = torch.zeros(0, 3, 32, 32, dtype=torch.uint8)
    assert perceptual_distance(none, none).shape == (0,)
