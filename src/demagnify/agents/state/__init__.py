"""What the agent sees of an image: the encoders, and the states of a whole set of faces."""

from __future__ import annotations

from demagnify.agents.state.base import STATES, Opinion, StateEncoder
from demagnify.agents.state.creation import create
from demagnify.agents.state.face_states import FaceStates
from demagnify.agents.state.joined import Joined
from demagnify.agents.state.opinion import Embedding, Logit
from demagnify.agents.state.pixels import FlatImage, Thumbnail
from demagnify.agents.state.residual import Residual
from demagnify.agents.state.spectrum import Spectrum

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
