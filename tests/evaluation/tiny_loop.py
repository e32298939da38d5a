"""The research loop on tiny faces, through the functions that the command line calls."""

from dataclasses import dataclass, replace
from pathlib import Path

from demagnify.agents.config import DefenseConfig, TrainDefenseConfig
from demagnify.agents.learners import QLearningConfig
from demagnify.agents.training import TrainedDefense, train_defense
from demagnify.detectors import TrainDetectorConfig, TrainedDetector, train_detector
from demagnify.evaluation import Evaluation, EvaluationConfig, evaluate
from tiny_faces import SIZE, write_faces

DETECTOR = TrainDetectorConfig(
    backbone="test_efficientnet",
    weights=None,
    size=SIZE,
    epochs=3,
    batch_size=8,
    learning_rate=3e-3,
    augmentation=0.0,
    seed=4,
    precision="float32",
    device="cpu",
)
DEFENSE = DefenseConfig(
    actions=("identity", "mask-center", "median"),
    state="thumbnail",
    fill_table=True,
    learner=QLearningConfig(episodes=256, environments=16, hidden=16, epsilon_decay=0.98),
    seed=4,
)
ATTACKS = ["bicubic-x2"]
EVALUATION = EvaluationConfig(
    attacks=("bicubic-x2", "bicubic-x4"),
    title="tiny",
    device="cpu",
    seed=4,
    resamples=40,
    batches=5,
    batch_size=8,
)


@dataclass(frozen=True)
class Loop:
    """The research loop in one folder: its results, and what it told."""

    folder: Path
    source: Path
    detector: TrainedDetector
    defense: TrainedDefense
    evaluation: Evaluation
    told: tuple[str, ...]

    @property
    def plan(self):
        return plan_for(self.source, self.defense)

    @property
    def run(self):
        return self.folder / "evaluation"


@dataclass(frozen=True)
class Plan:
    """The arguments of `evaluate`, which tests change one by one."""

    data: list
    methods: dict
    config: EvaluationConfig = EVALUATION
    base: object = None

    def change(self, **changes):
        own = {key: changes.pop(key) for key in ("data", "methods", "base") if key in changes}
        return replace(self, config=self.config.model_copy(update=changes), **own)

    def evaluate(self, output, **more):
        about = {"command": "demagnify evaluate", "about": {"face_size": SIZE}}
        return evaluate(
            self.data, output, self.config, methods=self.methods, base=self.base, **about, **more
        )


def plan_for(source, defense):
    return Plan([source], {"learned": defense.defended})


def train(loop, output, *, attacks=ATTACKS, log=None, **changes):
    """Trains the loop's defence again, with changes; returns one result per seed."""
    own = {**dict(DEFENSE), "attacks": attacks, "size": SIZE, "device": "cpu"}
    config = TrainDefenseConfig(**{**own, **changes})
    return train_defense(loop.source, output, config, detector=loop.detector.detector, log=log)


def run_loop(folder):
    """Detector, defence, evaluation."""
    source = write_faces(folder / "faces")
    told = []
    detector = train_detector([source], folder / "detector", DETECTOR, log=told.append)
    (defense,) = train_defense(
        source,
        folder / "defense",
        TrainDefenseConfig(**dict(DEFENSE), attacks=ATTACKS, size=SIZE, device="cpu"),
        detector=detector.detector,
        log=told.append,
    )
    evaluation = plan_for(source, defense).evaluate(folder / "evaluation")
    return Loop(folder, source, detector, defense, evaluation, tuple(told))
