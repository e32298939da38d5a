"""The figure of an attack."""

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.laundering.figure import Comparison, attack_figure, log_spectrum, residual
from demagnify.laundering.journal import Region


def noise(height=48, width=48, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_figure_is_a_picture_with_a_row_for_each_face():
    one = images.decode(attack_figure([Comparison(noise(), noise(seed=1), "a.png", "PSNR 9 dB")]))
    faces = [Comparison(noise(width=width), noise(width=width, seed=1)) for width in (48, 64)]
    two = images.decode(attack_figure(faces))
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] > 1.5 * one.shape[0]


def test_the_difference_is_amplified_around_grey_and_does_not_wrap_around():
    original = np.full((8, 8, 3), 100, dtype=np.uint8)
    assert (residual(Comparison(original, original), 8) == 128).all()
    assert (residual(Comparison(original, original + 10), 8) == 208).all()
    assert (residual(Comparison(original, original - 10), 8) == 48).all()
    assert (residual(Comparison(original, original - 100), 8) == 0).all()


def test_the_spectrum_separates_coarse_from_fine():
    x = np.arange(64)
    for period, distance in ((32, 2), (4, 16)):
        wave = 128 + 100 * np.sin(2 * np.pi * x / period)
        pixels = np.broadcast_to(wave[None, :, None], (64, 64, 3)).astype(np.uint8)
        row, column = np.unravel_index(log_spectrum(pixels).argmax(), (64, 64))
        assert row == 32
        assert abs(abs(int(column) - 32) - distance) <= 1


def test_spectra_are_of_the_attacked_part():
    original, attacked = noise(), noise(seed=1)
    first, second = Comparison(original, attacked, face=Region(8, 4, 20, 30)).inner()
    assert np.array_equal(first, original[4:34, 8:28])
    assert np.array_equal(second, attacked[4:34, 8:28])


def test_pairs_that_do_not_belong_together_are_refused():
    with pytest.raises(ImageContractError, match="beside"):
        attack_figure([Comparison(noise(), noise(width=40))])
    with pytest.raises(ImageContractError, match="no face"):
        attack_figure([])
