"""Answers as the page shows them: every word of the inputs escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources, util
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, StrictUndefined

from demagnify.core import images
from demagnify.core.errors import BadImageError, DemagnifyError
from demagnify.core.extras import install, need
from demagnify.core.files import private_folder
from demagnify.core.printing import printable
from demagnify.data.face_finding import crop, overlap
from demagnify.inference import (
    ClipVerdict,
    Enhancement,
    FaceVerdict,
    Photograph,
    PhotoVerdict,
    Pipeline,
    draw_timeline,
    draw_verdict,
)
from demagnify.inference.answers import SCOPE
from demagnify.inference.case import record_input
from demagnify.inference.case.document import PROPOSITIONS
from demagnify.inference.case.page import explanation_in_words, ratio_in_words
from demagnify.inference.video import is_clip
from demagnify.serve.face_pictures import SIDE, Picture, of_face, spectrum
from demagnify.serve.work import Limits

_LONGEST: Final = 1000
"""Side in pixels of the photograph as shown."""
_SAME: Final = 1 / 3
"""Intersection over union: what two boxes of one size have that share a half of their area."""
_NOTHING: Final[Mapping[str, Any]] = {
    "problem": "",
    "summary": "",
    "whole": None,
    "faces": (),
    "tracks": (),
    "portraits": (),
    "laundered": (),
    "attack": "",
    "scope": "",
    "prefix": "face-",
}


class Laundered(NamedTuple):
    """A face before and after: rows of (method, verdict before, verdict after), and pictures."""

    rows: list[tuple[str, FaceVerdict, FaceVerdict | None]]
    pictures: list[Picture]


class Answers:
    """Classifies what was dropped on the page, and says the answer in HTML.

    Args:
        pipeline: What classifies.
        limits: What photographs and clips may have at most.
    """

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self._pipeline, self._limits = pipeline, limits
        self._bare: Pipeline | None = None
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        environment.filters["plain"] = printable
        environment.filters["ratio"] = ratio_in_words
        environment.filters["explained"] = explanation_in_words
        environment.filters["percent"] = lambda share: f"{share:.1%}"
        environment.filters["enhancement"] = lambda answer: Enhancement(**answer)
        environment.globals["propositions"] = PROPOSITIONS
        text = resources.files("demagnify.serve") / "answers.html.j2"
        self._template = environment.from_string(text.read_text(encoding="utf-8"))

    def classify(self, path: Path | None) -> str:
        """Returns the answer about a photograph or clip."""
        if path is None:
            return ""
        try:
            return self._clip(path) if is_clip(path) else self._photograph(path)
        except DemagnifyError as error:
            return self._problem(error)

    def launder(self, path: Path | None, attack: str) -> str:
        """Returns the verdicts on a photograph before and after an attack, with both defences."""
        if path is None:
            return self._problem("drop a photograph first")
        if not util.find_spec("torch"):
            return self._problem(f"laundering needs torch ({install('research')})")
        from demagnify.laundering.attack import attack as attack_files
        from demagnify.laundering.config import AttackConfig

        try:
            with private_folder() as folder:
                settings = AttackConfig(
                    attack=attack, content="photos", device=self._pipeline.config.device
                )
                original = folder / f"photograph{path.suffix}"
                original.write_bytes(images.read_file(path))
                before = self._read(original, path.name)
                find = self._pipeline.finder.find
                attack_files(original, folder / "copy", settings, find_faces=find)
                (copy,) = (folder / "copy").rglob("photograph*.png")
                after = self._read(copy, path.name)
            pairs = [(self._verdict(before), self._verdict(after))]
            pairs.insert(0, (self._verdict(before, bare=True), self._verdict(after, bare=True)))
        except DemagnifyError as error:
            return self._problem(error)
        return self._render(
            laundered=list(_side_by_side(pairs)), attack=attack, scope=SCOPE, prefix="laundered-"
        )

    def _read(self, path: Path, name: str) -> Photograph:
        content = images.read_file(path)
        pixels = images.decode(content, name=name, max_pixels=self._limits.pixels)
        return Photograph(Path(name), pixels, content)

    def _verdict(self, photo: Photograph, *, bare: bool = False) -> PhotoVerdict:
        pipeline = self._undefended() if bare else self._pipeline
        (verdict,) = pipeline.photographs([photo])
        if verdict.problem:
            raise BadImageError(f"{verdict.path}: {verdict.problem}")
        if len(verdict.faces) > self._limits.faces:
            raise BadImageError(
                f"{len(verdict.faces)} faces are more than the limit of {self._limits.faces}"
            )
        return verdict

    def _undefended(self) -> Pipeline:
        """Returns the detector of the defence, alone."""
        if self._bare is None:
            from demagnify.agents.loading import load_defense

            config = self._pipeline.config
            defended = load_defense(config.defense, device=config.device)
            without = config.model_copy(update={"calibration": None})
            self._bare = Pipeline.load(
                without, defense=defended.detector, finder=self._pipeline.finder
            )
        return self._bare

    def _photograph(self, path: Path) -> str:
        verdict = self._verdict(self._read(path, path.name))
        assert verdict.pixels is not None  # noqa: S101  for the type checker
        record = record_input(verdict, 1, sha256=None, size=None)
        pictures = [
            of_face(crop(verdict.pixels, one.face), one.action, number)
            for number, one in enumerate(verdict.faces, start=1)
        ]
        drawn = draw_verdict(verdict)
        scale = min(1.0, _LONGEST / max(drawn.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in drawn.shape[:2])
        whole = Picture.of(
            "Faces, verdicts, scores and corrections",
            f"The photograph, {_count(face.verdict for face in verdict.faces)}; faces are framed",
            images.resize(drawn, width, height),
        )
        return self._render(
            summary=_count(face.verdict for face in verdict.faces),
            whole=whole,
            faces=[*zip(record.faces, pictures, strict=True)],
            scope=SCOPE,
        )

    def _clip(self, path: Path) -> str:
        need("video", "av", "scenedetect", what="clips need")
        verdict: ClipVerdict = self._pipeline.clip(path, on_frame=self._limits.check_frame)
        whole = None
        if verdict.shots:
            title = f"Timeline of {len(verdict.shots)} shots"
            whole = Picture.of(title, title, draw_timeline(verdict))
        return self._render(
            problem=verdict.problem or "",
            summary=_count(track.verdict for track in verdict.tracks) if verdict.tracks else "",
            whole=whole,
            tracks=verdict.tracks,
            portraits=[
                [Picture.of("In the middle", f"Face {track.number}", track.portrait)]
                for track in verdict.tracks
            ],
            scope=f"{SCOPE}. Answers about clips are not calibrated",
        )

    def _problem(self, line: object) -> str:
        return self._render(problem=str(line))

    def _render(self, **values: Any) -> str:  # noqa: ANN401  whatever the template takes
        return self._template.render(**{**_NOTHING, **values})


def _count(verdicts: Iterable[str]) -> str:
    """Returns in words how many faces got which verdict."""
    counts = Counter(verdicts)
    total = counts.total()
    order = ("real", "fake", "unsure")
    found = ", ".join(f"{counts[name]} {name}" for name in order if counts[name])
    return f"{total} face{'s' if total != 1 else ''}: {found}"


def _side_by_side(pairs: list[tuple[PhotoVerdict, PhotoVerdict]]) -> Iterable[Laundered]:
    """Yields each face with its verdicts, undefended first; the same face is where it was."""
    (before, after), (defended, defended_after) = pairs
    for number, (bare, face) in enumerate(zip(before.faces, defended.faces, strict=True), 1):
        same, same_defended = (_same(face, one) for one in (after, defended_after))
        rows = [("Undefended", bare, same), ("Defended", face, same_defended)]
        shown = [("before", defended, face)]
        if same_defended is not None:
            shown.append(("after", defended_after, same_defended))
        yield Laundered(rows, [one for each in shown for one in _pictures(*each, number)])


def _pictures(when: str, photo: PhotoVerdict, one: FaceVerdict, number: int) -> Iterator[Picture]:
    """Yields a face and its spectrum."""
    assert photo.pixels is not None  # noqa: S101  for the type checker
    cut = images.fit(crop(photo.pixels, one.face), SIDE)
    yield Picture.of(f"Face {when}", f"Face {number} {when}", cut)
    yield Picture.of(f"Spectrum {when}", f"Power spectrum of face {number} {when}", spectrum(cut))


def _same(face: FaceVerdict, photo: PhotoVerdict) -> FaceVerdict | None:
    """Returns the face that lies where one was; None if there is none."""
    best = max(photo.faces, key=lambda other: overlap(face.box, other.box), default=None)
    return best if best is not None and overlap(face.box, best.box) > _SAME else None
