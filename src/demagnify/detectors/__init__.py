"""Detectors: image batch in, one logit per image out; above the threshold means fake."""

from __future__ import annotations

from demagnify.detectors.augment import Augmentation
from demagnify.detectors.backbones import ALIASES
from demagnify.detectors.config import DetectorTraining
from demagnify.detectors.detector import Detector, TwoLogits, batched_logits
from demagnify.detectors.heads import Head
from demagnify.detectors.history import Epoch
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.training import TrainedDetector, train_detector
from demagnify.detectors.wrapped import WrappedDetector, wrap
from demagnify.detectors.zoo import create, is_detector, load, reload, shipped

__all__ = [
    "ALIASES",
    "Augmentation",
    "Detector",
    "DetectorTraining",
    "Epoch",
    "Head",
    "Preprocessing",
    "TrainedDetector",
    "TwoLogits",
    "WrappedDetector",
    "batched_logits",
    "create",
    "is_detector",
    "load",
    "reload",
    "shipped",
    "train_detector",
    "wrap",
]
