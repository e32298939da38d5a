"""What a logit is worth: limits for the verdicts, and a bounded likelihood ratio.

A calibration belongs to one set of weights and lies beside them as `calibration.json`.
`demagnify calibrate` makes it; reading and applying it needs numpy alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError

from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.core.sealed import ANEW, read_sealed, write_sealed
from demagnify.core.settings import Frozen

FILE: Final = "calibration.json"
ANY: Final = "any"
"""The part of a calibration for faces whose enhancement is not known."""
ENHANCED: Final = "enhanced"
ANSWERS: Final = ("captured", ENHANCED, "cannot tell")
"""The answers about enhancement; each may have a part of its own."""

Floats = NDArray[np.float64]
Verdict = Literal["real", "fake", "unsure"]


class LikelihoodRatio(Frozen):
    """Logistic calibration: ln LR = slope x logit + intercept, kept within limits.

    Source:
        Vergeer et al., Numerical likelihood ratios outputted by LR systems are often based on
        extrapolation: when to stop extrapolating? Science and Justice 56 (2016): the limits (ELUB).
        Bruemmer, du Preez, Application-independent evaluation of speaker detection, Computer
        Speech and Language 20 (2006): Cllr.
    """

    slope: float = Field(ge=0, description="Change of ln LR per unit of the logit")
    intercept: float = Field(description="ln LR at logit 0")
    low: float = Field(le=0, description="Lowest log10 LR that the data support")
    high: float = Field(ge=0, description="Highest log10 LR that the data support")
    cllr: float = Field(description="Cost of the bounded LR on the calibration data, in bits")
    cllr_min: float = Field(description="The same after the best monotone recalibration")

    def log10(self, logits: ArrayLike) -> Floats:
        """Returns the bounded log10 likelihood ratio, fake against real, of each logit."""
        raw = (self.slope * np.asarray(logits, np.float64) + self.intercept) / math.log(10)
        return np.clip(raw, self.low, self.high)


class Part(Frozen):
    """The calibration for one answer about enhancement, or for any.

    Attributes:
        threshold: A logit above it means fake; None if there are too few groups to promise it.
        real_below: A logit of at most this means real, if it is not above the threshold.
    """

    real_faces: int = Field(ge=0, description="Real faces, each clean or laundered, counted apart")
    fake_faces: int = Field(ge=0, description="Fake faces")
    real_groups: int = Field(ge=0, description="Groups (videos, photographs) that have real ones")
    fake_groups: int = Field(ge=0, description="Groups that have fake ones")
    threshold: float | None = Field(description="A logit above it means fake; null: none does")
    real_below: float | None = Field(description="A logit up to it means real; null: none does")
    likelihood_ratio: LikelihoodRatio | None = Field(
        description="From logits to likelihood ratios; null if a class has too few groups"
    )


class Calibrated(NamedTuple):
    """The meaning of N logits.

    Attributes:
        verdicts: "real", "fake" or "unsure" for each.
        log10_lr: log10 of the likelihood ratio, fake against real; NaN where there is none.
        limited: bool (N,), where the likelihood ratio is the highest or lowest that data support.
        parts: The name of the part of the calibration that was used.
    """

    verdicts: list[Verdict]
    log10_lr: Floats
    limited: NDArray[np.bool_]
    parts: list[str]


class Calibration(Frozen):
    """Limits and likelihood ratios for one set of weights.

    Of new groups like those of the data, at most `target_fpr` of the real faces are called fake,
    and at most `target_fnr` of the fake ones real, within each part; all others are unsure.

    Example:
        >>> calibration = Calibration.read(Path("calibration.json"))  # doctest: +SKIP
        >>> calibration.apply([-9.0, 9.0]).verdicts  # doctest: +SKIP
        ['real', 'fake']
    """

    kind: Literal["calibration"] = "calibration"
    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="Of the weights that gave the logits")
    target_fpr: float = Field(gt=0, lt=1, description="Share of real faces that may be called fake")
    target_fnr: float = Field(gt=0, lt=1, description="Share of fake faces that may be called real")
    parts: dict[str, Part] = Field(description="By the answer about enhancement; any: for all")
    data: tuple[str, ...] = Field(description="Names of the data sets")
    reals_only: tuple[str, ...] = Field(
        default=(), description="Names of the data sets whose fake faces are of other kinds"
    )
    conditions: dict[str, int] = Field(description="Attack -> faces that met it; none: clean")
    recognizer: str = Field(
        default="",
        description="SHA-256 of the network that answered about enhancement; empty: not known",
    )
    command: str = Field(default="", description="How it was made")
    demagnify: str = Field(default="", description="The version that made it")

    @classmethod
    def read(cls, path: Path, fingerprint: str | None = None) -> Calibration:
        """Reads a calibration and checks that it belongs to these weights.

        Args:
            path: The file.
            fingerprint: Of the defence whose logits are to be calibrated; not checked if None.

        Raises:
            BadArtifactError: If it is missing, no calibration, or belongs to other weights.
        """
        try:
            # From text, not values: pydantic is laxer then, as about tuples.
            found = cls.model_validate_json(json.dumps(read_sealed(path)))
        except FileNotFoundError as error:
            raise BadArtifactError(
                f"{path}: there is no such file", hint="`demagnify calibrate` makes it"
            ) from error
        except ValidationError as error:
            raise BadArtifactError(f"{path} is no calibration: {first_finding(error)}") from error
        except (OSError, ValueError) as error:
            raise BadArtifactError(f"{path}: {error}", hint=f"{ANEW} {path}") from error
        if fingerprint not in (None, found.fingerprint):
            raise BadArtifactError(
                f"{path} belongs to other weights (it names {found.fingerprint[:12]}, these are "
                f"{fingerprint[:12]})",
                hint="run `demagnify calibrate` for this defence",
            )
        return found

    def save(self, folder: Path) -> Path:
        """Writes `calibration.json` to a folder; returns its path."""
        write_sealed(folder / FILE, self.model_dump_json())
        return folder / FILE

    def part(self, enhancement: str | None) -> tuple[str, Part]:
        """Returns name and part for an answer about enhancement; that for any if there is none."""
        name = enhancement if enhancement in self.parts else ANY
        return name or ANY, self.parts[name or ANY]

    def apply(
        self, logits: ArrayLike, enhancement: Sequence[str | None] | None = None
    ) -> Calibrated:
        """Returns what logits mean.

        Args:
            logits: (N,).
            enhancement: The answer about enhancement for each face; not known if None.
        """
        values = np.asarray(logits, np.float64)
        verdicts: list[Verdict] = []
        ratios, names = np.full(len(values), np.nan), []
        limited = np.zeros(len(values), dtype=bool)
        for row, logit in enumerate(values):
            name, part = self.part(enhancement[row] if enhancement is not None else None)
            names.append(name)
            verdicts.append(verdict_of(float(logit), part))
            ratio = part.likelihood_ratio
            if ratio is not None:
                ratios[row] = ratio.log10(logit)
                limited[row] = bool(ratios[row] in (ratio.low, ratio.high))
        return Calibrated(verdicts, ratios, limited, names)


def verdict_of(logit: float, part: Part) -> Verdict:
    """Returns the verdict on one logit."""
    if part.threshold is not None and logit > part.threshold:
        return "fake"
    return "real" if part.real_below is not None and logit <= part.real_below else "unsure"


def folder_of(defense: str | Path) -> resources.abc.Traversable | Path:
    """Returns the folder of a shipped defence, of "hub:owner/name", or `defense` as a folder."""
    if isinstance(defense, str) and defense.startswith("hub:"):
        from demagnify.detectors.hub import fetch  # needs torch

        return fetch(defense.removeprefix("hub:"))
    shelf = resources.files("demagnify") / "weights" / "defenses"
    if isinstance(defense, str) and (shelf / defense).is_dir():
        return shelf / defense
    return Path(defense)


def has_calibration(defense: str | Path) -> bool:
    """Returns whether a calibration lies beside a shipped defence, or in a folder."""
    return (folder_of(defense) / FILE).is_file()
