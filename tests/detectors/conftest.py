from collections.abc import Callable

import numpy as np
import pytest

from demagnify import detectors
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import Detector

SIZE = 32
TINY = "test_efficientnet"


@pytest.fixture
def tiny() -> Callable[..., Detector]:
    """Makes the smallest network that timm has."""

    def make(seed: int = 0) -> Detector:
        return detectors.create(TINY, input_size=SIZE, device="cpu", precision="float32", seed=seed)

    return make


@pytest.fixture(scope="session")
def striped_faces() -> Callable[..., FaceDataset]:
    """Makes noise in which every fake bears faint stripes: easy to learn, not by colour alone."""

    def make(real: int, fake: int, seed: int) -> FaceDataset:
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat([0, 1], [real, fake]))
        pixels = rng.integers(60, 196, (real + fake, 3, SIZE, SIZE))
        pixels[labels == 1] += np.where(np.arange(SIZE) % 4 < 2, 30, -30)
        return FaceDataset.from_arrays(pixels.astype(np.uint8), labels)

    return make
