"""A description as it is written to JSON."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

SIZE_EDGES: Final = (0, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Sizes(_Part):
    """How large the images of a split are: the shorter side, of the box where there is one."""

    images: int = Field(description="How many were measured")
    smallest: int = Field(description="Pixels")
    low: int = Field(description="Pixels; 5 % are smaller")
    median: int = Field(description="Pixels")
    high: int = Field(description="Pixels; 5 % are larger")
    largest: int = Field(description="Pixels")
    histogram: tuple[int, ...] = Field(
        description=f"Images from each of {SIZE_EDGES} pixels on, up to the next"
    )


class Split(_Part):
    """A split in numbers."""

    name: str
    real: int
    fake: int
    imbalance: float | None = Field(description="Fakes per real image; null without real images")
    groups: int = Field(description="Source photographs, videos or pairs")
    sizes: Sizes | None = Field(description="Null if no image could be measured")


class Crossing(_Part):
    """Items that two splits wrongly share."""

    split: str
    other: str
    count: int = Field(description="Of `split`, those that are in `other` too")
    examples: tuple[tuple[str, str], ...] = Field(description="One of `split`, one of `other`")


class Conflict(_Part):
    """Inputs that stand under both labels."""

    kind: str = Field(description="name: one file (and box) is listed as both; pixels: copies are")
    inputs: int = Field(description="How many inputs have both labels")
    images: int = Field(description="How many records these are")
    examples: tuple[str, ...]


class LeftOut(_Part):
    """A line or file that could not be used."""

    where: str
    reason: str


class Description(_Part):
    """A data set in numbers, and what is wrong with it."""

    source: str
    images: int
    splits: tuple[Split, ...]
    hashed: int = Field(description="Images that were compared by what they look like")
    distance: int = Field(description="Bits of 64 in which near duplicates may differ")
    shared_groups: tuple[Crossing, ...] = Field(description="Groups that are in two splits")
    identical: tuple[Crossing, ...] = Field(description="Images whose pixels are in two splits")
    near: tuple[Crossing, ...] = Field(description="Images that look alike, in two splits")
    conflicts: tuple[Conflict, ...]
    unprepared: int = Field(description="Faces that have yet to be cut out")
    left_out: tuple[LeftOut, ...]
