"""How faces are found and cut out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from demagnify.core.images import MIN_SIDE
from demagnify.data.face_finding import MARGIN


class PrepareSettings(BaseModel):
    """What decides how crops look; the same settings and photographs give the same crops."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    no_face: Literal["skip", "whole", "fail"] = Field(
        "skip",
        description="A photograph or frame in which no face is found is left out and listed "
        "(skip), taken as a whole (whole), or ends the work (fail).",
    )
    unboxed: Literal["find", "keep"] = Field(
        "find",
        description="An image of which the data set says neither where the face is, nor that it "
        "is a frame of a video, is searched for faces (find), or is a face already (keep).",
    )
    all_faces: bool = Field(
        False,
        description="Take every face that is found; otherwise the largest. All get the label of "
        "the photograph: in a forged video, other faces than the largest may be real.",
    )
    margin: float = Field(
        MARGIN, ge=0, le=5, description="Added on each end, as a share of the box's longer side."
    )
    size: int | None = Field(
        None, ge=MIN_SIDE, description="Side of the crops in pixels; their own if not set."
    )
