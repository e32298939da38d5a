"""Logit tables that worker processes fill: row for row those of one process."""

import os
import signal

import numpy as np
import pytest
import torch

from demagnify import detectors
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadImageError
from demagnify.data.dataset import FaceDataset
from demagnify.evaluation.table_units import fill_table
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

DRIVER = "DEMAGNIFY_TEST_DRIVER"


class Mean(torch.nn.Module):
    """One number per image; a worker dies over a bright face once, and fails over a white one."""

    def __init__(self, home):
        super().__init__()
        self.home = home
        self.scale = torch.nn.Parameter(torch.tensor([0.1, 0.2, 0.3]))

    def forward(self, images):
        level = int(images.float().mean(dim=(1, 2, 3)).max())
        if level == 255:
            raise ValueError("too bright")
        if level > 200 and os.environ.get(DRIVER) != str(os.getpid()):
            flag = self.home / f"died-{level}"
            if not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return (images.float().mean(dim=(2, 3)) * self.scale).sum(1)


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv(DRIVER, str(os.getpid()))
    detector = detectors.wrap(Mean(tmp_path), name="mean")

    def make(bright=220):
        pixels = np.random.default_rng(0).integers(0, 200, (11, 3, 32, 32), dtype=np.uint8)
        pixels[4] = bright
        names = [f"{number}.png" for number in range(11)]
        faces = FaceDataset.from_arrays(pixels, np.arange(11) % 2, names=names)
        actions = TransformSet.create(["identity", "mask-center", "jpeg-75"])
        return LogitTable(faces, detector, actions, batch_size=2)

    return make


def test_units_give_the_rows_of_one_process_and_leave_nothing_else(table, tmp_path):
    alone, shared = table(), table()
    alone.fill(tmp_path / "alone.safetensors")
    shared.update(np.where(np.arange(33).reshape(11, 3) % 5, np.float32(np.nan), alone.logits))
    # Units are whole batches: of 3 faces, 4.
    fill_table(shared, tmp_path / "shared.safetensors", EngineOptions(workers=0, unit=3))
    assert np.array_equal(shared.logits, alone.logits)
    assert not (tmp_path / "shared.units").exists()
    again = table()
    fill_table(again, tmp_path / "shared.safetensors", EngineOptions(workers=0))
    assert (again.calls, np.array_equal(again.logits, alone.logits)) == (0, True)


@pytest.mark.slow
def test_a_worker_that_dies_loses_no_row(table, tmp_path):
    alone, shared = table(), table()
    alone.fill()
    options = EngineOptions(workers=2, unit=2)
    fill_table(shared, tmp_path / "shared.safetensors", options)
    assert (tmp_path / "died-220").exists()
    np.testing.assert_allclose(shared.logits, alone.logits, rtol=1e-5)


def test_no_face_is_left_out(table, tmp_path):
    options = EngineOptions(workers=0, unit=2)
    with pytest.raises(BadImageError, match=r"4\.png: left out: .*too bright"):
        fill_table(table(255), tmp_path / "bad.safetensors", options)
