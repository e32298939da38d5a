"""The document of a case: `case.json`, and its published schema."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

import demagnify
from demagnify.core import documents, images
from demagnify.core.errors import BadArtifactError, BadOutputError, first_finding
from demagnify.core.files import atomic_folder, sha256, write_bytes, write_text
from demagnify.core.settings import Frozen
from demagnify.data import Skipped
from demagnify.data.face_finding import FaceFinder, crop
from demagnify.inference.answers import SCOPE, SCOPES
from demagnify.inference.calibration import Verdict
from demagnify.inference.conditions import Condition
from demagnify.inference.detect import DetectionConfig, detect_with
from demagnify.inference.pipeline import PhotoVerdict, Pipeline
from demagnify.inference.runtime import in_words
from demagnify.inference.video import ClipVerdict

FILE: Final = "case.json"
PAGE: Final = "index.html"
PDF: Final = "report.pdf"
PROPOSITIONS: Final = (
    "The face is a face swap or another video manipulation of a person's face.",
    "The face is from a recording in which nobody's face was manipulated.",
)
"""The two propositions of the likelihood ratio: that above the line, and that below."""
LIMITS: Final = (
    f"Scope: {SCOPE}.",
    "A likelihood ratio compares the two propositions; it is no probability that the face is fake. "
    "That needs all other evidence in the case.",
    'Error rates hold under the measured conditions alone. Where a face is "not validated", there '
    "is no likelihood ratio, and the verdict has no measured error rate.",
    "Error rates were counted without the check at half size and JPEG 75, which can only make more "
    "verdicts unsure.",
    "A verdict can go with a weak likelihood ratio: the verdict limits how often the program is "
    "wrong among many faces, the ratio says how much this one measurement supports.",
    "Error rates hold for faces like those of the named data sets. Other ways of making fakes, "
    "other cameras and other populations can give other rates.",
    "That a face was enhanced by a super-resolution network does not mean that it is fake.",
    'An answer of "captured" does not show that a face was not enhanced: networks of other kinds '
    "than those that it learned from are often missed.",
    "The verdict is that of one program on one face crop. It says nothing about who made or "
    "changed the file, or about anything outside of the crop.",
    "Whoever knows this software can make fakes that it misses.",
)
_RECORD: Final = '"record_sha256":'
_PACKAGES: Final = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "torch")


class _Document(Frozen):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class FaceRecord(_Document):
    """One face and the answer about it."""

    crop: str = Field(description="PNG file of the face crop, in the folder of the case")
    crop_sha256: str = Field(description="Its SHA-256")
    box: tuple[float, float, float, float] = Field(description="Left, top, width, height in pixels")
    found_with: float = Field(description="How sure the face finder is, 0 to 1")
    verdict: Verdict = Field(description="The answer")
    reason: str = Field(default="", description='Why it is "unsure"; empty otherwise')
    likelihood_ratio: float | None = Field(
        description="How many times likelier the logit is under the first proposition than under "
        "the second; null: none can be given"
    )
    likelihood_ratio_limited: bool = Field(
        description="Whether it is the highest or lowest that the calibration data support"
    )
    condition: str = Field(description='The measured condition in words, or "not validated"')
    error_rates: Condition | None = Field(description="The error rates under that condition")
    delivered: Verdict | None = Field(
        description="The verdict at half size and JPEG 75; null: not tried"
    )
    score: float = Field(description="0 to 1, a ranking; above 0.5 is on the fake side")
    logit: float = Field(description="The detector's logit")
    action: str = Field(description="The correction before the detector")
    views: int = Field(default=1, description="How many views of the face its logit is the mean of")
    uncertainty: float | None = Field(default=None, description="Of the defence, if it gives one")
    explanation: dict[str, Any] | None = Field(
        default=None,
        description="The part of the face that the verdict depends on: toward, change, elsewhere, "
        "heat; heat is null where the map failed its check; null: not asked, or unsure",
    )
    enhancement: dict[str, Any] = Field(
        description="Whether the face was enhanced: answer, probability, family, factor"
    )


class InputRecord(_Document):
    """One file that was examined."""

    file: str = Field(description="The path as it was given")
    sha256: str | None = Field(description="SHA-256 of the file; null: it could not be read")
    bytes: int | None = Field(description="Its size; null: it could not be read")
    problem: str | None = Field(description="Why there is no answer; null: there is one")
    faces: tuple[FaceRecord, ...] = Field(default=(), description="The faces of a photograph")
    clip: dict[str, Any] | None = Field(default=None, description="The answer about a clip")


class SkippedRecord(_Document):
    """What was found among the named files and folders, and not examined."""

    file: str = Field(description="Its path")
    reason: str = Field(description="Why it was not examined")


class Weights(_Document):
    """The weights that answered."""

    name: str = Field(description="The name of the defence")
    fingerprint: str = Field(description="SHA-256 of everything that its logits depend on")
    calibration_sha256: str | None = Field(description="Of the calibration; null: none was used")


class CaseDocument(_Document):
    """A case: inputs, answers, and everything that they depend on.

    Only `created` is a time; hashes of the page and of the record depend on it.
    """

    kind: Literal["case"] = "case"
    schema_version: Literal[1] = 1
    created: str = Field(description="When it was made, UTC")
    command: str = Field(description="The command line")
    machine: str = Field(description="Where it was made")
    versions: dict[str, str] = Field(description="Package -> version")
    configuration: dict[str, Any] = Field(description="All settings of the run")
    configuration_sha256: str = Field(description="Of the settings as JSON")
    weights: Weights
    calibration: str = Field(
        default="", description="What the calibration was fitted on and promises; empty: none"
    )
    propositions: tuple[str, str] = Field(description="Of the likelihood ratio, numerator first")
    limits: tuple[str, ...] = Field(description="What the answers do not say")
    inputs: tuple[InputRecord, ...]
    skipped: tuple[SkippedRecord, ...] = Field(
        default=(), description="Links and folders that could not be followed, and the like"
    )
    pdf_sha256: str | None = Field(default=None, description="Of report.pdf; null: not printed")
    page_sha256: str | None = Field(default=None, description="Of index.html; null: no page")
    wording: str | None = Field(
        default=None,
        description="SHA-256 of the page's template and fixed sentences, which differ between "
        "versions; null: no page",
    )
    record_sha256: str | None = Field(
        default=None,
        description="SHA-256 of this file with this value empty; null: it is no file of a case",
    )

    @classmethod
    def read(cls, folder: Path) -> CaseDocument:
        """Reads the document of a case.

        Raises:
            BadArtifactError: If it is missing or no such document.
        """
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadArtifactError(
                f"{path}: {error.strerror or error}", hint="`demagnify detect --report` makes one"
            ) from error
        except ValidationError as error:
            raise BadArtifactError(f"{path} is no case: {first_finding(error)}") from error

    def write(self, folder: Path) -> CaseDocument:
        """Writes the document to a folder; returns it with the SHA-256 of the file."""
        text = self.model_copy(update={"record_sha256": ""}).model_dump_json(indent=2) + "\n"
        digest = hashlib.sha256(text.encode()).hexdigest()
        before, _, after = text.rpartition(f'{_RECORD} ""')
        write_text(folder / FILE, f'{before}{_RECORD} "{digest}"{after}')
        return self.model_copy(update={"record_sha256": digest})

    def is_whole(self, folder: Path) -> bool:
        """Returns whether the file has the SHA-256 that it names; True if it names none."""
        if self.record_sha256 is None:
            return True
        text = (folder / FILE).read_bytes().decode(errors="replace")
        before, _, after = text.rpartition(f'{_RECORD} "{self.record_sha256}"')
        whole = f'{before}{_RECORD} ""{after}'
        return hashlib.sha256(whole.encode()).hexdigest() == self.record_sha256

    @classmethod
    def schema_text(cls) -> str:
        """Returns the JSON schema of case.json, as docs/schema/case.json publishes it."""
        about = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return json.dumps(about | cls.model_json_schema(mode="serialization"), indent=2) + "\n"

    def settings(self) -> DetectionConfig:
        """Returns the settings of the run."""
        return DetectionConfig.model_validate(self.configuration)


def write_case(
    photos: Sequence[Path],
    output: Path,
    config: DetectionConfig | None = None,
    *,
    command: str = "",
    finder: FaceFinder | None = None,
    overwrite: bool = False,
    pdf: bool = False,
    on_verdict: Callable[[PhotoVerdict | ClipVerdict], None] = lambda _verdict: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> CaseDocument:
    """Examines photographs and clips, and writes case.json, index.html and the crops to a folder.

    Inputs are only read. The folder appears in one step.

    Args:
        photos: Files and folders.
        output: The folder of the case; not inside of a folder in `photos`.
        config: The settings; the defaults if None.
        command: The command line, for the record.
        finder: Finds the faces; YuNet if None.
        overwrite: Whether a case that is there is replaced.
        pdf: Whether the page is printed to report.pdf, too.
        on_verdict: Gets each verdict.
        on_skip: As in `detect`.

    Returns:
        What stands in case.json.

    Raises:
        BadOutputError: If `output` lies among the inputs, holds a case or other files, or cannot
            be written to.
        BadImageError: As `detect`.
        BadArtifactError: As `detect`.
        BadConfigError: If `pdf` is asked for and the printer is not installed.
    """
    from demagnify.inference.case.page import check_printer, print_page, render, wording

    if pdf:
        check_printer()
    for photo in photos:
        if output.resolve().is_relative_to(photo.resolve()):
            raise BadOutputError(
                f"{output} lies inside of {photo}, which is examined", hint="choose another folder"
            )
    if output.is_dir() and any(output.iterdir()) and not (output / FILE).is_file():
        raise BadOutputError(f"{output} holds other files", hint="choose another folder")
    if (output / FILE).is_file() and not overwrite:
        raise BadOutputError(
            f"{output} holds a case", hint="choose another folder, or replace it by --overwrite"
        )
    with atomic_folder(output) as temporary:
        document = examine(
            photos,
            temporary,
            config or DetectionConfig(),
            command=command,
            finder=finder,
            on_verdict=on_verdict,
            on_skip=on_skip,
        )
        page = render(document, temporary)
        write_text(temporary / PAGE, page)
        known = {"wording": wording(), "page_sha256": sha256(temporary / PAGE)}
        if pdf:
            write_bytes(temporary / PDF, print_page(page))
            known["pdf_sha256"] = sha256(temporary / PDF)
        return document.model_copy(update=known).write(temporary)


def examine(
    photos: Sequence[Path],
    folder: Path,
    config: DetectionConfig,
    *,
    command: str = "",
    finder: FaceFinder | None = None,
    on_verdict: Callable[[PhotoVerdict | ClipVerdict], None] = lambda _verdict: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> CaseDocument:
    """Examines files, writes the crops to `folder`, and returns the document; see `write_case`."""
    pipeline = Pipeline.load(config, finder=finder)
    inputs = []
    skipped: list[SkippedRecord] = []

    def skip(one: Skipped) -> None:
        skipped.append(SkippedRecord(file=one.where, reason=one.reason))
        if on_skip is not None:
            on_skip(one)

    found = detect_with(pipeline, photos, on_skip=skip)
    for number, verdict in enumerate(found, start=1):
        on_verdict(verdict)
        path, readable = verdict.path, verdict.path.is_file()
        inputs.append(
            record_input(
                verdict,
                number,
                sha256=sha256(path) if readable else None,
                size=path.stat().st_size if readable else None,
                keep=lambda name, content: write_bytes(folder / name, content),
            )
        )
    document = make_document(pipeline, inputs, command=command)
    return document.model_copy(update={"skipped": tuple(skipped)})


def crop_name(number: int, place: int) -> str:
    """Returns the name of a face crop: of which input, and which of its faces, from 1."""
    return f"crops/{number:04}-{place}.png"


def record_input(
    verdict: PhotoVerdict | ClipVerdict,
    number: int,
    *,
    sha256: str | None,
    size: int | None,
    keep: Callable[[str, bytes], None] = lambda _name, _content: None,
) -> InputRecord:
    """Returns the record of one file.

    Args:
        verdict: The answer about it.
        number: Its place among the inputs, from 1.
        sha256: Of the file; None if it could not be read.
        size: Its size in bytes; None if it could not be read.
        keep: Gets the name and content of the PNG file of each face crop.
    """
    faces: list[FaceRecord] = []
    photo = verdict if isinstance(verdict, PhotoVerdict) else PhotoVerdict(path=verdict.path)
    for place, one in enumerate(photo.faces, start=1):
        assert photo.pixels is not None  # noqa: S101  for the type checker
        name = crop_name(number, place)
        content = images.encode_png(crop(photo.pixels, one.face))
        keep(name, content)
        digest = hashlib.sha256(content).hexdigest()
        faces.append(FaceRecord(crop=name, crop_sha256=digest, **one.to_json()))
    return InputRecord(
        file=str(verdict.path),
        sha256=sha256,
        bytes=size,
        problem=verdict.problem,
        faces=tuple(faces),
        clip=verdict.to_json() if isinstance(verdict, ClipVerdict) else None,
    )


def make_document(
    pipeline: Pipeline, inputs: Sequence[InputRecord], *, command: str
) -> CaseDocument:
    """Returns the document of a case with everything that its answers depend on."""
    config, reads = pipeline.config, pipeline.interpreter
    return CaseDocument(
        created=documents.created(),
        command=command,
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}",
        versions=_versions(),
        configuration=config.model_dump(mode="json"),
        configuration_sha256=hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
        weights=Weights(
            name=f"{config.defense} ({in_words(pipeline.runtime)})",
            fingerprint=pipeline.runtime.fingerprint,
            calibration_sha256=None if reads is None else reads.sha256,
        ),
        calibration="" if reads is None else reads.in_words(),
        propositions=PROPOSITIONS,
        limits=(f"Scope: {SCOPES.get(config.defense, SCOPE)}.", *LIMITS[1:]),
        inputs=tuple(inputs),
    )


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "demagnify": demagnify.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
