"""What each corrective transformation does to pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from torchvision.transforms.v2.functional import gaussian_blur

from demagnify.core.images import encode_jpeg, from_batch
from demagnify.transforms import CORRECTIONS, TRANSFORMS, TransformSet, create, kernels
from demagnify.transforms.blur import Bilateral, GaussianBlur, LowPass, Median
from demagnify.transforms.color import Bits, Grey
from demagnify.transforms.geometry import Flip, Zoom
from demagnify.transforms.jpeg import Jpeg
from demagnify.transforms.mask import MaskCenter, MaskRegion
from demagnify.transforms.noise import Noise
from demagnify.transforms.resize import DownUp
from demagnify.transforms.sharpen import Residual, Unsharp


def noise(count=2, height=224, width=224):
    random = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (count, 3, height, width), generator=random, dtype=torch.uint8)


def test_mask_is_the_papers_square_in_rows_and_columns():
    images = noise()
    masked = MaskCenter()(images)
    assert (masked[:, :, 80:144, 80:144] == 0).all()
    outside = torch.ones(224, 224, dtype=torch.bool)
    outside[80:144, 80:144] = False
    assert torch.equal(masked[:, :, outside], images[:, :, outside])
    assert int((masked == 0).sum()) == 2 * 3 * 64 * 64


@pytest.mark.parametrize(("size", "side"), [(224, 64), (112, 32), (448, 128), (256, 73), (8, 2)])
def test_mask_covers_the_same_share_at_every_size(size, side):
    masked = MaskCenter()(noise(1, size, size))
    assert int((masked[0, 0] == 0).sum()) == side * side


def test_mask_is_centred_on_images_that_are_not_square():
    masked = MaskCenter()(noise(1, 224, 300))
    rows, columns = torch.nonzero(masked[0, 0] == 0, as_tuple=True)
    assert (rows.min(), rows.max()) == (80, 143)
    assert (columns.min(), columns.max()) == (118, 181)


@pytest.mark.parametrize("side", [3, 5])
def test_median_is_scipys(side):
    images = noise(2, 33, 47)
    wanted = median_filter(images.numpy(), size=(1, 1, side, side), mode="nearest")
    np.testing.assert_array_equal(Median(side=side)(images), wanted)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_is_torchvisions_to_one_grey_level(sigma):
    images = noise(6, 33, 47)
    side = {0.5: 3, 1.0: 5, 2.0: 9}[sigma]
    wanted = gaussian_blur(images, [side, side], [sigma, sigma])
    assert (GaussianBlur(sigma=sigma)(images).int() - wanted.int()).abs().max() <= 1


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (5, 5)])
def test_kernels_for_other_devices_agree_with_those_of_the_cpu(size, monkeypatch):
    images = noise(2, *size)
    small = kernels.shrink(images, 2.0)

    def everything():
        sigmas = [one for one in (0.5, 1.0, 2.0) if np.ceil(2 * one) < min(size)]
        return [
            *(kernels.gaussian(images, sigma) for sigma in sigmas),
            *(kernels.shrink(images, scale) for scale in (2.0, 3.0, 4.0)),
            kernels.enlarge(small, *size),
        ]

    medians, others = [kernels.median(images, side) for side in (3, 5)], everything()
    monkeypatch.setattr(kernels, "opencv_fits", lambda _: False)
    assert all(
        torch.equal(kernels.median(images, s), m) for s, m in zip((3, 5), medians, strict=True)
    )
    for one, other in zip(everything(), others, strict=True):
        assert one.shape == other.shape
        assert (one.int() - other.int()).abs().max() <= 1


def test_bilateral_smooths_within_edges_and_keeps_them():
    images = torch.full((1, 3, 32, 32), 40, dtype=torch.uint8)
    images[..., 16:] = 200
    grain = torch.randint(-5, 6, images.shape, generator=torch.Generator().manual_seed(0))
    noisy = (images.int() + grain).to(torch.uint8)
    smooth = Bilateral()(noisy).float()
    assert smooth[..., :14].std() < 0.5 * noisy[..., :14].float().std()
    assert (smooth[..., 16] - smooth[..., 15]).min() > 140


def test_bits_leaves_evenly_spread_levels():
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for depth in range(1, 8):
        levels = torch.unique(Bits(depth=depth)(ramp))
        assert len(levels) == 2**depth
        assert (levels[0], levels[-1]) == (0, 255)
        assert (Bits(depth=depth)(ramp).int() - ramp.int()).abs().max() <= 127 / (2**depth - 1) + 1


def test_grey_is_luma_in_all_channels():
    images = noise(1, 16, 16)
    grey = Grey()(images)
    assert torch.equal(grey[:, 0], grey[:, 2])
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert ((images * weights).sum(1) - grey[:, 1]).abs().max() <= 1.01


def test_zoom_shows_the_centre_larger():
    images = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    images[..., 15:25, 15:25] = 255
    assert abs(int((Zoom(factor=2.0)(images)[0, 0] > 127).sum()) - 400) <= 40


def test_flip_twice_is_the_image():
    images = noise(2, 9, 8)
    assert torch.equal(Flip()(images)[..., 0], images[..., -1])
    assert torch.equal(Flip()(Flip()(images)), images)


def test_noise_has_the_announced_spread_and_no_colour_cast():
    grey = torch.full((1, 3, 224, 224), 128, dtype=torch.uint8)
    added = Noise(sigma=4.0)(grey).float() - 128
    assert added.std() == pytest.approx(4.0, rel=0.03)
    assert added.mean((0, 2, 3)).abs().max() < 0.1
    assert torch.equal(Noise()(noise(3, 16, 16))[1:2], Noise()(noise(3, 16, 16)[1:2]))


def test_unsharp_steepens_edges_and_leaves_flat_areas():
    images = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    images[..., 16:] = 150
    sharp = Unsharp(amount=1.0)(images).int()
    assert sharp[..., 15].max() < 100
    assert sharp[..., 16].min() > 150
    assert (sharp[..., :8] == 100).all()


def test_low_pass_takes_high_frequencies_only():
    wave = torch.arange(64).float()
    slow, fast = (torch.sin(2 * torch.pi * wave * n / 64) for n in (4, 28))
    for signal, share in ((slow, 1.0), (fast, 0.0)):
        images = (128 + 60 * signal).round().to(torch.uint8).expand(1, 3, 64, 64).contiguous()
        left = LowPass(share=0.5)(images).float().std() / images.float().std()
        assert float(left) == pytest.approx(share, abs=0.05)


def test_residual_is_grey_where_nothing_happens():
    images = torch.full((1, 3, 16, 16), 77, dtype=torch.uint8)
    assert (Residual()(images) == 128).all()
    assert Residual(gain=8)(noise()).float().std() > Residual(gain=2)(noise()).float().std()


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name.startswith("mask-")])
@pytest.mark.parametrize("size", [(224, 224), (64, 96), (9, 9)])
def test_masks_change_nothing_outside_their_rectangle(name, size):
    mask, images = TRANSFORMS.get(name)(), noise(2, *size)
    hidden = (mask(images) == 0).all(dim=1)[0]
    rows, columns = (torch.nonzero(hidden.any(dim=axis)).flatten() for axis in (1, 0))
    inside = torch.zeros(size, dtype=torch.bool)
    inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    assert torch.equal(hidden, inside)
    assert torch.equal(mask(images)[:, :, ~inside], images[:, :, ~inside])
    if isinstance(mask, MaskRegion):
        top, bottom, left, right = mask.region
        height, width = size
        assert (rows[0], rows[-1] + 1) == (round(top * height), round(bottom * height))
        assert (columns[0], columns[-1] + 1) == (round(left * width), round(right * width))


def test_down_up_keeps_smooth_images_and_flattens_noise():
    ramp = torch.arange(224, dtype=torch.uint8).expand(1, 3, 224, 224).contiguous()
    inner = (DownUp()(ramp).int() - ramp.int())[..., 4:-4].abs()
    assert int(inner.max()) <= 1
    images = noise()
    assert DownUp()(images).float().std() < 0.7 * images.float().std()


@pytest.mark.parametrize("size", [8, 9, 31])
def test_odd_sizes_keep_their_shape(size):
    images = noise(2, size, size)
    for spec in CORRECTIONS:
        assert create(spec)(images).shape == images.shape


def test_jpeg_is_what_a_jpeg_file_holds():
    images = torch.nn.functional.interpolate(
        noise(2, 16, 16).float(), size=(64, 64), mode="bilinear"
    ).to(torch.uint8)
    got = Jpeg(quality=75)(images).int()
    for index, pixels in enumerate(from_batch(images)):
        file = np.frombuffer(encode_jpeg(pixels, quality=75), dtype=np.uint8)
        decoded = cv2.cvtColor(cv2.imdecode(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        wanted = torch.from_numpy(decoded).permute(2, 0, 1).int()
        assert (got[index] - wanted).abs().max() <= 2


def test_lower_quality_changes_more():
    images = noise()
    far = (Jpeg(quality=20)(images).float() - images.float()).abs().mean()
    near = (Jpeg(quality=95)(images).float() - images.float()).abs().mean()
    assert near < far


def test_settings_show_in_the_repr():
    assert repr(Jpeg(quality=20)) != repr(Jpeg(quality=95))
    assert repr(TransformSet.create(["identity", "jpeg"])) == repr(
        TransformSet.create(["identity", "jpeg"])
    )
