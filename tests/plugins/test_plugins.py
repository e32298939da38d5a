"""A package outside of demagnify adds one of each kind, and the command line uses them."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import demagnify
from demagnify.core import images
from tiny_faces import write_faces

TOYS = Path(__file__).parent / "demagnify_toys"
SOURCE = str(Path(demagnify.__file__).parent.parent)


@pytest.fixture(scope="module", name="site")
def installed(tmp_path_factory):
    """A folder of packages with `demagnify_toys` in it."""
    site, copy = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "toys"
    shutil.copytree(TOYS, copy)
    if importlib.util.find_spec("setuptools") and importlib.util.find_spec("pip"):
        offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
        pip = [sys.executable, "-m", "pip", "install", *offline, "--target", site, copy]
        subprocess.run(pip, check=True, capture_output=True)
        return site
    shutil.copytree(copy / "src" / "demagnify_toys", site / "demagnify_toys")
    project = tomllib.loads((copy / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"demagnify_toys-{project['version']}.dist-info"
    info.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"]
    (info / "METADATA").write_text(lines[0], encoding="utf-8")
    groups = project["entry-points"].items()
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in groups
    )
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    return site


@pytest.fixture(name="run")
def command(site, tmp_path):
    """Runs demagnify in a process of its own, beside the plug-ins."""

    def run(*words, fails=False, skips=False):
        path = os.pathsep.join([str(site), SOURCE])
        cache = str(tmp_path / "cache")
        done = subprocess.run(
            [sys.executable, "-m", "demagnify", *map(str, words)],
            env={**os.environ, "PYTHONPATH": path, "DEMAGNIFY_CACHE": cache, "COLUMNS": "100"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = {1, 2} if fails else {3} if skips else {0}
        assert done.returncode in expected, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture(name="faces")
def crops(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    return write_faces(folder, counts={"train": 3, "val": 2, "test": 3})


def attacked(folder):
    return [images.load(path) for path in sorted(folder.rglob("*.png"))]


def test_a_transform_attacks(run, faces, tmp_path):
    run("attack", faces, tmp_path / "out", "--model", "toy-posterize-4", "--crops")
    pixels = np.stack(attacked(tmp_path / "out"))
    assert set(np.unique(pixels)) <= {0, 64, 128, 192}
    wrong = run("attack", faces, tmp_path / "no", "--model", "toy-posterise", "--crops", fails=True)
    assert "toy-posterize" in wrong


def test_a_reader_opens_its_files(run, faces, tmp_path):
    (tmp_path / "double.toysr").write_text("2\n", encoding="utf-8")
    run("attack", faces, tmp_path / "out", "--model", "double.toysr", "--crops")
    one = attacked(tmp_path / "out")[0].astype(int)
    assert (one[::2, ::2] == one[1::2, 1::2]).all()
    (tmp_path / "bad.toysr").write_text("two\n", encoding="utf-8")
    wrong = run("attack", faces, tmp_path / "no", "--model", "bad.toysr", "--crops", fails=True)
    assert "holds no scale" in wrong


def test_a_data_format_is_recognised(run, faces, tmp_path):
    lines = [f"val {one.parent.name} {one}" for one in sorted(faces.rglob("*.png"))]
    lines.append("a line without a label")
    (tmp_path / "mine.toylist").write_text("\n".join(lines) + "\n", encoding="utf-8")
    description = run("data", "describe", tmp_path / "mine.toylist", "--no-hash", skips=True)
    assert "16 images" in " ".join(description.split())  # a long path breaks the line
    wrong = run("data", "describe", faces, "--format", "toy-lists", fails=True)
    assert "toy-list" in wrong


def test_a_state_without_installation_has_settings_and_is_read_back(run, faces, tmp_path):
    (tmp_path / "mystates.py").write_text(
        "from dataclasses import dataclass\n"
        "from demagnify.agents.states import StateEncoder\n"
        "@dataclass(frozen=True)\n"
        "class Means(StateEncoder):\n"
        "    family = 'means'\n"
        "    parts: int = 1\n"
        "    def size(self, image_size):\n"
        "        return 3 * self.parts\n"
        "    def encode(self, images, output):\n"
        "        return images.float().mean(dim=(2, 3)).repeat(1, self.parts) / 255\n",
        encoding="utf-8",
    )
    out = tmp_path / "defense"
    run(
        *("train-defense", out, "--data", faces, "--detector", "toy:contrast", "--size", "64"),
        *("--preset", "full-information", "--device", "cpu", "--attack", "bicubic-x2"),
        *("--set", "defense.state=mystates:Means-2", "--set", "defense.actions=[identity, flip]"),
    )
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert "mystates:Means-2" in json.dumps(card)
    run(
        *("evaluate", tmp_path / "evaluation", "--data", faces, "--defense", out),
        *("--attack", "bicubic-x2", "--resamples", "20", "--device", "cpu"),
    )


def test_a_detector_is_evaluated(run, faces, tmp_path):
    out = tmp_path / "evaluation"
    run(
        *("evaluate", out, "--data", faces, "--defense", "toy:contrast"),
        *("--attack", "toy-posterize", "--resamples", "20", "--size", "64", "--device", "cpu"),
    )
    with (out / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 12
    wrong = run("evaluate", out, "--data", faces, "--defense", "toy:tint", fails=True)
    assert "toy:brightness" in wrong


def test_state_policy_learner_and_tracker_make_a_defense(run, faces, tmp_path):
    out = tmp_path / "defense"
    run(
        *("train-defense", out, "--data", faces, "--detector", "toy:brightness"),
        *("--attack", "toy-posterize", "--device", "cpu", "--set", "defense.state=toy-colors"),
        *("--set", "defense.learner.name=toy-linear", "--set", "defense.learner.ridge=0.2"),
        *("--set", "defense.actions=[identity, toy-posterize-4]", "--size", "64"),
    )
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["learner"]["ridge"] == 0.2
    assert {"toy-linear", "toy-colors"} <= set(json.dumps(card).replace('"', " ").split())
    evaluation = tmp_path / "evaluation"
    run(
        *("evaluate", evaluation, "--data", faces, "--defense", out, "--device", "cpu"),
        *("--attack", "toy-posterize", "--resamples", "20", "--tracker", "toy-lines:figures"),
    )
    (figures,) = (tmp_path / "figures").glob("evaluation-*.jsonl")
    rows = [json.loads(line)["figures"] for line in figures.read_text("utf-8").splitlines()]
    assert any(name.endswith("/auc") for row in rows for name in row)
    scores = tmp_path / "mine.toyscores"
    run("scores", "export", evaluation, scores, "--format", "toy-text")
    measured = json.loads(run("scores", "measure", scores, "--resamples", "20", "--json"))
    told = json.loads(run("scores", "measure", evaluation, "--resamples", "20", "--json"))
    values = [
        {name: one["value"] for name, one in x["metrics"].items()} for x in (*measured, *told)
    ]
    assert len(measured) == len(told)
    assert values[: len(told)] == values[len(told) :]
