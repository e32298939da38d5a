"""Whatever makes pixels keeps the image contract: uint8, RGB, the right shape."""

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.data.dataset import FaceDataset
from demagnify.data.face_finding import Face, Square, crop, paste
from demagnify.data.manifest import Manifest
from demagnify.data.sample.fakes import self_blend, swap_face

MARKS = np.array([[45.0, 60], [85, 60], [65, 83], [48, 101], [82, 101]])
FACE = Face((30.0, 30.0, 70.0, 90.0), MARKS.astype(np.float32), 0.9)


def photo(seed=0):
    smooth = np.random.default_rng(seed).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(smooth).resize((130, 160), Image.Resampling.BICUBIC)).copy()


def swap(blend):
    rng = np.random.default_rng(0)
    return swap_face(photo(), MARKS, photo(1), MARKS + 2, blend=blend, rng=rng)[0]


PRODUCERS = {
    "decode": (lambda: images.decode(images.encode_jpeg(photo(), quality=90)), (160, 130, 3)),
    "fit": (lambda: images.fit(photo(), 64), (64, 64, 3)),
    "from_batch": (lambda: images.from_batch(images.to_batch([photo()]))[0], (160, 130, 3)),
    "crop": (lambda: crop(photo(), FACE), (108, 108, 3)),
    "crop resized": (lambda: crop(photo(), FACE, size=64), (64, 64, 3)),
    "paste": (lambda: paste(photo(), photo()[:64, :64], Square(5, 6, 50)), (160, 130, 3)),
    "swap, feather": (lambda: swap("feather"), (160, 130, 3)),
    "swap, poisson": (lambda: swap("poisson"), (160, 130, 3)),
    "self-blend": (
        lambda: self_blend(photo(), MARKS, rng=np.random.default_rng(0))[0],
        (160, 130, 3),
    ),
}


@pytest.mark.parametrize(("produce", "shape"), PRODUCERS.values(), ids=PRODUCERS)
def test_pixels_keep_the_contract(produce, shape):
    pixels = images.check_pixels(produce())
    assert pixels.shape == shape
    assert pixels.std() > 5
    assert np.array_equal(pixels, produce())
    images.check_batch(images.to_batch([pixels]))


@pytest.mark.parametrize("suffix", sorted(images.SUFFIXES))
def test_each_suffix_that_is_listed_can_be_read(tmp_path, suffix):
    if suffix in (".heic", ".heif", ".hif"):
        pytest.importorskip("pillow_heif", reason="needs the extra heif").register_heif_opener()
    folder = tmp_path / "real"
    folder.mkdir()
    form = "JPEG" if suffix == ".jif" else None  # Pillow reads it, but does not know the suffix
    Image.fromarray(photo()).save(folder / f"a{suffix}", format=form)
    faces = FaceDataset.open(Manifest.load(tmp_path), size=64, strict=True)
    batch = images.check_batch(faces.batch([0]))
    expected = images.fit(photo(), 64).astype(int)
    assert np.abs(images.from_batch(batch)[0] - expected).mean() < 12
