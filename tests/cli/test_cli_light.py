"""The command line where torch is not installed."""

import json
import subprocess
import sys

import pytest

from demagnify.core import images
from demagnify.data.face_finding import FaceFinder, crop
from demagnify.inference import load_runtime

BLOCKED = """
import sys
for name in (*SLOW, "torch", "torchvision", "timm", "scipy", "pyarrow", "matplotlib", "jinja2",
             "safetensors", "gymnasium", "sklearn", "spandrel", "h5py", "onnx", "onnxscript"):
    sys.modules[name] = None
from demagnify.cli import main
main()
"""


SLOW = ("yaml", "filelock", "multiprocessing")
"""What costs time at a start and serves other commands."""


def run(*arguments, without=()):
    command = [sys.executable, "-c", f"SLOW = {without}{BLOCKED}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


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


@pytest.mark.parametrize("command", [("train-defense", "--help"), ("export", "light", "x.onnx")])
def test_what_needs_the_rest_says_so_in_one_line(command):
    ended = run(*command)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "pip install 'demagnify[research]'" in ended.stderr
