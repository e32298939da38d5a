"""States: numbers that the agent observes of an image. One file per kind; each registers itself."""

from __future__ import annotations

from demagnify.agents.states.base import (
    STATES,
    DetectorOutput,
    FaceStates,
    Joined,
    Need,
    StateEncoder,
    create,
)
from demagnify.agents.states.detector_view import Embedding, Logit
from demagnify.agents.states.pixels import FlatImage, Thumbnail
from demagnify.agents.states.residual import Residual
from demagnify.agents.states.spectrum import Spectrum

__all__ = [
    "STATES",
    "DetectorOutput",
    "Embedding",
    "FaceStates",
    "FlatImage",
    "Joined",
    "Logit",
    "Need",
    "Residual",
    "Spectrum",
    "StateEncoder",
    "Thumbnail",
    "create",
]
