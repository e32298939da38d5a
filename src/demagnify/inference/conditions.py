"""Under which measured condition an answer falls, and the error rates there.

A condition is a range of face sizes, a range of JPEG qualities and the answer about enhancement.
The table `conditions.json` lies beside the weights; `demagnify calibrate` measures it on faces that
the calibration did not see. Reading it and estimating the quality needs numpy and Pillow alone.
"""

from __future__ import annotations

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from pydantic import Field, ValidationError

from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.core.images import Pixels
from demagnify.core.sealed import ANEW, read_sealed, write_sealed
from demagnify.core.settings import Frozen
from demagnify.inference.calibration import ANY

FILE: Final = "conditions.json"
SIZES: Final = {56: (40, 80), 112: (80, 160), 224: (160, 320)}
"""Side of the crop in pixels at which errors are measured -> the range it stands for."""
QUALITIES: Final = {50: (40, 62), 75: (62, 85), 95: (85, 101)}
"""JPEG quality at which errors are measured -> the range it stands for."""
NOT_VALIDATED: Final = "not validated"

_LUMINANCE: Final = np.fromstring(
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 "
    "62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 "
    "72 92 95 98 112 100 103 99",
    sep=" ",
).reshape(8, 8)
"""The quantisation table of quality 50 (ITU-T T.81, Annex K), row by row."""


class Rate(Frozen):
    """A share with its 95 % interval (Clopper and Pearson, with groups as the number of trials)."""

    value: float = Field(ge=0, le=1, description="Share of the faces")
    low: float = Field(ge=0, le=1, description="Lower end of the 95 % interval")
    high: float = Field(ge=0, le=1, description="Upper end of the 95 % interval")
    faces: int = Field(ge=1, description="How many faces")
    groups: int = Field(ge=1, description="How many videos or photographs they are from")


class Condition(Frozen):
    """Error rates under one condition. A range is from its first number to below its second."""

    face_size: tuple[int, int] = Field(description="Side of the face crop in pixels")
    jpeg_quality: tuple[int, int] | None = Field(
        description="Estimated JPEG quality; null: no trace of JPEG compression"
    )
    enhancement: str = Field(description="The answer about enhancement; any: not asked")
    fpr: Rate | None = Field(description="Real faces that were called fake; null: not measured")
    fnr: Rate | None = Field(description="Fake faces that were called real; null: not measured")
    abstained: Rate = Field(description="Faces that got the verdict unsure")

    def holds(self, face_size: float, quality: int | None, enhancement: str) -> bool:
        """Returns whether a face falls under this condition."""
        if self.enhancement != enhancement or not _within(face_size, self.face_size):
            return False
        if quality is None or self.jpeg_quality is None:
            return quality is None and self.jpeg_quality is None
        return _within(quality, self.jpeg_quality)

    def in_words(self) -> str:
        """Returns the condition in one phrase."""
        size = f"face crop of {self.face_size[0]} to {self.face_size[1] - 1} pixels"
        quality = (
            "no trace of JPEG"
            if self.jpeg_quality is None
            else f"JPEG quality {self.jpeg_quality[0]} to {min(self.jpeg_quality[1] - 1, 100)}"
        )
        found = [] if self.enhancement == ANY else [f'enhancement "{self.enhancement}"']
        return ", ".join([size, quality, *found])

    def with_rates(self) -> str:
        """Returns condition and error rates in one phrase."""
        rates = [
            f"{name} {one.value:.1%} ({one.low:.1%} to {one.high:.1%}, n = {one.faces}"
            f"{f' in {one.groups} groups' if one.groups < one.faces else ''})"
            for name, one in (("real called fake", self.fpr), ("fake called real", self.fnr))
            if one is not None
        ]
        if self.abstained.value == 1:  # rates of 0 % would be praise for answers never given
            rates = [f"all {self.abstained.faces} faces were unsure"]
        elif self.abstained.value:
            rates.append(f"unsure {self.abstained.value:.1%} (n = {self.abstained.faces})")
        return f"{self.in_words()}: {', '.join(rates)}"


