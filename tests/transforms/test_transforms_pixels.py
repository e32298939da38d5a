"""The pixels of every transform without a network, against those of this version of the package.

The digests hold for the libraries and the kind of processor that they were recorded with. Others
may round otherwise; the references below and in test_transforms_corrections.py hold everywhere.
"""

import hashlib
from importlib.metadata import version

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from demagnify.transforms import ATTACKS, CORRECTIONS, DEGRADATIONS, TRANSFORMS, create, kernels
from demagnify.transforms.networks import PublishedNetwork

RECORDED_WITH = {"opencv": "5.0.0", "pillow": "13.0.0", "processor": "AVX512", "torch": "2.14.1"}


def is_network(name):
    return name in TRANSFORMS and isinstance(TRANSFORMS.get(name), PublishedNetwork)


MORE = (
    "bicubic-x1.5",
    "bicubic-x2@fit-224",
    "bicubic-x2@up-then-down",
    "jpeg-85-444",
    "mask-center-0.5",
)
SPECS = sorted({*(n for n in ATTACKS if not is_network(n)), *CORRECTIONS, *DEGRADATIONS, *MORE})


def faces():
    """Three synthetic images, 72x56: integer arithmetic alone, the same on every machine."""
    count, height, width = 3, 72, 56
    n, c, y, x = np.ogrid[:count, :3, :height, :width]
    slopes = (3 * x + 2 * y + 40 * c + 25 * n) % 256
    rings = ((x - 28) ** 2 + (y - 30 - 4 * n) ** 2 < 300) * 60
    grain = ((x * 7919 + y * 104729 + c * 1299709 + n * 15485863) * 2654435761 >> 16) % 23
    stripes = ((x // 3 + y // 5) % 2) * 18
    return torch.from_numpy((slopes // 2 + rings + grain + stripes).astype(np.uint8))


PINNED = {
    "back-projected": "5abb08a62176fe7b",
    "bicubic-x1.5": "42fde1029b28c084",
    "bicubic-x2": "c1daad740fd98613",
    "bicubic-x2@fit-224": "f6e763fb47400dda",
    "bicubic-x2@up-then-down": "591c3b5679e61f4b",
    "bicubic-x3": "aa03a2cfb5e0fdbf",
    "bicubic-x4": "49b750bda45ffb4b",
    "bilateral": "743f0d673e575457",
    "bits": "99d459bc1abda141",
    "bits-3": "99bb6a6ce09a0934",
    "bits-4": "4751280e6b1e25b9",
    "blurred": "530e7f6a6aff9f1e",
    "compounded": "41c05340b013f0bb",
    "compressed": "f5e538ad0c8219d2",
    "crisp": "127830bea8c2a8a9",
    "down-up": "56fd72927da1851d",
    "down-up+jpeg-75": "80cd0c1df0946368",
    "down-up-3": "e29b951be12e85f5",
    "down-up-4": "0720300e137d1b3f",
    "filters": "4131e869abcce02e",
    "flip": "b3ea7535797b8acf",
    "gaussian-blur": "cecea91d01e8f0c8",
    "gaussian-blur-0.5": "fc538fdaeeccece5",
    "gaussian-blur-2": "e7b14a5645c7217e",
    "grey": "3fef2e8600220bb6",
    "identity": "cadf503fab6f32cf",
    "jpeg-30": "7abd9249233b45e5",
    "jpeg-50": "b186612ff2f8035f",
    "jpeg-75": "aae368416033505b",
    "jpeg-85-444": "25e2a371fd0e2941",
    "jpeg-90": "6a7748f83259f500",
    "low-pass": "5cf7522f7e4ab04d",
    "low-pass-0.25": "649523812ae23bc1",
    "mask-center": "1652ee1063e42b5f",
    "mask-center-0.5": "0a33e668ec14f7bc",
    "mask-eyes": "14b34dc5e1e44e01",
    "mask-mouth": "63b5f267236d8586",
    "mask-nose": "aa3ab795977935ed",
    "median": "d807cd5537176411",
    "median+unsharp": "90c6589cd5eae099",
    "median-5": "6d1d956c2a9fb860",
    "native-down-up": "ee4115abce796c8b",
    "native-down-up-2": "447d807a0e5fdb3b",
    "native-down-up-3": "a6b4a4867f9b2950",
    "noise": "99524d102789d2ca",
    "noise-2": "e37aaf3c7522029d",
    "noisy": "72266951889762dd",
    "painted": "f4446902756ecde7",
    "randomly-convolved": "41598f29e9696e17",
    "resampled": "441aec532514121f",
    "residual": "cdd6a04318262578",
    "sharpened": "b86f5cedecc7e5ba",
    "shocked": "42361e60f668d13c",
    "textured": "ff1accd53a867701",
    "unsharp": "fe78b28d40f90232",
    "unsharp-2": "e95b30075f9eba46",
    "zoom": "9003d9c70a95bd89",
    "zoom-1.5": "2080ca32cad8b284",
}


@pytest.mark.parametrize("spec", SPECS)
def test_pixels_are_those_that_were_recorded(spec):
    found = {
        "opencv": cv2.__version__,
        "pillow": version("pillow"),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "torch": version("torch").partition("+")[0],
    }
    if found != RECORDED_WITH:
        pytest.skip(f"recorded with {RECORDED_WITH}, not {found}")
    digest = hashlib.sha256(create(spec)(faces()).numpy().tobytes()).hexdigest()[:16]
    assert digest == PINNED[spec]


def numpy_area(image, factor):
    channels, height, width = image.shape
    blocks = image.reshape(channels, height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(2, 4))


@pytest.mark.parametrize("factor", [2, 4])
def test_shrinking_is_the_mean_of_whole_blocks(factor):
    small = kernels.shrink(faces(), factor).numpy()
    wanted = np.stack([numpy_area(image, factor) for image in faces().numpy().astype(np.float64)])
    assert np.abs(small - wanted).max() <= 0.51


def test_bicubic_is_numpys_area_and_pillows_bicubic():
    attacked = create("bicubic-x2")(faces()).numpy()
    for image, got in zip(faces().numpy(), attacked, strict=True):
        small = np.rint(numpy_area(image.astype(np.float64), 2)).astype(np.uint8)
        size = image.shape[2], image.shape[1]
        large = [Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in small]
        difference = np.abs(np.stack([np.asarray(one) for one in large]).astype(int) - got)
        assert difference.max() <= 3  # Pillow rounds between rows and columns
        assert difference.mean() < 0.3


def test_levels_masks_and_mirrors_are_plain_arithmetic():
    images, numpy = faces(), faces().numpy()
    levels = np.rint(np.rint(numpy * np.float32(7 / 255)) * np.float32(255 / 7))
    assert np.array_equal(create("bits-3")(images), levels)
    assert np.array_equal(create("flip")(images), numpy[..., ::-1])
    masked = numpy.copy()
    masked[:, :, 22:50, 14:42] = 0
    assert np.array_equal(create("mask-center-0.5")(images), masked)
