"""How the files of a folder are attacked."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from demagnify.data.face_finding import MARGIN
from demagnify.data.labels import FAKE, REAL
from demagnify.data.photographs import SaveAs

Holds = Literal["auto", "photos", "crops"]
Chosen = Literal["all", "fakes", "reals"]
Paste = Literal["hard", "feather"]

_LABELS: Final = {"all": (REAL, FAKE), "fakes": (FAKE,), "reals": (REAL,)}


class FolderConfig(BaseModel):
    """What is attacked in each file, and how the copy is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holds: Holds = Field(
        default="auto",
        description="Whether the files are whole photographs, of which every face is attacked by "
        "itself, or face crops, which are attacked as a whole. auto: crops if they are all square "
        "and at most 512 pixels wide and the manifest names no boxes, else photographs.",
    )
    faces: Chosen = Field(
        default="all",
        description="Which faces are attacked, by their labels; photographs without such a face "
        "are written unattacked, in the same way.",
    )
    paste: Paste = Field(
        default="hard",
        description="How a face is put back: with a hard edge, as published, or feathered: faded "
        "into the photograph over a twelfth of its side.",
    )
    save_as: SaveAs = Field(
        default="png",
        description="Lossless PNG, or the format of each original, with its JPEG tables.",
    )
    margin: float = Field(
        default=MARGIN,
        ge=0,
        description="How much around a face is attacked with it: share of its box's longer side "
        "on each end.",
    )

    def chooses(self, label: int | None) -> bool:
        """Whether faces with this label are attacked; None where no label is known."""
        return self.faces == "all" or label in _LABELS[self.faces]
