"""The demonstration: the paper's idea from photographs to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from demagnify import detectors
from demagnify.agents import presets
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.presets import Preset
from demagnify.agents.training import train_defense
from demagnify.core.devices import Precision
from demagnify.core.settings import Frozen
from demagnify.data.sample import SampleConfig, build_sample
from demagnify.detectors import Detector, TrainDetectorConfig, train_detector
from demagnify.evaluation.evaluating import EvaluationConfig, evaluate
from demagnify.evaluation.results import EvaluationResult

PAPER: Final = "paper-batched"
PRESET: Final = "default"
DETECTOR: Final = "light"
HARDENED: Final = "hardened"
FILTERS: Final = "filters"
SEEN: Final = ("realesr-compact-x2",)
UNSEEN: Final = ("srgan-x4", "bicubic-x4")


class DemoConfig(Frozen):
    """The settings of the demonstration."""

    train_detector: bool = Field(
        default=False,
        description="Train a detector on the sample set instead of taking those that come with "
        "demagnify (about 20 minutes on two cores).",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="The same seed gives the same results, bit for bit, on a CPU.",
    )
    device: str = Field(
        default="auto",
        description="Where networks run: auto (a GPU where there is one), cpu, cuda, cuda:1.",
    )
    precision: Precision = Field(
        default="float32",
        description="Precision of the detectors: float32, which gives the same verdicts on every "
        "processor, bfloat16, or auto: bfloat16 where the processor multiplies it in hardware.",
    )


def demo(
    config: DemoConfig, output: Path, *, log: Callable[[str], None] | None = None
) -> EvaluationResult:
    """Makes sample set, detectors, attacks, agents, evaluation and report in one folder.

    The default agent uses the hardened detector and saw no super-resolution network; the paper's
    agent uses the detector that was hardened, and saw one. Finished stages are not repeated.

    Args:
        config: Seed, device, and whether to train a detector on the sample set, which both agents
            then use.
        output: The folder of everything.
        log: Gets a line about each stage.
    """
    log = log or (lambda _line: None)
    sample = output / "sample"
    log("1/5 sample set: real photographs, and face swaps made from them")
    build_sample(sample, SampleConfig(seed=config.seed))
    log("2/5 detectors")
    if config.train_detector:
        base = hardened = _trained(sample, config, output, log)
    else:
        base, hardened = (_shipped(name, config, log) for name in (DETECTOR, HARDENED))
    log(f"3/5 attacks and agents (presets {PAPER} and {PRESET})")
    best, settings = _agent(sample, config, PRESET, hardened, [FILTERS], output / "defense", log)
    paper, _ = _agent(sample, config, PAPER, base, SEEN, output / "paper", log)
    methods = {"default": best, "hardened": undefended(hardened), "the paper's": paper}
    if config.train_detector:
        del methods["hardened"]
    log("4/5 evaluation: every defence under every attack")
    evaluation = evaluate(
        [sample],
        output,
        EvaluationConfig(
            attacks=(FILTERS, *SEEN, *UNSEEN), title="demo", seed=config.seed, device=config.device
        ),
        methods=methods,
        base=base,
        command=f"demagnify demo --output {output} --seed {config.seed}"
        + " --train-detector" * config.train_detector,
        about=settings.model_dump(mode="json", include={"defense"}),
    )
    log("5/5 report")
    return evaluation.result


def _agent(
    sample: Path,
    config: DemoConfig,
    preset: str,
    detector: Detector,
    attacks: Sequence[str],
    folder: Path,
    log: Callable[[str], None],
) -> tuple[DefendedDetector, Preset]:
    given = {"seed": config.seed, "attacks": attacks, "device": config.device}
    settings = presets.load(preset, given={f"defense.{key}": one for key, one in given.items()})
    (trained,) = train_defense(
        sample,
        folder,
        settings.defense,
        detector=detector,
        log=log,
        on_skip=lambda skipped: log(f"skipped {skipped}"),
    )
    return trained.defended, settings


def _shipped(name: str, config: DemoConfig, log: Callable[[str], None]) -> Detector:
    log(f"the detector {name!r} that comes with demagnify")
    return detectors.load_detector(name, device=config.device, precision=config.precision)


def _trained(
    sample: Path, config: DemoConfig, output: Path, log: Callable[[str], None]
) -> Detector:
    training = TrainDetectorConfig(
        backbone=DETECTOR, seed=config.seed, precision=config.precision, device=config.device
    )
    trained = train_detector(
        [sample],
        output / "detector",
        training,
        log=log,
        on_skip=lambda skipped: log(f"skipped {skipped}"),
    )
    return trained.detector
