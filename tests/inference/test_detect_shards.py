"""Rows of `detect --output` are the verdicts of `detect`."""

import json

import numpy as np
import pytest
from pyarrow import parquet
from test_detect import CountingFinder, defended, photograph

from demagnify.core.engine import EngineOptions, Item
from demagnify.core.errors import BadArtifactError
from demagnify.inference import DetectionConfig, detect
from demagnify.inference.detect_shards import COLUMNS, DetectTask, _Detecting, detect_shards
from demagnify.inference.pipeline import Pipeline

SAME = ("verdict", "score", "logit", "action", "likelihood_ratio", "condition", "delivered")


@pytest.fixture
def paths(tmp_path):
    found = [photograph(tmp_path / f"{n}.png", n, count) for n, count in enumerate([2, 1, 0, 3])]
    (tmp_path / "broken.png").write_bytes(b"broken")
    return [*found, tmp_path / "broken.png"]


def test_rows_are_the_verdicts(paths):
    runtime, finder = defended(), CountingFinder()
    items = [Item(number, str(path)) for number, path in enumerate(paths)]
    work = _Detecting(Pipeline.load(DetectionConfig(), defense=runtime, finder=finder))
    found = work(items)
    for result, verdict in zip(found, detect(paths, defense=runtime, finder=finder), strict=True):
        assert result.problem == verdict.problem
        assert [row["face"] for row in result.rows] == list(range(1, len(verdict.faces) + 1))
        for row, face in zip(result.rows, verdict.faces, strict=True):
            told = face.to_json()
            assert {name: row[name] for name in SAME} == {name: told[name] for name in SAME}
            assert (row["x"], row["y"], row["width"], row["height"]) == face.box
            assert set(row) <= set(COLUMNS)


def test_a_uri_gives_the_rows_of_its_file(paths, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in paths:
        store.pipe(f"/detect/{path.name}", path.read_bytes())
    work = _Detecting(Pipeline.load(DetectionConfig(), defense=defended(), finder=CountingFinder()))
    local = [Item(number, str(path)) for number, path in enumerate(paths)]
    stored = [Item(number, f"memory://detect/{path.name}") for number, path in enumerate(paths)]
    assert work(stored) == work(local)


@pytest.mark.assets
def test_shards_hold_what_detect_says(asset, tmp_path):
    asset("yunet")
    photos = sorted(asset("celeba-999").glob("*.jpg"))[:3]
    config = DetectionConfig(device="cpu")
    summary = detect_shards(photos, tmp_path / "out", config, EngineOptions(workers=0, unit=2))
    assert (summary.items, summary.skipped, summary.units) == (3, 0, 2)
    rows = parquet.read_table(tmp_path / "out/shards").to_pylist()
    faces = [face.to_json() for photo in detect(photos, config) for face in photo.faces]
    assert len(rows) == len(faces) == summary.results
    for row, face in zip(rows, faces, strict=True):
        assert {name: row[name] for name in SAME[2:]} == {name: face[name] for name in SAME[2:]}
        assert json.loads(row["error_rates"] or "null") == face["error_rates"]
        assert np.isclose(row["score"], face["score"])


def test_a_defence_that_is_none_is_told_before_any_worker_starts(paths, tmp_path):
    with pytest.raises(BadArtifactError):
        detect_shards(paths, tmp_path / "out", DetectionConfig(defense=str(tmp_path / "none")))
    assert not (tmp_path / "out").exists()


@pytest.mark.assets
def test_a_task_depends_on_all_that_the_rows_depend_on(asset):
    asset("yunet")
    one = DetectTask(DetectionConfig(device="cpu")).identity()
    other = DetectTask(DetectionConfig(device="cpu", delivery_check=False)).identity()
    assert one != other
    assert one["calibration"]
    assert one == DetectTask(DetectionConfig(device="cpu", strict=True)).identity()
