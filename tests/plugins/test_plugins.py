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


SESSION = """
import json, os, sys
from demagnify.cli import main
answers = os.fdopen(os.dup(1), "w", buffering=1)
for line in sys.stdin:
    folder, *words = json.loads(line)
    os.chdir(folder)
    os.environ["DEMAGNIFY_CACHE"] = os.path.join(folder, "cache")
    for place, name in ((1, "out.txt"), (2, "err.txt")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, place)
        os.close(file)
    sys.argv = ["demagnify", *words]
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        answers.write(f"{ended.code}\\n")
"""
"""Runs commands one after the other, each in a folder: a process starts slowly."""


@pytest.fixture(scope="module")
def session(site):
    """A process beside the plug-ins, which runs demagnify."""
    path = os.pathsep.join([str(site), SOURCE])
    with subprocess.Popen(
        [sys.executable, "-c", SESSION],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture(name="run")
def commands(session, tmp_path):
    """Runs demagnify in a process of its own, beside the plug-ins."""

    def run(*commands, codes=None):
        """Returns what each command printed, and what all said on stderr."""
        found, printed, said = [], [], []
        for command in commands:
            session.stdin.write(json.dumps([str(tmp_path), *map(str, command)]) + "\n")
            found.append(session.stdout.readline().strip())
            printed.append((tmp_path / "out.txt").read_text(encoding="utf-8"))
            said.append((tmp_path / "err.txt").read_text(encoding="utf-8"))
        assert "Traceback" not in "".join(said)
        assert found == [str(code) for code in codes or [0] * len(commands)], said
        return printed, "".join(said)

    return run


@pytest.fixture(name="faces")
def crops(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    return write_faces(folder, counts={"train": 3, "val": 2, "test": 3})


def attacked(folder):
    return [images.load(path) for path in sorted(folder.rglob("*.png"))]


def test_a_transform_attacks(run, faces, tmp_path):
    _, said = run(
        ("attack", faces, tmp_path / "out", "--model", "toy-posterize-4", "--crops"),
        ("attack", faces, tmp_path / "no", "--model", "toy-posterise", "--crops"),
        codes=[0, 1],
    )
    assert set(np.unique(np.stack(attacked(tmp_path / "out")))) <= {0, 64, 128, 192}
    assert "toy-posterize" in said


def test_a_reader_opens_its_files(run, faces, tmp_path):
    (tmp_path / "double.toysr").write_text("2\n", encoding="utf-8")
    (tmp_path / "bad.toysr").write_text("two\n", encoding="utf-8")
    _, said = run(
        ("attack", faces, tmp_path / "out", "--model", "double.toysr", "--crops"),
        ("attack", faces, tmp_path / "no", "--model", "bad.toysr", "--crops"),
        codes=[0, 1],
    )
    one = attacked(tmp_path / "out")[0].astype(int)
    assert (one[::2, ::2] == one[1::2, 1::2]).all()
    assert "holds no scale" in said


def test_a_data_format_is_recognised(run, faces, tmp_path):
    lines = [f"val {one.parent.name} {one}" for one in sorted(faces.rglob("*.png"))]
    lines.append("a line without a label")
    (tmp_path / "mine.toylist").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (description, _), said = run(
        ("data", "describe", tmp_path / "mine.toylist", "--no-hash"),
        ("data", "describe", faces, "--format", "toy-lists"),
        codes=[3, 1],
    )
    assert "16 images" in " ".join(description.split())  # a long path breaks the line
    assert "toy-list" in said


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
    train = (
        *("train-defense", out, "--data", faces, "--detector", "toy:contrast", "--size", "64"),
        *("--preset", "full-information", "--device", "cpu", "--attack", "bicubic-x2"),
        *("--set", "defense.state=mystates:Means-2", "--set", "defense.actions=[identity, flip]"),
    )
    evaluate = (
        *("evaluate", tmp_path / "evaluation", "--data", faces, "--defense", out),
        *("--attack", "bicubic-x2", "--resamples", "20", "--device", "cpu"),
    )
    run(train, evaluate)
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert "mystates:Means-2" in json.dumps(card)


def test_a_detector_is_evaluated(run, faces, tmp_path):
    out = tmp_path / "evaluation"
    _, said = run(
        (
            *("evaluate", out, "--data", faces, "--defense", "toy:contrast"),
            *("--attack", "toy-posterize", "--resamples", "20", "--size", "64", "--device", "cpu"),
        ),
        ("evaluate", out, "--data", faces, "--defense", "toy:tint"),
        codes=[0, 1],
    )
    with (out / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 12
    assert "toy:brightness" in said


def test_state_policy_learner_and_tracker_make_a_defense(run, faces, tmp_path):
    out, evaluation = tmp_path / "defense", tmp_path / "evaluation"
    scores, measure = tmp_path / "mine.toyscores", ("--resamples", "20", "--json")
    (*_, measured, told), _ = run(
        (
            *("train-defense", out, "--data", faces, "--detector", "toy:brightness"),
            *("--attack", "toy-posterize", "--device", "cpu", "--set", "defense.state=toy-colors"),
            *("--set", "defense.learner.name=toy-linear", "--set", "defense.learner.ridge=0.2"),
            *("--set", "defense.actions=[identity, toy-posterize-4]", "--size", "64"),
        ),
        (
            *("evaluate", evaluation, "--data", faces, "--defense", out, "--device", "cpu"),
            *("--attack", "toy-posterize", "--resamples", "20", "--tracker", "toy-lines:figures"),
        ),
        ("scores", "export", evaluation, scores, "--format", "toy-text"),
        ("scores", "measure", scores, *measure),
        ("scores", "measure", evaluation, *measure),
    )
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["learner"]["ridge"] == 0.2
    assert {"toy-linear", "toy-colors"} <= set(json.dumps(card).replace('"', " ").split())
    (figures,) = (tmp_path / "figures").glob("evaluation-*.jsonl")
    rows = [json.loads(line)["figures"] for line in figures.read_text("utf-8").splitlines()]
    assert any(name.endswith("/auc") for row in rows for name in row)
    values = [
        [
            {name: one["value"] for name, one in column["metrics"].items()}
            for column in json.loads(x)
        ]
        for x in (measured, told)
    ]
    assert len(values[0]) > 1
    assert values[0] == values[1]
