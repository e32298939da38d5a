"""From logits to answers: verdict, likelihood ratio, and the condition under which it was measured.

Needs numpy and Pillow, no torch.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image

from demagnify.core import images
from demagnify.core.files import private_folder, sha256
from demagnify.core.images import Pixels
from demagnify.data.face_finding import Face
from demagnify.inference import calibration as calibrations
from demagnify.inference import conditions
from demagnify.inference.calibration import Calibration, Verdict, folder_of, has_calibration
from demagnify.inference.conditions import (
    NOT_VALIDATED,
    Condition,
    ConditionTable,
    jpeg_quality,
)
from demagnify.inference.exported import ExportNotes

SCOPE: Final = (
    "face swaps and video manipulations; not fully synthetic portraits, not local retouching"
)
"""Kinds of fakes that the shipped weights look for, but for the expert."""
SCOPES: Final = {
    "default": SCOPE,
    "portraits": "portraits that StyleGAN made as a whole; no other kind of fakes",
}
"""Of shipped defences, by name; that of the default for any other."""
DELIVERY_QUALITY: Final = 75
_JPEG: Final = b"\xff\xd8"


class Seen(NamedTuple):
    """The part of a photograph that an answer depends on, beside the logit.

    Attributes:
        face_size: Side of the face crop in pixels of the photograph.
        jpeg_quality: Estimated; None if there is no trace of JPEG compression.
        enhancement: The answer about enhancement; None if nobody asked.
    """

    face_size: int
    jpeg_quality: int | None
    enhancement: str | None


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The meaning of one logit.

    Attributes:
        verdict: "real", "fake" or "unsure".
        likelihood_ratio: How many times likelier the logit is for a fake than for a real face;
            None if there is none: not calibrated, not validated under this condition, or the
            opposite verdict on the delivered face.
        limited: Whether it is the highest or lowest that the data support.
        condition: The measured condition with its error rates; None: not validated.
        delivered: The verdict on the photograph at half its size, stored as JPEG 75; None if that
            was not tried.
        reason: Why the verdict is "unsure"; "" otherwise.
    """

    verdict: Verdict
    reason: str = ""
    likelihood_ratio: float | None = None
    limited: bool = False
    condition: Condition | None = None
    delivered: Verdict | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what JSON can hold, beside the verdict."""
        found = self.condition
        return {
            "reason": self.reason,
            "likelihood_ratio": self.likelihood_ratio,
            "likelihood_ratio_limited": self.limited,
            "condition": NOT_VALIDATED if found is None else found.in_words(),
            "error_rates": None if found is None else found.model_dump(mode="json"),
            "delivered": self.delivered,
        }

    def in_words(self) -> list[str]:
        """Returns the reason of "unsure", ratio, condition and delivery check, in lines."""
        if self.likelihood_ratio is None:
            lines = ["no likelihood ratio"]
        else:
            ratio, limit = self.likelihood_ratio, ""
            if self.limited:
                limit = "at least " if ratio > 1 else "at most "
            lines = [f"likelihood ratio, fake to real: {limit}{ratio:.3g}"]
        if self.reason:
            lines.insert(0, f"unsure: {self.reason}")
        lines.append(NOT_VALIDATED if self.condition is None else self.condition.with_rates())
        if self.delivered not in (None, self.verdict):
            lines.append(f"at half the size, stored as JPEG {DELIVERY_QUALITY}: {self.delivered}")
        return lines


@dataclass(frozen=True)
class Interpreter:
    """A calibration with its table of conditions.

    Attributes:
        calibration: Limits and likelihood ratios.
        table: Error rates by condition; None if they were not measured.
        sha256: Of the file of the calibration.
    """

    calibration: Calibration
    table: ConditionTable | None
    sha256: str

    @classmethod
    def load(
        cls, place: str | Path, fingerprint: str, *, required: bool = False
    ) -> Interpreter | None:
        """Reads calibration and conditions from a folder, or from beside a shipped defence.

        Args:
            place: The name of a shipped defence, or a folder.
            fingerprint: Of the weights whose logits are read.
            required: Whether a missing calibration is an error.

        Returns:
            None if there is no calibration.

        Raises:
            BadArtifactError: If a file is damaged or belongs to other weights.
        """
        if not required and not has_calibration(place):
            return None
        with resources.as_file(folder_of(place)) as folder:
            path = Path(folder) / calibrations.FILE
            calibration = Calibration.read(path, fingerprint)
            digest = sha256(path)
            table = ConditionTable.beside(Path(folder), fingerprint, digest)
        return cls(calibration, table, digest)

    @classmethod
    def inside(cls, notes: ExportNotes) -> Interpreter | None:
        """Returns what an exported file holds of a calibration; None if it holds none.

        Raises:
            BadArtifactError: If it is damaged or belongs to other weights.
        """
        if not notes.calibration:
            return None
        with private_folder() as folder:
            (folder / calibrations.FILE).write_bytes(notes.calibration.encode())
            if notes.conditions:
                (folder / conditions.FILE).write_bytes(notes.conditions.encode())
            return cls.load(folder, notes.fingerprint, required=True)

    def for_any_face(self) -> Interpreter:
        """Returns the same without what was fitted and counted by the answer about enhancement."""
        everyone, table = calibrations.ANY, self.table
        kept = {everyone: self.calibration.parts[everyone]}
        if table is not None:
            rows = tuple(one for one in table.conditions if one.enhancement == everyone)
            table = table.model_copy(update={"conditions": rows})
        return replace(
            self, calibration=self.calibration.model_copy(update={"parts": kept}), table=table
        )

    def read(
        self, logit: float, seen: Seen, *, abstained: bool = False, delivered: float | None = None
    ) -> Meaning:
        """Returns the meaning of a logit.

        Args:
            logit: Of the face.
            seen: How large it is, how it was stored, and whether it was enhanced.
            abstained: Whether the defence itself gave no verdict.
            delivered: The logit of the same face in the photograph at half its size, stored as
                JPEG 75; None if that was not tried.
        """
        result = self.calibration.apply([logit], [seen.enhancement])
        verdict = result.verdicts[0]
        again = None
        if delivered is not None:
            again = self.calibration.apply([delivered], [seen.enhancement]).verdicts[0]
        torn = abstained or {verdict, again} == {"real", "fake"}
        if torn:  # and a ratio of one of two opposite measurements would be one too many
            verdict = "unsure"
        # Rates for any answer hold where the calibration has no limits of its own for this one.
        own = seen.enhancement in self.calibration.parts
        condition = None if self.table is None else self.table.find(*seen, own=own)
        measured = condition is not None and not torn and not math.isnan(result.log10_lr[0])
        ratio = result if measured else None
        return Meaning(
            verdict=verdict,
            reason=self._doubt(logit, seen, torn=torn, abstained=abstained)
            if verdict == "unsure"
            else "",
            likelihood_ratio=None if ratio is None else float(10 ** ratio.log10_lr[0]),
            limited=ratio is not None and bool(ratio.limited[0]),
            condition=condition,
            delivered=again,
        )

    def _doubt(self, logit: float, seen: Seen, *, torn: bool, abstained: bool) -> str:
        """Returns why a verdict is "unsure"."""
        if abstained:
            return "the defence abstains"
        if torn:
            return (
                f"at half the size, stored as JPEG {DELIVERY_QUALITY}, the verdict is the opposite"
            )
        name, part = self.calibration.part(seen.enhancement)
        whose = "" if name == calibrations.ANY else f' of the enhancement answer "{name}"'
        if part.threshold is None or part.real_below is None:
            return f"the calibration has too few groups for both limits{whose}"
        low, high = part.real_below, part.threshold
        return f"the logit {logit:.2f} lies between the limits{whose}, {low:.2f} and {high:.2f}"

    def in_words(self) -> str:
        """Returns what it was fitted on, what it promises, and the data of the error rates."""
        fitted, part = self.calibration, self.calibration.parts[calibrations.ANY]
        reals = f"; real faces also of {', '.join(fitted.reals_only)}" if fitted.reals_only else ""
        words = (
            f"Fitted on {part.real_faces} real and {part.fake_faces} fake faces, clean and "
            f"laundered, of {part.real_groups} and {part.fake_groups} groups of "
            f"{', '.join(fitted.data)}{reals}. Of new groups like these, on average at most "
            f"{fitted.target_fpr:.0%} of real faces are called fake, and at most "
            f"{fitted.target_fnr:.0%} of fake faces real."
        )
        answers = [
            f"{name} ({own.real_faces} real and {own.fake_faces} fake faces of "
            f"{own.real_groups} and {own.fake_groups} groups)"
            for name, own in fitted.parts.items()
            if name != calibrations.ANY
        ]
        if answers:
            words += (
                " There are limits of their own for the answers about enhancement: "
                f"{', '.join(answers)}."
            )
        if part.likelihood_ratio is not None:
            words += (
                f" Cost of the likelihood ratios on these faces (Cllr; 0 perfect, 1 no "
                f"information): {part.likelihood_ratio.cllr:.2f} bits."
            )
        if self.table is not None:
            words += f" Error rates by condition: split test of {', '.join(self.table.data)}."
        return words

    def threshold(self, enhancement: str | None) -> float | None:
        """Returns the logit above which a face is called fake."""
        return self.calibration.part(enhancement)[1].threshold


def quality_of(file: Path | bytes, pixels: Pixels) -> int | None:
    """Estimates the JPEG quality of a photograph: from its file if that is JPEG, else from pixels.

    Args:
        file: The file or its content; the name of an array if there is none.
        pixels: Its pixels, uint8 RGB (H, W, 3), upright.
    """
    with suppress(OSError), BytesIO(file) if isinstance(file, bytes) else file.open("rb") as opened:
        if opened.read(2) == _JPEG:
            return jpeg_quality(file)
    return jpeg_quality(pixels)


def delivered_photo(pixels: Pixels) -> Pixels:
    """Returns a photograph at half its size, after JPEG 75: what a messenger would deliver."""
    height, width = (max(side // 2, 1) for side in pixels.shape[:2])
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return images.through_jpeg(np.asarray(small), DELIVERY_QUALITY)


def delivered_face(face: Face) -> Face:
    """Returns where a face is in the photograph at half its size."""
    x, y, width, height = (value / 2 for value in face.box)
    return Face((x, y, width, height), face.landmarks / np.float32(2), face.score)
