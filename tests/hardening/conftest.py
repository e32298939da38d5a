from collections.abc import Callable

import numpy as np
import pytest

from demagnify import detectors
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import Detector

SIZE = 32


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Detector]:
    def make(seed: int = 0) -> Detector:
        return detectors.create(
            "test_efficientnet", input_size=SIZE, device="cpu", precision="float32", seed=seed
        )

    return make


@pytest.fixture(scope="session")
def faces() -> Callable[..., FaceDataset]:
    """Fakes bear a fine grid, which filters wipe out, and a broad slope, which they leave."""

    def make(count: int, seed: int) -> FaceDataset:
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(count) % 2)
        pixels = rng.integers(90, 166, (count, 3, SIZE, SIZE))
        fine = np.where((np.arange(SIZE)[:, None] + np.arange(SIZE)) % 2, 40, -40)
        broad = np.linspace(-9, 9, SIZE)
        pixels[labels == 1] += (fine + broad).astype(np.int64)
        groups = [f"g{index // 2}" for index in range(count)]
        return FaceDataset.from_arrays(pixels.astype(np.uint8), labels, groups)

    return make
