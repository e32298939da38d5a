"""What detection needs, loaded once: photographs and clips in, verdicts out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from demagnify.core.errors import BadImageError, DemagnifyWarning
from demagnify.core.images import Pixels
from demagnify.data import face_finding, videos
from demagnify.data.face_finding import Face, FaceFinder, crop, square
from demagnify.inference.answers import (
    SCOPE,
    SCOPES,
    Interpreter,
    Meaning,
    Seen,
    delivered_face,
    delivered_photo,
    quality_of,
)
from demagnify.inference.calibration import Verdict, has_calibration
from demagnify.inference.enhancement import Enhancement, EnhancementRecognizer
from demagnify.inference.explanation import Explanation, explain
from demagnify.inference.runtime import (
    Decision,
    OnnxRuntime,
    Runtime,
    as_runtime,
    decide_each,
    load_runtime,
    score_of,
    surplus_of,
)
from demagnify.inference.video import ClipVerdict, classify_clip

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.detectors.detector import Detector
    from demagnify.inference.detect import DetectionConfig

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FaceVerdict:
    """The verdict on one face.

    Attributes:
        face: The face as found; its box may reach over the border.
        box: Left, top, width, height in pixels of the part of that box inside the photograph.
        verdict: "real", "fake", or "unsure" where the defence may abstain and does so.
        score: 0-1; above 0.5 the verdict is "fake", or would be. A ranking, not a probability of
            guilt.
        logit: The detector's logit after the action.
        action: The correction that the agent chose; "identity" for none.
        views: Of how many corrected images the logit is the mean.
        uncertainty: 0-1, the estimated chance that "real" or "fake" would be wrong; None if the
            defence does not estimate it.
        enhancement: Whether the face was enhanced by a super-resolution network; a second answer.
            It does not speak for fake; a calibration may have limits of its own for it.
        meaning: Likelihood ratio and measured error rates; None without a calibration.
        explanation: The part of the face that "real" or "fake" depends on; None if nobody asked,
            or the verdict is "unsure".
    """

    face: Face
    box: Box
    verdict: Verdict
    score: float
    logit: float
    action: str
    enhancement: Enhancement
    views: int = 1
    uncertainty: float | None = None
    meaning: Meaning | None = None
    explanation: Explanation | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the verdict in words and numbers that JSON can hold."""
        found: dict[str, Any] = {
            "box": [round(value, 1) for value in self.box],
            "found_with": round(self.face.score, 4),
            "verdict": self.verdict,
            "score": self.score,
            "logit": self.logit,
            "action": self.action,
            "views": self.views,
            "enhancement": self.enhancement.to_json(),
            **(self.meaning or Meaning(verdict=self.verdict)).to_json(),
        }
        if self.uncertainty is not None:
            found["uncertainty"] = self.uncertainty
        if self.explanation is not None:
            found["explanation"] = self.explanation.to_json()
        return found


