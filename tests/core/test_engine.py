"""Units of work: each input is in one shard, whatever dies; the same call goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from toy_task import Measure

from demagnify.core import engine
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadImageError, BadManifestError, BadOutputError

HERE = EngineOptions(workers=0, unit=3)


@pytest.fixture
def files(tmp_path):
    """Writes texts into files, and returns their paths."""

    def write(*texts):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (folder / f"{number:03d}.jpg").write_text(text)
        return [str(folder / f"{number:03d}.jpg") for number in range(len(texts))]

    return write


def rows(output):
    found = parquet.read_table(output / "shards").to_pylist()
    return sorted(found, key=lambda row: row["item"])


def skipped(output):
    with (output / "skipped.csv").open() as file:
        return [(Path(row["input"]).name, row["reason"]) for row in csv.DictReader(file)]


def test_each_input_has_its_rows_and_what_is_bad_is_listed(files, tmp_path):
    paths = files("a", "two 2", "empty", "fault", "abc", "d", "e")
    summary = engine.run(Measure(), paths, tmp_path / "out", HERE)
    assert (summary.items, summary.results, summary.skipped, summary.units) == (7, 6, 2, 3)
    found = rows(tmp_path / "out")
    assert [row["item"] for row in found] == [0, 1, 1, 2, 3, 4, 5, 6]
    assert [row["size"] for row in found] == [1, 5, 5, None, None, 3, 1, 1]
    assert [row["input"] for row in found if row["item"] != 1] == [paths[0], *paths[2:]]
    assert skipped(tmp_path / "out") == [
        ("002.jpg", "there is nothing"),
        ("003.jpg", "left out: ValueError: no such letter"),
    ]
    metrics = (tmp_path / "out/metrics.prom").read_text()
    assert 'demagnify_items_done{task="measure"} 7\n' in metrics
    assert 'demagnify_items_skipped{task="measure"} 2\n' in metrics


def test_what_is_done_is_not_done_again_and_what_is_damaged_is(files, tmp_path):
    paths, output = files(*"abcdefgh"), tmp_path / "out"
    engine.run(Measure(), paths, output, HERE)
    before = rows(output)
    shard = output / "shards/0000001.parquet"
    data = bytearray(shard.read_bytes())
    data[20] ^= 255
    shard.write_bytes(data)
    kept = output / "shards/0000000.parquet"
    times = kept.stat().st_mtime_ns
    summary = engine.run(Measure(), paths, output, HERE)
    assert (summary.found, summary.units, summary.items) == (2, 3, 8)
    assert rows(output) == before
    assert kept.stat().st_mtime_ns == times


def test_other_inputs_or_settings_are_refused(files, tmp_path):
    paths, output = files("a", "b"), tmp_path / "out"
    engine.run(Measure(), paths, output, HERE)
    with pytest.raises(BadOutputError, match="the inputs have changed"):
        engine.run(Measure(), paths[:1], output, HERE)
    with pytest.raises(BadOutputError, match="another factor"):
        engine.run(Measure(factor=2), paths, output, HERE)


def test_a_strict_run_ends_at_the_first_bad_input(files, tmp_path):
    with pytest.raises(BadImageError, match=r"001\.jpg: there is nothing"):
        engine.run(Measure(strict=True), files("a", "empty"), tmp_path / "out", HERE)


def test_a_fault_of_every_input_is_no_fault_of_an_input(files, tmp_path):
    with pytest.raises(ValueError, match="no such letter"):
        engine.run(Measure(), files("fault", "fault"), tmp_path / "out", HERE)


def test_processes_that_die_lose_nothing(files, tmp_path):
    paths = files("a", "b", "die", "c", "die once", "d", "2", "e", "f")
    output = tmp_path / "out"
    summary = engine.run(Measure(), paths, output, EngineOptions(workers=2, unit=3))
    assert (summary.items, summary.results, summary.lost) == (9, 9, 4)
    assert [row["item"] for row in rows(output)] == [0, 1, 2, 3, 4, 5, 6, 6, 7, 8]
    assert skipped(output) == [("002.jpg", "left out: 2 worker processes died over it")]
    assert len(set((output / "opened.txt").read_text().split())) == 6
    assert not list((output / "tries").iterdir())


DRIVER = """
import sys
from pathlib import Path
from toy_task import Measure
from demagnify.core import engine, progress
if __name__ == "__main__":
    progress._say = lambda *_: None  # on a busy machine it tells of anything that takes two seconds
    paths = sorted(map(str, Path(sys.argv[1]).glob("*.jpg")))
    engine.run(Measure(), paths, Path(sys.argv[2]), engine.EngineOptions(workers=1, unit=1))
