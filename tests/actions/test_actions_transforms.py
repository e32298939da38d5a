"""What each corrective transformation does to pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from demagnify.actions import ACTIONS, ActionSet
from demagnify.actions.filters import DownUp, GaussianBlur, Median
from demagnify.actions.jpeg import Jpeg
from demagnify.actions.mask import MaskCenter
from demagnify.images import encode_jpeg, from_batch


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


def test_median_agrees_with_opencv():
    images = noise(2, 33, 47)
    expected = [cv2.medianBlur(np.ascontiguousarray(one), 3) for one in from_batch(images)]
    for got, wanted in zip(from_batch(Median()(images)), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_blur_agrees_with_opencv_to_one_grey_level():
    images = noise(2, 33, 47)
    for got, one in zip(from_batch(GaussianBlur()(images)), from_batch(images), strict=True):
        wanted = cv2.GaussianBlur(one, (5, 5), 1.0, borderType=cv2.BORDER_REFLECT_101)
        assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1


def test_down_up_keeps_smooth_images_and_flattens_noise():
    ramp = torch.arange(224, dtype=torch.uint8).expand(1, 3, 224, 224).contiguous()
    inner = (DownUp()(ramp).int() - ramp.int())[..., 4:-4].abs()
    assert int(inner.max()) <= 1
    images = noise()
    assert DownUp()(images).float().std() < 0.7 * images.float().std()


@pytest.mark.parametrize("size", [8, 9, 31])
def test_odd_sizes_keep_their_shape(size):
    images = noise(2, size, size)
    for name in ACTIONS:
        assert ACTIONS.get(name)()(images).shape == images.shape


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


def test_settings_show_in_what_tells_actions_apart():
    assert repr(Jpeg(quality=20)) != repr(Jpeg(quality=95))
    assert repr(ActionSet.create(["leave", "jpeg"])) == repr(ActionSet.create(["leave", "jpeg"]))
