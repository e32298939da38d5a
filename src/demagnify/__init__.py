"""Defend deepfake detectors against super-resolution laundering (adversarial magnification).

The public API. Each command of the command line is one function, with its configuration:

    attack(source, output, AttackConfig())              attacked copies of photographs or faces
    adaptive_attack(data, AdaptiveConfig(), output)     the best attack for each face
    train_detector(data, TrainDetectorConfig(), output) a detector
    harden(data, HardeningConfig(), output)             a detector hardened by the agent's attacks
    train_defense(data, TrainDefenseConfig(), output)   an agent that corrects before a detector
    evaluate(data, EvaluationConfig(), output)          methods beside all baselines
    calibrate(data, output, CalibrationConfig())        limits, likelihood ratios, error rates
    detect(photos, DetectionConfig())                   verdicts on photographs
    explain(faces)                                      heat maps of verdicts, checked
    describe(data), prepare(data, output)               data sets, seen and cut out

Images between stages are uint8 RGB tensors (N, 3, H, W), 0-255; labels are 0 for real, 1 for fake.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from demagnify.agents.config import TrainDefenseConfig
    from demagnify.agents.defended import DefendedDetector
    from demagnify.agents.loading import load_defense
    from demagnify.agents.training import train_defense
    from demagnify.data.dataset import FaceDataset
    from demagnify.data.describe import DescribeConfig, describe
    from demagnify.data.manifest import Manifest
    from demagnify.data.prepare import PrepareConfig, prepare
    from demagnify.detectors.config import TrainDetectorConfig
    from demagnify.detectors.detector import Detector
    from demagnify.detectors.loading import load_detector
    from demagnify.detectors.training import train_detector
    from demagnify.detectors.wrapped import wrap
    from demagnify.evaluation.adaptive import AdaptiveConfig, adaptive_attack
    from demagnify.evaluation.evaluating import EvaluationConfig, evaluate
    from demagnify.hardening.config import HardeningConfig
    from demagnify.hardening.harden import harden
    from demagnify.hardening.laundering import Laundering
    from demagnify.inference.calibrate import CalibrationConfig, calibrate
    from demagnify.inference.detect import DetectionConfig, detect
    from demagnify.inference.explanation import explain
    from demagnify.laundering.attack import attack
    from demagnify.laundering.config import AttackConfig
    from demagnify.scores import LogitTable
    from demagnify.transforms.base import Transform
    from demagnify.transforms.base import create as create_transform
    from demagnify.transforms.catalogue import ATTACKS, CORRECTIONS
    from demagnify.transforms.super_resolution.attack import from_callable
    from demagnify.transforms.transform_set import TransformSet

__version__ = "0.2.0"

_MODULES: Final = {
    "ATTACKS": "transforms.catalogue",
    "AdaptiveConfig": "evaluation.adaptive",
    "AttackConfig": "laundering.config",
    "CORRECTIONS": "transforms.catalogue",
    "CalibrationConfig": "inference.calibrate",
    "DefendedDetector": "agents.defended",
    "DescribeConfig": "data.describe",
    "DetectionConfig": "inference.detect",
    "Detector": "detectors.detector",
    "EvaluationConfig": "evaluation.evaluating",
    "FaceDataset": "data.dataset",
    "HardeningConfig": "hardening.config",
    "Laundering": "hardening.laundering",
    "LogitTable": "scores",
    "Manifest": "data.manifest",
    "PrepareConfig": "data.prepare",
    "TrainDefenseConfig": "agents.config",
    "TrainDetectorConfig": "detectors.config",
    "Transform": "transforms.base",
    "TransformSet": "transforms.transform_set",
    "adaptive_attack": "evaluation.adaptive",
    "attack": "laundering.attack",
    "calibrate": "inference.calibrate",
    "create_transform": "transforms.base:create",
    "describe": "data.describe",
    "detect": "inference.detect",
    "evaluate": "evaluation.evaluating",
    "explain": "inference.explanation",
    "from_callable": "transforms.super_resolution.attack",
    "harden": "hardening.harden",
    "load_defense": "agents.loading",
    "load_detector": "detectors.loading",
    "prepare": "data.prepare",
    "train_defense": "agents.training",
    "train_detector": "detectors.training",
    "wrap": "detectors.wrapped",
}
"""The module of each name, imported at its first use: `demagnify --help` imports no torch."""

__all__ = [
    "ATTACKS",
    "CORRECTIONS",
    "AdaptiveConfig",
    "AttackConfig",
    "CalibrationConfig",
    "DefendedDetector",
    "DescribeConfig",
    "DetectionConfig",
    "Detector",
    "EvaluationConfig",
    "FaceDataset",
    "HardeningConfig",
    "Laundering",
    "LogitTable",
    "Manifest",
    "PrepareConfig",
    "TrainDefenseConfig",
    "TrainDetectorConfig",
    "Transform",
    "TransformSet",
    "__version__",
    "adaptive_attack",
    "attack",
    "calibrate",
    "create_transform",
    "describe",
    "detect",
    "evaluate",
    "explain",
    "from_callable",
    "harden",
    "load_defense",
    "load_detector",
    "prepare",
    "train_defense",
    "train_detector",
    "wrap",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  module attributes are anything
    if name not in _MODULES:
        raise AttributeError(f"module 'demagnify' has no attribute {name!r}")
    module, _, inside = _MODULES[name].partition(":")
    return getattr(import_module(f"demagnify.{module}"), inside or name)


def __dir__() -> list[str]:
    return __all__