"""


def test_a_driver_that_is_killed_goes_on(files, tmp_path):
    files(*["slow"] * 12)
    script, output = tmp_path / "driver.py", tmp_path / "out"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "in"), str(output)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while len(list(output.glob("shards/*.parquet"))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    assert first.communicate(timeout=60)[1] == ""  # of its workers, too
    done = {path: path.stat().st_mtime_ns for path in output.glob("shards/*.parquet")}
    assert 2 <= len(done) < 12
    paths = sorted(map(str, (tmp_path / "in").glob("*.jpg")))
    summary = engine.run(Measure(), paths, output, EngineOptions(workers=0, unit=1))
    assert summary.found >= len(done)
    assert [row["text"] for row in rows(output)] == ["slow"] * 12
    metrics = (output / "metrics.prom").read_text()
    for name in ("items", "items_done", "rows", "units"):
        assert f'demagnify_{name}{{task="measure"}} 12\n' in metrics
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())


@pytest.mark.skipif(sys.platform != "linux", reason="the system must end the workers")
def test_the_worker_of_a_killed_driver_does_not_finish_its_unit(files, tmp_path):
    files("for ever")
    script, output = tmp_path / "driver.py", tmp_path / "out"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "in"), str(output)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (output / "opened.txt").is_file() and time.monotonic() < until:
        time.sleep(0.02)
    assert (output / "opened.txt").is_file()
    driver.kill()
    assert driver.communicate(timeout=30)[1] == ""  # its worker holds the stream


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ray_loses_nothing_where_a_worker_is_killed(files, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: the extra ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    texts = ["a", "b 2", "empty", "die once", "c", "fault", "d", "e", "f"]
    summary = engine.run(
        Measure(), files(*texts), tmp_path / "ray", EngineOptions(engine="ray", workers=2, unit=2)
    )
    engine.run(Measure(), files(*texts), tmp_path / "here", HERE)
    assert (summary.items, summary.results, summary.skipped) == (9, 8, 2)
    assert rows(tmp_path / "ray") == rows(tmp_path / "here")
    assert skipped(tmp_path / "ray") == skipped(tmp_path / "here")
    assert len((tmp_path / "ray/opened.txt").read_text().split()) >= 3


def takes(name):
    return name.endswith(".mp4")


def listed(*sources, skips=None):
    on_skip = lambda name, why: (skips if skips is not None else []).append((name, why))  # noqa: E731
    return list(engine.list_inputs(map(str, sources), takes, on_skip))


def test_folders_name_images_and_what_is_wanted_beside_them(tmp_path):
    for name in ("b.jpg", "a/c.png", "clip.mp4", "notes.txt", "odd.bin"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    skips = []
    found = listed(tmp_path / "in", skips=skips)
    assert [Path(one).name for one in found] == ["b.jpg", "c.png", "clip.mp4"]
    assert [(Path(name).name, why) for name, why in skips] == [("odd.bin", "not an image (.bin)")]
    with pytest.raises(BadImageError, match="holds no photograph"):
        listed(_empty(tmp_path / "empty"))


def _empty(folder):
    folder.mkdir()
    return folder


def test_manifests_of_every_kind_name_the_same(tmp_path):
    names = ["a.jpg", "memory://store/b.jpg", "/c/d.jpg"]
    (tmp_path / "m.txt").write_text("\n".join(names) + "\n\n")
    (tmp_path / "m.csv").write_text("label,file_name\n" + "".join(f"0,{one}\n" for one in names))
    (tmp_path / "m.jsonl").write_text("".join(json.dumps({"uri": one}) + "\n" for one in names))
    parquet.write_table(pa.table({"path": names}), tmp_path / "m.parquet")
    expected = [str(tmp_path / "a.jpg"), *names[1:]]
    for suffix in ("txt", "csv", "jsonl", "parquet"):
        assert listed(tmp_path / f"m.{suffix}") == expected
    (tmp_path / "n.csv").write_text("label\n0\n")
    with pytest.raises(BadManifestError, match="no column is called uri"):
        listed(tmp_path / "n.csv")


def test_uris_are_read_through_fsspec(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe({"/engine/a.jpg": b"abc", "/engine/b/c.jpg": b"de", "/engine/odd.bin": b""})
    store.pipe("/engine/list.txt", b"a.jpg\nmissing.jpg\n")
    skips = []
    found = listed("memory://engine", skips=skips)
    assert found == ["memory:///engine/a.jpg", "memory:///engine/b/c.jpg"]
    assert [why for _, why in skips] == ["not an image (.bin)"]
    engine.run(Measure(), found, tmp_path / "out", HERE)
    assert [row["text"] for row in rows(tmp_path / "out")] == ["abc", "de"]
    named = listed("memory://engine/list.txt")
    engine.run(Measure(), named, tmp_path / "named", HERE)
    assert [row["size"] for row in rows(tmp_path / "named")] == [3, None]
    assert skipped(tmp_path / "named")[0][1].endswith("there is no such file")
    (tmp_path / "x.jpg").write_text("local")
    uri = (tmp_path / "x.jpg").as_uri()
    engine.run(Measure(), [uri], tmp_path / "file", HERE)
    assert rows(tmp_path / "file")[0]["text"] == "local"
