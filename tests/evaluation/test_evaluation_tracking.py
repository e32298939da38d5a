"""The commands of the research loop tell a tracker what they tell the user."""

import json

import pytest
from tiny_loop import ATTACKS, DEFENSE, DETECTOR, plan_for

from demagnify.agents.config import TrainDefenseConfig
from demagnify.agents.training import train_defense
from demagnify.core.errors import BadConfigError
from demagnify.core.trackers import Tracker
from demagnify.detectors import train_detector
from demagnify.evaluation import evaluate
from tiny_faces import SIZE

RUNS: dict = {}
SPEC = f"{__name__}:Noted"


class Noted(Tracker):
    """Keeps what is written, by the run's name and key."""

    place = "memory"

    def __init__(self, run, where):
        self.figures = RUNS.setdefault((run.name, run.key), {})
        self.settings = run.settings

    def written(self):
        return {name: [step for step, _ in points] for name, points in self.figures.items()}

    def write(self, figures, step):
        for name, value in figures.items():
            self.figures.setdefault(name, []).append((step, value))


@pytest.fixture(autouse=True)
def _forget():
    RUNS.clear()


class Killed(Exception):
    pass


def test_each_epoch_is_told_once_through_a_kill(loop, tmp_path):
    def stop(line):
        if line.startswith("epoch 2"):
            raise Killed

    with pytest.raises(Killed):
        train_detector([loop.source], tmp_path / "d", DETECTOR, tracker=SPEC, log=stop)
    for _ in range(2):  # continued, and finished already
        trained = train_detector([loop.source], tmp_path / "d", DETECTOR, tracker=SPEC)
    ((key, found),) = RUNS.items()
    assert key[0] == "d"
    assert found["val_auc"] == [(one.epoch, one.val_auc) for one in trained.history]
    assert [step for step, _ in found["loss"]] == [1, 2, 3]


def test_a_tracker_does_not_change_what_is_trained(loop, tmp_path):
    trained = train_detector([loop.source], tmp_path / "d", DETECTOR, tracker=SPEC)
    assert trained.detector.fingerprint() == loop.detector.detector.fingerprint()
    cards = [
        json.loads((folder / "card.json").read_text())
        for folder in (tmp_path / "d", loop.folder / "detector")
    ]
    assert cards[0]["training"] == cards[1]["training"]


def test_the_learning_curve_of_each_seed_is_told(loop, tmp_path):
    config = TrainDefenseConfig(**dict(DEFENSE), attacks=ATTACKS, size=SIZE, device="cpu", seeds=2)
    for _ in range(2):
        trained = train_defense(
            loop.source, tmp_path / "a", config, detector=loop.detector.detector, tracker=SPEC
        )
    (found,) = RUNS.values()
    for seed, one in zip((4, 5), trained, strict=True):
        told = found[f"seed-{seed}/reward"]
        assert told == [(point.episode, point.reward) for point in one.history]
        assert len(found[f"seed-{seed}/actions/median"]) == len(one.history)


def test_the_final_figures_of_an_evaluation_are_told(loop, tmp_path):
    plan = plan_for(loop.source, loop.defense)
    for _ in range(2):
        done = evaluate(plan.data, tmp_path / "e", plan.config, methods=plan.methods, tracker=SPEC)
    (found,) = RUNS.values()
    cell = done.result.cell("test", "bicubic-x4", "learned")
    name = "test/bicubic-x4/learned/balanced_accuracy"
    assert found[name] == [(0, cell.metrics["balanced_accuracy"].value)]
    assert len(found) == sum(value is not None for value in done.result.figures().values())


def test_a_bad_tracker_is_refused_before_the_work(loop, tmp_path):
    plan = plan_for(loop.source, loop.defense)
    with pytest.raises(BadConfigError, match="is no tracker"):
        evaluate(plan.data, tmp_path / "e", plan.config, methods=plan.methods, tracker="json:loads")
    assert list(tmp_path.iterdir()) == []
