"""The command line where torch is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from demagnify.core import images
from demagnify.data.face_finding import FaceFinder, crop
from demagnify.inference import load_runtime

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys
for name in (*SLOW, "torch", "torchvision", "timm", "scipy", "pyarrow", "matplotlib", "safetensors",
             "gymnasium", "sklearn", "spandrel", "h5py", "onnx", "onnxscript"):
    sys.modules[name] = None
from demagnify.cli import main
main()
"""


SLOW = ("yaml", "filelock", "multiprocessing")
"""What costs time at a start and serves other commands."""


def run(*arguments, without=()):
    command = [sys.executable, "-c", f"SLOW = {without}{BLOCKED}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.assets
def test_photographs_are_classified_without_torch(asset):
    asset("yunet")
    photo = sorted(asset("celeba-999").glob("*.jpg"))[0]
    ended = run("detect", photo, "--json", without=SLOW)
    assert ended.returncode == 0, ended.stderr
    faces = json.loads(ended.stdout)["faces"]
    runtime = load_runtime("default", runtime="torch", device="cpu")
    pixels = images.load(photo)
    cuts = [crop(pixels, face, size=224) for face in FaceFinder().find(pixels)]
    assert len(faces) == len(cuts) > 0
    for face, cut in zip(faces, cuts, strict=True):
        logit = runtime.decide(cut[None]).logits[0]
        assert face["logit"] == pytest.approx(logit, abs=1e-3)
        assert (logit > runtime.threshold) == (face["verdict"] == "fake")


@pytest.mark.assets
def test_verdicts_are_explained_without_torch(asset):
    asset("yunet")
    photo = sorted(asset("celeba-999").glob("*.jpg"))[0]
    ended = run("detect", photo, "--json", "--explain")
    assert ended.returncode == 0, ended.stderr
    for face in json.loads(ended.stdout)["faces"]:
        assert (face["verdict"] == "unsure") != ("explanation" in face)


@pytest.mark.parametrize("command", [("train-defense",), ("export", "light", "x.onnx")])
def test_what_needs_the_rest_says_so_in_one_line(command):
    ended = run(*command)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "(pip install" in ended.stderr
    assert "[research]')" in ended.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("sample",), "data"),
        (("calibrate",), "research"),
        (("data", "describe"), "data"),
        (("data", "prepare"), "research"),
        (("detect",), None),
        (("bench", "run"), None),
        (("train-defense",), "research"),
    ],
)
def test_help_is_printed_without_the_extras(command, extra):
    ended = run(*command, "--help")
    assert ended.returncode == 0, ended.stderr
    assert "Usage:" in ended.stdout
    hints = [one for one in ended.stdout.splitlines() if "pip install" in one]
    assert len(hints) == bool(extra)
    assert all(f"[{extra}]'" in one for one in hints)


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("sample", "there"), "data"),
        (("calibrate", "there", "--data", "here"), "research"),
        (("data", "describe", "here"), "data"),
        (("detect", "PHOTO", "--output", "there"), "data"),
        (("train-defense", "there", "--data", "here"), "research"),
        (("bench", "run", "there", "--data", "here"), "research"),
        (("export", "light", "there.onnx"), "research"),
    ],
)
def test_the_smallest_extra_is_named_and_nothing_is_written(command, extra, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (80, 80)).save("photo.png")
    ended = run(*("photo.png" if one == "PHOTO" else one for one in command))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert f"[{extra}]')" in ended.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["photo.png"]


def test_an_unknown_name_is_told_before_torch_is_asked_for(tmp_path):
    Image.new("RGB", (80, 80)).save(tmp_path / "photo.png")
    ended = run("detect", tmp_path / "photo.png", "--defense", "nosuch")
    assert ended.returncode == 1
    assert "no defence 'nosuch'" in ended.stderr
    assert "default, hardened, light, portraits, tinyvit" in ended.stderr


@pytest.mark.parametrize("verb", ["verify", "leaderboard", "compare"])
def test_a_benchmark_is_checked_without_the_extras(verb, tmp_path):
    rows = ROOT / "docs/results/rows/sr-fast-v1"
    more = {"verify": (), "leaderboard": (tmp_path / "page.md",), "compare": (rows / "light",)}
    start = rows if verb == "leaderboard" else rows / "hardened"
    ended = run("bench", verb, start, *more[verb])
    assert ended.returncode == 0, ended.stderr


def test_a_case_is_written_and_verified_without_the_extras(tmp_path):
    Image.new("RGB", (80, 80)).save(tmp_path / "photo.png")
    case = tmp_path / "case"
    assert run("detect", tmp_path / "photo.png", "--report", case).returncode == 1  # no face
    ended = run("verify", case)
    assert ended.returncode == 0, ended.stdout + ended.stderr
