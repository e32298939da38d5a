"""The size of a face before it was enlarged, and shrinking to a share of it."""

import pytest
import torch

from demagnify.core.images import fit, from_batch, to_batch
from demagnify.transforms import create, kernels
from demagnify.transforms.native_size import native_sides


def photo_like(side, count=8, seed=0):
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 9, 9, generator=random) * 200
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    grain = torch.randn(count, 3, side, side, generator=random) * 5
    return (smooth + grain + 25).clamp(0, 255).to(torch.uint8)


def enlarged(images, side):
    return to_batch([fit(pixels, side) for pixels in from_batch(images)])


@pytest.mark.parametrize(("small", "side"), [(128, 224), (150, 224), (72, 128)])
def test_enlarged_faces_show_their_native_size(small, side):
    sides = native_sides(enlarged(photo_like(small), side))
    assert ((sides - small).abs() <= 1).float().mean() >= 0.75


def test_faces_in_their_own_size_and_tiny_ones_stay():
    assert (native_sides(photo_like(224)) == 224).float().mean() >= 0.75
    assert native_sides(photo_like(32)).tolist() == [32] * 8
    assert native_sides(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).tolist() == [64]


def test_a_native_down_up_shrinks_to_a_share_of_the_native_size():
    images = enlarged(photo_like(128), 224)
    images = images[native_sides(images) == 128]
    expected = kernels.enlarge(kernels.shrink(images, 7.0), 224, 224)  # 32 pixels small
    assert torch.equal(create("native-down-up")(images), expected)
    own = photo_like(224)
    own = own[native_sides(own) == 224]
    assert torch.equal(create("native-down-up-2")(own), create("down-up-2")(own))
