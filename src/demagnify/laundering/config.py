"""The settings of an attack on files."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from demagnify.core.devices import Precision
from demagnify.core.settings import FileOptions
from demagnify.data.face_finding import MARGIN
from demagnify.data.labels import FAKE, REAL
from demagnify.data.photographs import SaveAs

Content = Literal["auto", "photos", "crops"]
Attacked = Literal["all", "fakes", "reals"]
"""Which faces the attacker attacks; the others stay clean."""
Paste = Literal["hard", "feather"]
Variant = Literal["as-found", "fit-224", "up-then-down"]

CLEAN: Final = "none"
"""The name of the condition without an attack."""
ATTACKED_LABELS: Final = {"all": (REAL, FAKE), "fakes": (FAKE,), "reals": (REAL,)}
_OF_THE_ATTACK: Final = frozenset(("attack", "scale", "variant", "precision"))
_OF_THE_RUN: Final = frozenset(("batch_size", *FileOptions.model_fields))


class AttackConfig(FileOptions):
    """Which attack, on which parts of each file, and how the copies are written."""

    attack: str = Field(
        default="srgan-x4",
        description="An attack's name, the file of any super-resolution network that spandrel "
        "loads (.pth, .safetensors), package.module:function, or a chain: "
        "srgan-x4+jpeg-75+srgan-x4.",
    )
    scale: float | None = Field(
        default=None,
        ge=1,
        description="By how much faces are shrunk; by default the network's own scale.",
    )
    variant: Variant | None = Field(
        default=None,
        description="In which order faces are resized: shrunk at their own size (as-found, the "
        "default), resized to 224 pixels first, or enlarged first.",
    )
    content: Content = Field(
        default="auto",
        description="Whether the files are whole photographs, in which every face is found and "
        "attacked, or face crops, which are attacked as a whole. auto: crops if all images are "
        "square and at most 512 pixels wide and no boxes are known, else photographs.",
    )
    faces: Attacked = Field(
        default="all",
        description="Which faces are attacked, by label; others are written as they are.",
    )
    paste: Paste = Field(
        default="hard",
        description="How a face is put back: with a hard edge, as published, or feathered: faded "
        "into the photograph over a twelfth of its side.",
    )
    save_as: SaveAs = Field(
        default="png",
        description="Lossless PNG, or the format of each original with its JPEG quality.",
    )
    margin: float = Field(
        default=MARGIN,
        ge=0,
        description="How much around a face is attacked with it: share of its box's longer side "
        "on each end.",
    )
    batch_size: int = Field(
        default=16, ge=1, description="How many faces of one size are attacked at once."
    )
    precision: Precision = Field(
        default="float32", description="In which precision networks compute."
    )

    def chooses(self, label: int | None) -> bool:
        """Whether faces with this label are attacked; None where no label is known."""
        return self.faces == "all" or label in ATTACKED_LABELS[self.faces]

    def identity(self) -> dict[str, Any]:
        """Returns the settings on which copies depend, apart from the attack itself."""
        return self.model_dump(mode="json", exclude=set(_OF_THE_ATTACK | _OF_THE_RUN))
