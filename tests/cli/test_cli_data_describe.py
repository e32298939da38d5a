"""`demagnify data describe`, as it is typed."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from demagnify.cli.app import app
from demagnify.core import images


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    for name in ("train/real/a", "train/fake/b", "test/fake/[c]"):
        images.save_png(tmp_path / f"set/{name}.png", pixels if "b" not in name else pixels[::-1])
    return tmp_path / "set"


def run(*arguments):
    return CliRunner().invoke(app, ["data", "describe", *map(str, arguments)])


def test_a_data_set_is_described(source, tmp_path):
    done = run(source, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "1 image of test and 1 of train are the same pixel by pixel" in done.output
    assert done.output.count("are near duplicates (perceptual hashes differ in at most 2") == 1
    assert "test/fake/[c].png" in done.output
    assert "both labels" in done.output
    written = json.loads((tmp_path / "out" / "description.json").read_text())
    assert written["images"] == 3
    assert (tmp_path / "out" / "description.png").is_file()


def test_the_description_comes_as_json(source):
    done = run(source, "--json", "--no-hash")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["hashed"] == 0


def test_skipped_files_are_listed_and_told_by_the_exit_code(source):
    (source / "train/real/a.png").write_bytes(b"no image")
    done = run(source)
    assert done.exit_code == 3
    assert "skipped train/real/a.png: " in done.output


def test_settings_go_to_the_format(source):
    (source / "metadata.csv").write_text("file_name,label\nnone.png,real\n")
    done = run(source, "--set", "check_files=no", "--no-hash", "--json")
    assert json.loads(done.stdout)["left_out"][0]["reason"] == "there is no such file"
    assert "KEY=VALUE" in str(run(source, "--set", "check_files").exception)
