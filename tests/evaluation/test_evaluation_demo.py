"""The demonstration: everything in one folder, and nothing twice."""

import json
from functools import partial

import pytest

from demagnify import detectors
from demagnify.detectors import TrainedDetector
from demagnify.detectors.detector import Detector
from demagnify.evaluation import EvaluationConfig, demo
from demagnify.evaluation.demo import DemoConfig
from tiny_faces import write_faces

PRESET = """
defense:
  actions: [identity, mask-center]
  size: 64
  state: thumbnail
  learner: {episodes: 96, environments: 16, hidden: 8}
"""


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A demonstration with made-up faces, a tiny network and attacks without one."""

    def build_sample(folder, config):
        if not folder.exists():
            write_faces(folder, seed=config.seed, size=64, counts={"train": 6, "val": 4, "test": 4})

    def load(name, *, device, precision):
        seed = ["light", "hardened"].index(name)
        return detectors.create("test_efficientnet", input_size=64, device=device, seed=seed)

    (tmp_path / "tiny.yaml").write_text(PRESET)
    monkeypatch.setattr(demo, "build_sample", build_sample)
    monkeypatch.setattr(demo, "PRESET", str(tmp_path / "tiny.yaml"))
    monkeypatch.setattr(demo, "PAPER", str(tmp_path / "tiny.yaml"))
    monkeypatch.setattr(demo, "SEEN", ("bicubic-x2",))
    monkeypatch.setattr(demo, "UNSEEN", ("bicubic-x4",))
    monkeypatch.setattr(
        demo, "EvaluationConfig", partial(EvaluationConfig, resamples=20, batches=5)
    )
    monkeypatch.setattr(demo.detectors, "load_detector", load)

    def run(log=None, **options):
        config = DemoConfig(seed=3, device="cpu", precision="float32", **options)
        return demo.demo(config, tmp_path / "demo", log=log)

    return run


def forbidden(*_, **__):
    raise AssertionError("done twice")


def test_it_runs_from_faces_to_report_and_does_nothing_twice(small, tmp_path, monkeypatch):
    told = []
    result = small(log=told.append)
    folder = tmp_path / "demo"
    assert (folder / "report.html").stat().st_size > 10_000
    for agent, attack in (("defense", "filters"), ("paper", "bicubic-x2")):
        card = json.loads((folder / agent / "card.json").read_text())
        assert card["seen_attacks"] == [attack]
    rows = {entry.name: entry.role for entry in result.methods}
    assert rows["undefended"] == "undefended"
    assert rows["hardened"] == "detector"
    assert rows["default"] == rows["the paper's"] == "learned"
    assert [line[:3] for line in told if line[1:2] == "/"] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert {attack.name: attack.seen for attack in result.conditions} == {
        "none": True,
        "filters": True,
        "bicubic-x2": True,
        "bicubic-x4": False,
        "adaptive": False,
    }
    assert result.settings.seed == 3
    assert result.context.configuration["defense"]["seed"] == 3
    assert result.context.command == f"demagnify demo --output {folder} --seed 3"
    assert result.split_entry("test").n == 8

    monkeypatch.setattr("demagnify.agents.learners.q_learning.QLearning.fit", forbidden)
    monkeypatch.setattr("demagnify.transforms.resize.Bicubic.apply", forbidden)
    monkeypatch.setattr(Detector, "forward", forbidden)
    again = small()
    assert again.cells == result.cells
    assert again.comparisons == result.comparisons


def test_the_detector_can_be_trained_on_the_sample_set(small, tmp_path, monkeypatch):
    asked = {}

    def train_detector(data, output, config, **settings):
        asked.update(settings, data=data, config=config, output=output)
        detector = detectors.create("test_efficientnet", input_size=64, device="cpu", seed=2)
        return TrainedDetector(detector=detector, history=(), metrics={})

    monkeypatch.setattr(demo, "train_detector", train_detector)
    monkeypatch.setattr(demo.detectors, "load_detector", forbidden)
    result = small(train_detector=True)
    assert asked["data"] == [tmp_path / "demo" / "sample"]
    assert asked["config"].seed == 3
    assert asked["output"] == tmp_path / "demo" / "detector"
    assert asked["config"].backbone == "light"
    assert "hardened" not in {entry.name for entry in result.methods}
    assert result.context.command.endswith(" --train-detector")
