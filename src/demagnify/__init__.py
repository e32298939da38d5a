"""Defend deepfake detectors against super-resolution laundering (adversarial magnification)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector as DefendedDetector
    from demagnify.data.dataset import FaceDataset as FaceDataset
    from demagnify.data.manifest import Manifest as Manifest
    from demagnify.detectors.detector import Detector as Detector

__version__ = "0.2.0"

_HOMES = {
    "DefendedDetector": "demagnify.agents.defended",
    "Detector": "demagnify.detectors.detector",
    "FaceDataset": "demagnify.data.dataset",
    "Manifest": "demagnify.data.manifest",
}

__all__ = ["DefendedDetector", "Detector", "FaceDataset", "Manifest", "__version__"]


def __getattr__(name: str) -> object:
    """Imports public names when they are first used, so that `demagnify --help` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'demagnify' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
