"""The image contract: what is a batch, a photograph, and what becomes of them on the way."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demagnify.core import images
from demagnify.core.errors import BadImageError, DemagnifyWarning, ImageContractError

PHOTOS = st.tuples(st.integers(8, 40), st.integers(8, 40)).flatmap(
    lambda size: arrays(np.uint8, (*size, 3))
)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (0, 3, 8, 8), (5, 3, 20, 9)])
def test_a_batch_passes_as_it_is(shape):
    batch = torch.zeros(shape, dtype=torch.uint8)
    assert images.check_batch(batch) is batch


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((1, 3, 8, 8), dtype=np.uint8), "is a ndarray"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "four axes"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), "channels come first"),
        (torch.zeros(2, 4, 8, 8, dtype=torch.uint8), "RGB second"),
        (torch.zeros(2, 3, 8, 8), "whole numbers 0-255"),
    ],
)
def test_what_is_no_batch_is_told_why(wrong, message):
    with pytest.raises(ImageContractError, match=message):
        images.check_batch(wrong)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (3, 8, 8), (1, 8, 8, 3)])
def test_what_is_no_photograph_is_told_why(shape):
    with pytest.raises(ImageContractError, match="H, W, 3"):
        images.check_pixels(np.zeros(shape, dtype=np.uint8))
    with pytest.raises(ImageContractError, match="float32"):
        images.check_pixels(np.zeros((8, 8, 3), dtype=np.float32))


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(9), st.just(11), st.just(3))))
def test_batch_and_photographs_are_each_others_inverse(pixels):
    batch = images.to_batch(list(pixels))
    assert images.check_batch(batch).shape == (len(pixels), 3, 9, 11)
    assert np.array_equal(np.stack(images.from_batch(batch)), pixels)
    assert batch[0, 1, 2, 3] == pixels[0, 2, 3, 1]


def test_a_batch_has_images_of_one_size():
    small, large = np.zeros((8, 8, 3), dtype=np.uint8), np.zeros((9, 8, 3), dtype=np.uint8)
    with pytest.raises(ImageContractError, match="one image size"):
        images.to_batch([small, large])
    with pytest.raises(ImageContractError, match="no image"):
        images.to_batch([])


@settings(max_examples=40, deadline=None)
@given(PHOTOS)
def test_png_keeps_every_bit(tmp_path_factory, pixels):
    path = tmp_path_factory.mktemp("png") / "a.png"
    images.save_png(path, pixels)
    assert np.array_equal(images.load(path), pixels)


@settings(max_examples=40, deadline=None)
@given(PHOTOS, st.integers(1, 95))
def test_jpeg_keeps_the_size_and_is_repeatable(pixels, quality):
    data = images.encode_jpeg(pixels, quality=quality)
    assert data == images.encode_jpeg(pixels, quality=quality)
    assert images.decode(data).shape == pixels.shape


def test_jpeg_quality_is_a_trade():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    good, bad = (images.encode_jpeg(pixels, quality=q) for q in (95, 20))
    assert len(good) > len(bad)
    errors = [np.abs(images.decode(data) - pixels.astype(float)).mean() for data in (good, bad)]
    assert errors[0] < errors[1]


@settings(max_examples=30, deadline=None)
@given(PHOTOS, st.integers(8, 50))
def test_fit_gives_the_size_within_the_range_of_a_flat_image(pixels, size):
    assert images.fit(pixels, size).shape == (size, size, 3)
    flat = np.full_like(pixels, pixels[0, 0])
    assert (images.fit(flat, size) == pixels[0, 0]).all()


def test_fit_leaves_the_right_size_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert images.fit(pixels, 32) is pixels


def test_fit_shrinks_without_aliases():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = images.fit(stripes, 16)[4:-4, 4:-4].astype(int)
    assert np.abs(inner - 127).max() < 12


def test_image_files_are_listed_in_order_and_hidden_ones_left_out(tmp_path):
    names = ["b.PNG", "a.jpg", "deep/er/c.webp", ".d.png", ".cache/e.png", "f.txt", "g.png/h.tif"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in images.list_files(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "deep/er/c.webp", "g.png/h.tif"]


def test_files_below_a_hidden_folder_of_the_users_choice_are_listed(tmp_path):
    (tmp_path / ".mine").mkdir()
    (tmp_path / ".mine" / "a.png").touch()
    assert len(images.list_files(tmp_path / ".mine")) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadImageError, match="none: there is no such folder"):
        images.list_files(tmp_path / "none")


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refused)
    with pytest.raises(BadImageError, match="cannot be read: Permission denied"):
        images.list_files(tmp_path)


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder in which `deep/locked` cannot be listed; root, who may run tests, can read all."""
    for name in ("a.png", "deep/b.png", "deep/locked/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scan = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return tmp_path


def test_an_unreadable_folder_deeper_down_is_told(locked):
    told = []
    found = images.list_files(locked, on_skip=lambda *what: told.append(what))
    assert [path.name for path in found] == ["a.png", "b.png"]
    assert told == [(locked / "deep/locked", "cannot be read: Permission denied")]


def test_without_a_listener_it_is_a_warning(locked):
    with pytest.warns(DemagnifyWarning, match="locked: cannot be read: Permission denied"):
        assert len(images.list_files(locked)) == 2


def test_a_file_that_cannot_be_looked_at_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()

    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "is_file", refused)
    told = []
    assert images.list_files(tmp_path, on_skip=lambda *what: told.append(what)) == []
    assert told == [(tmp_path / "a.png", "cannot be read: Permission denied")]
