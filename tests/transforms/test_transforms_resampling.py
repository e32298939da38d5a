"""Shrinking and enlarging, compared with OpenCV and Pillow."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from demagnify.transforms.resampling import enlarge, shrink, to_float, to_uint8


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def batch(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@settings(deadline=None, max_examples=30)
@given(height=st.integers(8, 90), width=st.integers(8, 90), scale=st.sampled_from([2, 3, 4]))
def test_shrinking_is_opencv_area(height, width, scale):
    pixels = noise(height, width)
    small = shrink(batch(pixels), scale)[0].permute(1, 2, 0).numpy()
    assert small.shape == (
        (2 * height + scale) // (2 * scale),
        (2 * width + scale) // (2 * scale),
        3,
    )
    expected = cv2.resize(pixels, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    # OpenCV rounds its weights; a value at .5 may go either way.
    assert np.abs(small.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(96, 80), (61, 47), (40, 33)])
def test_enlarging_is_pillow_bicubic(size):
    pixels = (
        noise(40, 33) // 2 + 64
    )  # Pillow clips after each direction, which does not matter here
    made = to_uint8(enlarge(to_float(batch(pixels)), *size))[0].permute(1, 2, 0).numpy()
    expected = np.array(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_eight_bits_survive_the_way_to_float_and_back():
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    assert torch.equal(to_uint8(to_float(levels)), levels)


def test_what_lies_beyond_is_clipped_not_wrapped():
    values = torch.tensor([-0.2, 0.0, 0.5, 1.0, 1.3])
    assert to_uint8(values).tolist() == [0, 0, 128, 255, 255]