class ConditionTable(Frozen):
    """Error rates of one calibrated defence by condition."""

    kind: Literal["conditions"] = "conditions"
    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="Of the weights that gave the logits")
    calibration_sha256: str = Field(description="Of the calibration whose verdicts were counted")
    conditions: tuple[Condition, ...] = Field(description="The measured conditions")
    data: tuple[str, ...] = Field(description="Names of the data sets; their split test was used")
    command: str = Field(default="", description="How it was made")
    machine: str = Field(default="", description="Where it was made")

    @classmethod
    def read(cls, path: Path, fingerprint: str, calibration_sha256: str) -> ConditionTable:
        """Reads a table and checks that it belongs to these weights and this calibration.

        Raises:
            BadArtifactError: If it is missing, no table, or belongs to others.
        """
        try:
            found = cls.model_validate_json(json.dumps(read_sealed(path)))
        except FileNotFoundError as error:
            raise BadArtifactError(
                f"{path}: there is no such file", hint="`demagnify calibrate` makes it"
            ) from error
        except ValidationError as error:
            raise BadArtifactError(
                f"{path} is no table of conditions: {first_finding(error)}"
            ) from error
        except (OSError, ValueError) as error:
            raise BadArtifactError(f"{path}: {error}", hint=f"{ANEW} {path}") from error
        if (found.fingerprint, found.calibration_sha256) != (fingerprint, calibration_sha256):
            raise BadArtifactError(
                f"{path} belongs to other weights or another calibration",
                hint="run `demagnify calibrate` for this defence",
            )
        return found

    @classmethod
    def beside(
        cls, folder: Path, fingerprint: str, calibration_sha256: str
    ) -> ConditionTable | None:
        """Reads the table in the folder of a calibration; None if there is none."""
        path = folder / FILE
        return cls.read(path, fingerprint, calibration_sha256) if path.is_file() else None

    def save(self, folder: Path) -> Path:
        """Writes `conditions.json` to a folder; returns its path."""
        write_sealed(folder / FILE, self.model_dump_json())
        return folder / FILE

    def find(
        self,
        face_size: float,
        quality: int | None,
        enhancement: str | None,
        *,
        own: bool = False,
    ) -> Condition | None:
        """Returns the measured condition of a face; None if there is none: not validated.

        Args:
            face_size: Side of the face crop in pixels of the photograph.
            quality: Estimated JPEG quality; None if there is no trace of JPEG compression.
            enhancement: The answer about enhancement; None if nobody asked. Where rates were
                not counted by it, those for any answer hold.
            own: Whether faces with this answer have limits of their own, so that those do not.
        """
        names = [enhancement] if own and enhancement else [enhancement or ANY, ANY]
        for name, one in ((name, one) for name in names for one in self.conditions):
            if one.holds(face_size, quality, name):
                return one
        return None


def _within(value: float, limits: tuple[int, int]) -> bool:
    return limits[0] <= value < limits[1]


def jpeg_quality(photo: Path | bytes | Pixels) -> int | None:
    """Estimates at which quality (1-100) a photograph was last stored as JPEG.

    Of a JPEG file the quantisation table tells; of other files and of pixels, the steps in which
    the coefficients of 8x8 blocks lie, where the blocks are still in their places.

    Args:
        photo: A file, its bytes, or its pixels, uint8 RGB (H, W, 3).

    Returns:
        The quality on the scale of libjpeg; None if there is no trace of JPEG compression.

    Raises:
        OSError: If the file cannot be read as an image.

    Example:
        >>> jpeg_quality(np.full((64, 64, 3), 90, dtype=np.uint8)) is None
        True
    """
    if isinstance(photo, np.ndarray):
        return _quality_of_pixels(photo)
    with Image.open(BytesIO(photo) if isinstance(photo, bytes) else photo) as opened:
        if isinstance(opened, JpegImagePlugin.JpegImageFile) and opened.quantization:
            # Since Pillow 8.3 tables are in the order of rows.
            table = np.array(opened.quantization[0], dtype=np.float64).reshape(8, 8)
            return _quality_of_table(table)
        return _quality_of_pixels(np.asarray(opened.convert("RGB"), dtype=np.uint8))


def _quality_of_table(table: NDArray[np.float64], known: NDArray[np.bool_] | None = None) -> int:
    """Returns the libjpeg quality whose table is the nearest, by the logarithm of the steps."""
    mask = np.ones((8, 8), dtype=bool) if known is None else known
    distances = [
        np.abs(np.log(_standard_table(quality)[mask]) - np.log(table[mask])).mean()
        for quality in range(1, 101)
    ]
    return int(np.argmin(distances)) + 1


def _standard_table(quality: int) -> NDArray[np.float64]:
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    table: NDArray[np.float64] = np.clip(np.floor((_LUMINANCE * scale + 50) / 100), 1, 255)
    return table


_ENOUGH: Final = 40
"""So many coefficients beyond half a step decide whether the step is real."""
_PERIODIC: Final = 0.6


def _quality_of_pixels(pixels: Pixels) -> int | None:
    """Finds the largest step that explains the coefficients of each of the low frequencies."""
    height, width = (min(side // 8 * 8, 1024) for side in pixels.shape[:2])
    if min(height, width) < 32:
        return None
    luma = pixels[:height, :width].astype(np.float64) @ np.array([0.299, 0.587, 0.114]) - 128
    blocks = luma.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    flat = blocks.reshape(-1, 64)
    usable = blocks[(flat.min(axis=1) > -126) & (flat.max(axis=1) < 125)]  # no clipped blocks
    rows = np.arange(8)
    basis = np.sqrt(np.where(rows == 0, 1, 2)[:, None] / 8) * np.cos(
        np.pi * rows[:, None] * (2 * rows[None, :] + 1) / 16
    )
    coefficients = basis @ usable[:4096] @ basis.T
    steps, known = np.ones((8, 8)), np.zeros((8, 8), dtype=bool)
    for place in zip(*np.nonzero(np.add.outer(rows, rows) <= 3), strict=True):
        values = coefficients[(slice(None), *place)]
        for step in range(60, 2, -1):
            far = values[np.abs(values) > step / 2]
            if len(far) >= _ENOUGH and np.cos(2 * math.pi * far / step).mean() > _PERIODIC:
                steps[place], known[place] = step, True
                break
    known[0, 0] = False  # the mean of a block says little
    return _quality_of_table(steps, known) if known.sum() >= 4 else None
