"""What the agent sees of an image: the encoders, and the states of a whole set of faces."""

from __future__ import annotations

from demagnify.defense.state.base import STATES, Opinion, StateEncoder
from demagnify.defense.state.creation import create
from demagnify.defense.state.face_states import FaceStates
from demagnify.defense.state.joined import Joined
from demagnify.defense.state.opinion import Embedding, Logit
from demagnify.defense.state.pixels import FlatImage, Thumbnail
from demagnify.defense.state.residual import Residual
from demagnify.defense.state.spectrum import Spectrum

__all__ = [
    "STATES",
    "Embedding",
    "FaceStates",
    "FlatImage",
    "Joined",
    "Logit",
    "Opinion",
    "Residual",
    "Spectrum",
    "StateEncoder",
    "Thumbnail",
    "create",
]
