"""Detectors: image batch in, one logit per image out; above the threshold means fake."""

from __future__ import annotations

from demagnify.detectors.augment import Augmentation
from demagnify.detectors.backbones import ALIASES
from demagnify.detectors.config import Optimization, TrainDetectorConfig
from demagnify.detectors.detector import Detector, TwoLogits, batched_logits
from demagnify.detectors.heads import Head
from demagnify.detectors.loaders.folder import shipped
from demagnify.detectors.loading import (
    LOADERS,
    Loader,
    create,
    is_detector,
    load_detector,
    load_recorded,
)
from demagnify.detectors.loop import Epoch
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.threshold import choose_threshold
from demagnify.detectors.training import TrainedDetector, train_detector
from demagnify.detectors.wrapped import WrappedDetector, wrap

__all__ = [
    "ALIASES",
    "LOADERS",
    "Augmentation",
    "Detector",
    "Epoch",
    "Head",
    "Loader",
    "Optimization",
    "Preprocessing",
    "TrainDetectorConfig",
    "TrainedDetector",
    "TwoLogits",
    "WrappedDetector",
    "batched_logits",
    "choose_threshold",
    "create",
    "is_detector",
    "load_detector",
    "load_recorded",
    "shipped",
    "train_detector",
    "wrap",
]