@dataclass(frozen=True, kw_only=True)
class PhotoVerdict:
    """The verdicts on one photograph.

    Attributes:
        path: The file; for an array "array-1" and so on, by its place.
        faces: A verdict for each face, the largest first; empty if there is none.
        problem: Why there is no verdict; None if there is one.
        pixels: The upright photograph, uint8 RGB (H, W, 3); None if it could not be read.
        scope: Which kinds of fakes the defence looks for.
    """

    path: Path
    faces: tuple[FaceVerdict, ...] = ()
    problem: str | None = None
    pixels: Pixels | None = None
    scope: str = SCOPE

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the pixels."""
        found = [face.to_json() for face in self.faces]
        about = {"problem": self.problem, "scope": self.scope}
        return {"file": str(self.path), "faces": found, **about}


class Photograph(NamedTuple):
    """A photograph that was read.

    Attributes:
        path: Its file; a mere name if `content` is given or there is no file.
        pixels: uint8 RGB (H, W, 3), upright; or why it could not be read.
        content: The bytes of its file; None if they are at `path`.
    """

    path: Path
    pixels: Pixels | BadImageError
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What finds, corrects, classifies and interprets faces; loaded once for many photographs.

    Attributes:
        config: The settings.
        runtime: Corrects and classifies face crops.
        finder: Finds the faces.
        recognizer: Says whether a face was enhanced.
        interpreter: Reads logits by a calibration; None if there is none.
    """

    config: DetectionConfig
    runtime: Runtime
    finder: FaceFinder
    recognizer: EnhancementRecognizer
    interpreter: Interpreter | None

    @classmethod
    def load(
        cls,
        config: DetectionConfig,
        *,
        defense: Runtime | DefendedDetector | Detector | None = None,
        finder: FaceFinder | None = None,
    ) -> Self:
        """Loads the defence that `config` names, its calibration, and the rest.

        Args:
            config: The settings.
            defense: A runtime, a defended detector or a bare one instead.
            finder: Finds the faces; YuNet if None.

        Raises:
            BadArtifactError: If the defence or calibration cannot be loaded.
            BadConfigError: If it needs torch and torch is not installed.
        """
        interpreter = None
        if defense is None:
            defense = load_runtime(
                config.defense,
                device=config.device,
                precision=config.precision,
                runtime=config.runtime,
            )
            if config.precision != "bfloat16":
                interpreter = Interpreter.load(config.defense, defense.fingerprint)
            elif config.calibration is None and has_calibration(config.defense):
                warnings.warn(
                    "the calibration holds for float32: in bfloat16 verdicts are not calibrated",
                    DemagnifyWarning,
                    stacklevel=2,
                )
            if isinstance(defense, OnnxRuntime) and interpreter is None:
                interpreter = Interpreter.inside(defense.notes)
        runtime = as_runtime(defense)
        if config.calibration is not None:
            interpreter = Interpreter.load(config.calibration, runtime.fingerprint, required=True)
        recognizer = EnhancementRecognizer.load(config.enhancement)
        if interpreter is not None and interpreter.calibration.recognizer not in (
            "",
            recognizer.sha256,
        ):
            warnings.warn(
                "the calibration asked another network about enhancement: limits for any face hold",
                DemagnifyWarning,
                stacklevel=2,
            )
            interpreter = interpreter.for_any_face()
        return cls(
            config=config,
            runtime=runtime,
            finder=finder or face_finding.FaceFinder(),
            recognizer=recognizer,
            interpreter=interpreter,
        )

    def photographs(self, photos: Sequence[Photograph]) -> Iterator[PhotoVerdict]:
        """Yields the verdicts on photographs, in order."""
        verdicts = self._classified(photos)
        if self.interpreter is not None:
            read = partial(self._calibrated, self.interpreter)
            verdicts = map(read, verdicts, photos)
        return map(self._explained, verdicts) if self.config.explain else verdicts

    def _calibrated(
        self, reads: Interpreter, found: PhotoVerdict, photo: Photograph
    ) -> PhotoVerdict:
        """Gives each face the verdict of a calibration, not of the detector's own threshold."""
        pixels = found.pixels
        if not found.faces or pixels is None:
            return found
        quality = quality_of(photo.path if photo.content is None else photo.content, pixels)
        delivered: list[float | None] = [None] * len(found.faces)
        if self.config.delivery_check:
            small, size = delivered_photo(pixels), self.runtime.input_size
            crops = [crop(small, delivered_face(one.face), size=size) for one in found.faces]
            delivered = [one.logit for one in decide_each(self.runtime, crops)]
        faces = []
        for one, again in zip(found.faces, delivered, strict=True):
            enhanced = one.enhancement.answer
            meaning = reads.read(
                one.logit,
                Seen(square(one.face, pixels.shape).side, quality, enhanced),
                abstained=one.verdict == "unsure",
                delivered=again,
            )
            limit = reads.threshold(enhanced)
            score = one.score if limit is None else score_of(one.logit - limit)
            faces.append(replace(one, verdict=meaning.verdict, score=score, meaning=meaning))
        return replace(found, faces=tuple(faces))

    def _explained(self, photo: PhotoVerdict) -> PhotoVerdict:
        """Adds to each face what its verdict depends on."""
        if photo.pixels is None:
            return photo
        faces = []
        for one in photo.faces:
            if one.verdict != "unsure":
                cut = crop(photo.pixels, one.face)
                (found,) = explain([cut], self.runtime, toward=[one.verdict])
                one = replace(one, explanation=found)  # noqa: PLW2901
            faces.append(one)
        return replace(photo, faces=tuple(faces))

    def clip(
        self, path: Path, *, on_frame: Callable[[videos.Frame], None] | None = None
    ) -> ClipVerdict:
        """Returns the verdicts on a clip.

        Args:
            path: The file.
            on_frame: Gets each decoded frame first; an error that it raises ends the reading.
        """
        return classify_clip(path, self.config, self.runtime, self.finder, on_frame=on_frame)

    def _classified(self, photos: Sequence[Photograph]) -> Iterator[PhotoVerdict]:
        found = [
            [] if isinstance(photo.pixels, BadImageError) else self.finder.find(photo.pixels)
            for photo in photos
        ]
        crops = [
            crop(photo.pixels, face, size=self.runtime.input_size)
            for photo, faces in zip(photos, found, strict=True)
            if not isinstance(photo.pixels, BadImageError)
            for face in faces
        ]
        classified = decide_each(self.runtime, crops)
        for (path, pixels, _), faces in zip(photos, found, strict=True):
            if isinstance(pixels, BadImageError):
                yield PhotoVerdict(path=path, problem=str(pixels).removeprefix(f"{path}: "))
            elif not faces:
                yield PhotoVerdict(path=path, problem="no face was found", pixels=pixels)
            else:
                enhancements = self.recognizer([crop(pixels, face) for face in faces])
                verdicts = [
                    self._verdict(face, pixels, next(classified), enhancement)
                    for face, enhancement in zip(faces, enhancements, strict=True)
                ]
                scope = SCOPES.get(self.config.defense, SCOPE)
                yield PhotoVerdict(path=path, faces=tuple(verdicts), pixels=pixels, scope=scope)

    def _verdict(
        self, face: Face, pixels: Pixels, decision: Decision, enhancement: Enhancement
    ) -> FaceVerdict:
        surplus = surplus_of(decision.logit, self.runtime)
        return FaceVerdict(
            face=face,
            box=_inside(face.box, pixels.shape),
            verdict="unsure" if decision.abstained else "fake" if surplus > 0 else "real",
            score=score_of(surplus),
            logit=decision.logit,
            action=decision.action,
            enhancement=enhancement,
            views=self.runtime.views,
            uncertainty=decision.uncertainty,
        )


def _inside(box: Box, shape: tuple[int, ...]) -> Box:
    """Cuts off the part of a box beyond the borders of a photograph of shape (H, W, 3)."""
    left, right = (min(max(x, 0.0), shape[1]) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0.0), shape[0]) for y in (box[1], box[1] + box[3]))
    return left, top, right - left, bottom - top
