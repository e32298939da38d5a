"""Cutting faces out of photographs and putting them back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.data import face_finding as faces


def photo(height=90, width=120, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def face(x, y, width, height):
    return faces.Face((x, y, width, height), np.zeros((5, 2), dtype=np.float32), 0.9)


FACES = st.builds(face, *[st.floats(-60, 130)] * 2, *[st.floats(0.5, 200)] * 2)


def test_the_square_is_centred_and_has_its_margin():
    assert faces.square(face(40, 30, 20, 30), (90, 120), margin=0.1) == (32, 27, 36)
    assert faces.square(face(40, 30, 20, 30), (90, 120), margin=0.0) == (35, 30, 30)


def test_the_square_moves_inwards_at_the_border():
    assert faces.square(face(-5, 70, 20, 20), (90, 120), margin=0.1) == (0, 66, 24)


@settings(max_examples=200, deadline=None)
@given(FACES, st.floats(0, 2), st.integers(1, 150), st.integers(1, 150))
def test_the_square_never_leaves_the_photograph(found, margin, height, width):
    x, y, side = faces.square(found, (height, width), margin=margin)
    assert side >= 1
    assert 0 <= x <= x + side <= width
    assert 0 <= y <= y + side <= height


def test_a_crop_is_a_copy_of_the_photographs_own_pixels():
    pixels = photo()
    crop = faces.crop(pixels, face(40, 30, 20, 30))
    assert np.array_equal(crop, pixels[27:63, 32:68])
    crop[:] = 0
    assert pixels[27:63, 32:68].any()


def test_a_crop_has_the_size_asked_for():
    assert faces.crop(photo(), face(40, 30, 20, 30), size=64).shape == (64, 64, 3)


@settings(max_examples=50, deadline=None)
@given(FACES, st.integers(0, 30))
def test_a_crop_pasted_back_unchanged_changes_nothing(found, feather):
    pixels = photo()
    place = faces.square(found, pixels.shape)
    again = faces.paste(pixels, faces.crop(pixels, found), place, feather=feather)
    assert np.array_equal(again, pixels)


def test_paste_changes_the_square_and_nothing_else():
    pixels = photo()
    black = np.zeros((64, 64, 3), dtype=np.uint8)
    pasted = faces.paste(pixels, black, faces.Square(10, 20, 30))
    assert not pasted[20:50, 10:40].any()
    pasted[20:50, 10:40] = pixels[20:50, 10:40]
    assert np.array_equal(pasted, pixels)


def test_feathering_fades_inwards_but_not_at_the_border_of_the_photograph():
    white = np.full((40, 40, 3), 255, dtype=np.uint8)
    black = np.zeros((20, 20, 3), dtype=np.uint8)
    row = faces.paste(white, black, faces.Square(0, 10, 20), feather=4)[20, :, 0]
    assert (row[:16] == 0).all()
    assert (np.diff(row[15:21].astype(int)) > 0).all()
    assert (row[20:] == 255).all()


@pytest.mark.parametrize("place", [(-1, 0, 8), (0, -1, 8), (113, 0, 8), (0, 83, 8), (0, 0, 0)])
def test_a_place_outside_the_photograph_is_refused(place):
    with pytest.raises(ImageContractError, match=r"not inside a photograph of 120x90|no pixels"):
        faces.paste(photo(), photo(8, 8), faces.Square(*place))


@pytest.mark.parametrize("feather", [0, 3])
def test_patches_of_any_shape_are_put_in_place(feather):
    pixels = photo()
    before = pixels.copy()
    patch = np.zeros((20, 50, 3), dtype=np.uint8)
    faces.put(pixels, patch, 60, 70, feather=feather)
    assert not pixels[76:90, 66:104].any()
    pixels[70:90, 60:110] = before[70:90, 60:110]
    assert np.array_equal(pixels, before)


def test_the_square_around_a_box_is_that_of_a_face():
    box = (40.0, 30.0, 20.0, 30.0)
    assert faces.square_around(box, (90, 120)) == faces.square(face(*box), (90, 120))


def test_wrong_margins_feathers_and_crops_are_refused():
    with pytest.raises(BadConfigError, match="margin"):
        faces.crop(photo(), face(1, 1, 9, 9), margin=-0.1)
    with pytest.raises(BadConfigError, match="feather"):
        faces.paste(photo(), photo(8, 8), faces.Square(0, 0, 8), feather=-1)
    with pytest.raises(ImageContractError, match="square"):
        faces.paste(photo(), photo(8, 9), faces.Square(0, 0, 8))
    with pytest.raises(ImageContractError, match="float64"):
        faces.crop(photo().astype(float), face(1, 1, 9, 9))
    with pytest.raises(BadConfigError, match="between 0 and 1"):
        faces.FaceFinder(score_threshold=1.5)
