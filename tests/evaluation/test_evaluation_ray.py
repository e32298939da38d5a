"""Crops and logit tables made on Ray; `tests/core/test_engine.py` kills its workers."""

import os
import sys

import numpy as np
import pytest

from demagnify import detectors
from demagnify.core.engine import EngineOptions
from demagnify.data import FaceDataset, Manifest
from demagnify.data.prepare import prepare
from demagnify.evaluation.table_units import fill_table
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from field_sets import open_forensics

OPTIONS = EngineOptions(engine="ray", workers=2, unit=4)


@pytest.fixture
def ray(monkeypatch):
    """One cluster for all that a test does."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: the extra ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def content(folder):
    names = [path.relative_to(folder) for kind in ("*.png", "*.csv") for path in folder.rglob(kind)]
    return {name: (folder / name).read_bytes() for name in names if name.parts[0] != ".units"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_crops_and_tables_of_ray_are_those_of_one_process(ray, tmp_path):
    manifest = Manifest.load(open_forensics(tmp_path / "OpenForensics"))
    prepare(manifest, tmp_path / "alone")
    made = prepare(manifest, tmp_path / "ray", options=OPTIONS).manifest
    assert content(tmp_path / "ray") == content(tmp_path / "alone")
    assert len(content(tmp_path / "ray")) == len(made) + 2
    faces = FaceDataset.open(made, size=32)
    detector = detectors.create("test_resnet", input_size=32, device="cpu", precision="float32")
    actions = TransformSet.create(["identity", "jpeg-75"])
    alone, shared = (LogitTable(faces, detector, actions, batch_size=4) for _ in range(2))
    alone.fill()
    fill_table(shared, tmp_path / "table.safetensors", OPTIONS)
    np.testing.assert_allclose(shared.logits, alone.logits, atol=1e-4)
    assert ray.is_initialized()  # a cluster of the caller stays
