"""The command line in this process, and something small to run it on."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from toy_photos import ToyFinder, photograph

from demagnify import cli, detectors
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.policies import RandomPolicy
from demagnify.agents.states import Thumbnail
from demagnify.core import progress
from demagnify.core.images import to_batch
from demagnify.transforms import TransformSet

SIZE = 64


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def sentences(self):
        """The lines, each with what stands indented beneath it: it was wider than the terminal."""
        return _unwrapped(self.out)

    @property
    def complaints(self):
        return _unwrapped(self.err)


def _unwrapped(text):
    return re.sub(r"\n  +", " ", text).splitlines()


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs `demagnify` with arguments as the shell would, through `main`."""
    # On a busy machine progress tells of anything that takes two seconds.
    monkeypatch.setattr(progress, "_say", lambda *_: None)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["demagnify", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Ended(end.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def finder(monkeypatch):
    """Puts a finder that needs no network in the place of YuNet."""
    monkeypatch.setattr("demagnify.data.face_finding.FaceFinder", ToyFinder)
    return ToyFinder()


@pytest.fixture
def photos(tmp_path):
    """Writes photographs below a folder, by name, and returns it."""

    def write(*names, folder="photos"):
        for number, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(number)).save(path)
        return tmp_path / folder

    return write


@pytest.fixture(scope="session")
def defense(tmp_path_factory) -> Path:
    """A saved defence with a small network of random weights, whose verdicts are of both kinds."""
    detector = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=1)
    actions = TransformSet.create(["identity", "mask-center", "median"])
    defended = DefendedDetector(
        detector, actions, Thumbnail(side=4), RandomPolicy(3, seed=1), input_size=SIZE
    ).eval()
    logits = defended.logits(to_batch([photograph(seed, SIZE, SIZE) for seed in range(16)]))
    detector.threshold = float(logits.median())
    folder = tmp_path_factory.mktemp("defense") / "toy"
    defended.save(folder, {})
    return folder
