"""The demonstration: the paper's idea from photographs to a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from demagnify import configs, detectors
from demagnify.data.sample import build_sample
from demagnify.detectors import Detector, DetectorTraining
from demagnify.devices import Precision
from demagnify.evaluation import EvaluationResult, Settings
from demagnify.experiments.defense import DefensePlan, train_defense_on
from demagnify.experiments.detector import train_detector_on
from demagnify.experiments.evaluation import SPLITS, EvaluationPlan, evaluate_on

PRESET: Final = "paper-batched"
DETECTOR: Final = "light"
SEEN: Final = ("realesr-compact-x2",)
UNSEEN: Final = ("srgan-x4", "bicubic-x4")


class Demo:
    """Sample set, detector, attacks, agent, evaluation and report in one folder.

    Args:
        folder: Where everything goes; what is there already is not done again.
        seed: Of face swaps, training and resampling.
        device: "auto", "cpu", "cuda".
        precision: In what the detector computes.
    """

    def __init__(
        self, folder: Path, *, seed: int = 0, device: str = "auto", precision: Precision = "auto"
    ) -> None:
        self.folder = folder
        self.seed = seed
        self.device = device
        self.precision = precision

    def run(
        self, *, train_detector: bool = False, tell: Callable[[str], None] | None = None
    ) -> EvaluationResult:
        """Runs everything and returns what the evaluation found.

        Args:
            train_detector: Whether to train the detector on the sample set instead of taking the
                one that comes with this package.
            tell: Gets a line about each stage.
        """
        say = tell or (lambda _line: None)
        sample = self.folder / "sample"
        say("1/5 sample set: real photographs, and face swaps made from them")
        build_sample(sample, seed=self.seed)
        say("2/5 detector")
        detector = self._detector(sample, say) if train_detector else self._shipped(say)
        say(f"3/5 attacks and agent (preset {PRESET})")
        preset = configs.load(PRESET, [f"defense.seed={self.seed}"])
        training = DefensePlan(
            sources=[sample],
            config=preset.defense,
            detector=detector,
            attacks=SEEN,
            face_size=preset.face_size,
            device=self.device,
        )
        trained = train_defense_on(
            training,
            self.folder / "defense",
            tell=say,
            skip=lambda skipped: say(f"skipped {skipped}"),
        )
        say("4/5 evaluation: every defence under every attack, on val and test")
        plan = EvaluationPlan(
            sources=[sample],
            defenses={"learned": trained.defended},
            attacks=[*SEEN, *UNSEEN],
            settings=Settings(seed=self.seed, selection_split=SPLITS[0]),
            title="demo",
            command=f"demagnify demo --output {self.folder} --seed {self.seed}"
            + (" --train-detector" if train_detector else ""),
            configuration=preset.model_dump(mode="json", include={"defense", "face_size"}),
            device=self.device,
        )
        evaluation = evaluate_on(plan, self.folder)
        say("5/5 report")
        return evaluation.result

    def _shipped(self, say: Callable[[str], None]) -> Detector:
        say(f"the detector {DETECTOR!r} that comes with demagnify")
        return detectors.load(DETECTOR, device=self.device, precision=self.precision)

    def _detector(self, sample: Path, say: Callable[[str], None]) -> Detector:
        config = DetectorTraining(seed=self.seed, precision=self.precision)
        trained = train_detector_on(
            [sample],
            config,
            output=self.folder / "detector",
            backbone=DETECTOR,
            device=self.device,
            tell=say,
            skip=lambda skipped: say(f"skipped {skipped}"),
        )
        return trained.detector
