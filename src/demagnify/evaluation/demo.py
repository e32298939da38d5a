"""The demonstration: the paper's idea from photographs to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from demagnify import detectors
from demagnify.agents import presets as configs
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.presets import Preset
from demagnify.agents.training import TrainDefenseConfig, train_defense
from demagnify.core.devices import Precision
from demagnify.data.sample import build_sample
from demagnify.detectors import Detector, DetectorTraining, train_detector
from demagnify.evaluation.evaluate import EvaluationConfig, evaluate
from demagnify.evaluation.results import EvaluationResult

PAPER: Final = "paper-batched"
PRESET: Final = "default"
DETECTOR: Final = "light"
HARDENED: Final = "hardened"
FILTERS: Final = "filters"
SEEN: Final = ("realesr-compact-x2",)
UNSEEN: Final = ("srgan-x4", "bicubic-x4")


class Demo:
    """Sample set, detectors, attacks, agents, evaluation and report in one folder.

    The best agent stands before the hardened detector and has seen no super-resolution network; the
    paper's agent stands before the detector that was hardened, and has seen one.

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
            train_detector: Whether to train a detector on the sample set, before which both
                agents then stand, instead of taking those that come with this package.
            tell: Gets a line about each stage.
        """
        say = tell or (lambda _line: None)
        sample = self.folder / "sample"
        say("1/5 sample set: real photographs, and face swaps made from them")
        build_sample(sample, seed=self.seed)
        say("2/5 detectors")
        base = self._detector(sample, say) if train_detector else self._shipped(DETECTOR, say)
        hardened = base if train_detector else self._shipped(HARDENED, say)
        say(f"3/5 attacks and agents (presets {PAPER} and {PRESET})")
        best, settings = self._agent(sample, PRESET, hardened, [FILTERS], "defense", say)
        paper, _ = self._agent(sample, PAPER, base, SEEN, "paper", say)
        defenses = {"default": best, "hardened": undefended(hardened), "the paper's": paper}
        if train_detector:
            del defenses["hardened"]
        say("4/5 evaluation: every defence under every attack")
        config = EvaluationConfig(
            attacks=(FILTERS, *SEEN, *UNSEEN), title="demo", seed=self.seed, device=self.device
        )
        evaluation = evaluate(
            [sample],
            config,
            self.folder,
            methods=defenses,
            base=base,
            command=f"demagnify demo --output {self.folder} --seed {self.seed}"
            + (" --train-detector" if train_detector else ""),
            about=settings.model_dump(mode="json", include={"defense", "face_size"}),
        )
        say("5/5 report")
        return evaluation.result

    def _agent(
        self,
        sample: Path,
        preset: str,
        detector: Detector,
        attacks: Sequence[str],
        folder: str,
        say: Callable[[str], None],
    ) -> tuple[DefendedDetector, Preset]:
        settings = configs.load(preset, [f"defense.seed={self.seed}"])
        config = TrainDefenseConfig(
            defense=settings.defense, face_size=settings.face_size, device=self.device
        )
        (trained,) = train_defense(
            sample,
            config,
            self.folder / folder,
            detector=detector,
            attacks=attacks,
            log=say,
            on_skip=lambda skipped: say(f"skipped {skipped}"),
        )
        return trained.defended, settings

    def _shipped(self, name: str, say: Callable[[str], None]) -> Detector:
        say(f"the detector {name!r} that comes with demagnify")
        return detectors.load_detector(name, device=self.device, precision=self.precision)

    def _detector(self, sample: Path, say: Callable[[str], None]) -> Detector:
        config = DetectorTraining(
            backbone=DETECTOR, seed=self.seed, precision=self.precision, device=self.device
        )
        trained = train_detector(
            [sample],
            config,
            self.folder / "detector",
            log=say,
            on_skip=lambda skipped: say(f"skipped {skipped}"),
        )
        return trained.detector
