"""The published networks give what they give in their original runtimes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from demagnify.core import images
from demagnify.laundering.quality import quality
from demagnify.transforms import TRANSFORMS, create
from demagnify.transforms.networks import PublishedNetwork
from demagnify.transforms.resampling import enlarge, to_float, to_uint8

DATA = Path(__file__).parent / "data"
NAMES = [name for name in TRANSFORMS if isinstance(TRANSFORMS.get(name), PublishedNetwork)]


def _script():
    spec = importlib.util.spec_from_file_location("make_references", DATA / "make_references.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _reference(name):
    for path in DATA.glob("reference_*.npz"):
        with np.load(path) as file:
            if name in file:
                return file[name]
    raise AssertionError(f"no reference for {name}")


@pytest.mark.assets
@pytest.mark.parametrize("name", NAMES)
def test_the_network_matches_its_original_runtime(name, asset):
    asset(TRANSFORMS.get(name).asset)
    script = _script()
    network = create(name, device="cpu").network
    with torch.inference_mode():
        output = network(torch.from_numpy(script.example())[None])
    np.testing.assert_allclose(script.sample(output[0].numpy()), _reference(name), atol=2e-5)


# What each gains over bicubic enlargement on faces, in dB; generative networks invent detail and
# lose. Measured: SRResNet 2.1, SRGAN 0.6, DAT-light 2.4 to 2.7, EDSR-LIIF 2.5 to 2.9, SRMD 1.5 to
# 2.0, waifu2x 2.0, RRDB -2.5, compact -2.3 to -0.7.
GAINS = {
    "srresnet": 1.5,
    "srgan": 0.0,
    "dat": 1.9,
    "edsr-liif": 1.7,
    "srmd": 1.0,
    "waifu2x": 1.4,
    "realesrgan": -3.5,
    "realesr-compact": -4.0,
}


@pytest.fixture(scope="module")
def faces(asset):
    """Three centred faces, uint8 (3, 3, 120, 120)."""
    files = sorted(asset("celeba-999").iterdir())[::333]
    return images.to_batch([images.load(file)[61:181, 29:149] for file in files])


@pytest.mark.assets
@pytest.mark.parametrize("name", NAMES)
def test_the_network_rebuilds_faces_as_well_as_published(name, asset, faces):
    asset(TRANSFORMS.get(name).asset)
    network = create(name, device="cpu").network
    side = 120 // network.scale
    small = to_float(to_uint8(enlarge(to_float(faces), side, side)))
    with torch.inference_mode():
        rebuilt = to_uint8(network(small))
    psnr, _ = quality(faces, rebuilt)
    bicubic, _ = quality(faces, to_uint8(enlarge(small, 120, 120)))
    floor = next(gain for family, gain in GAINS.items() if name.startswith(family))
    assert (psnr - bicubic).mean() > floor
