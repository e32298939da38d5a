"""The name of a detector: where it is, its options, and the record of both in a card."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
)

from demagnify.core import specs
from demagnify.core.documents import parse_yaml
from demagnify.core.documents import read_json as read_document
from demagnify.core.errors import BadArtifactError, BadConfigError, first_finding
from demagnify.core.settings import Frozen
from demagnify.detectors.heads import HeadName
from demagnify.detectors.preprocessing import (
    Channels,
    CropMode,
    Interpolation,
    Preprocessing,
    Size,
    Spread,
    Triple,
)

Layout = Literal["NCHW", "NHWC"]

MEANING: Final = frozenset({"name", "head", "fake_index", "labels", "threshold"})
"""Options about the meaning of outputs; every detector of a user's own takes them."""
GEOMETRY: Final = frozenset({"input_size", "interpolation", "crop_pct", "crop_mode"})
SCALING: Final = frozenset({"channels", "range", "mean", "std"})

_DETECTOR: Final = "detector"
"""In a JSON file: which detector its options are for."""


def _in_order(value: Any) -> Any:  # noqa: ANN401  whatever a user wrote
    """Takes {"0": "real", "1": "fake"}, as Hugging Face's id2label, for a list."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=str)]
    return value


class Options(Frozen):
    """The facts about a network that it does not contain."""

    name: str | None = Field(default=None, description="Its name in tables")
    head: HeadName | None = Field(
        default=None, description="The kind of outputs; one logit if not set"
    )
    fake_index: Literal[0, 1] | None = Field(
        default=None, description="Which of two outputs is fake, from 0"
    )
    labels: Annotated[tuple[str, str], BeforeValidator(_in_order)] | None = Field(
        default=None,
        validation_alias=AliasChoices("labels", "id2label"),
        description="The names of two outputs, in their order",
    )
    threshold: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Above it is fake: a probability where the head gives them, else a logit",
    )
    output: str | None = Field(default=None, description="Which of several outputs, by name")
    weights: Path | None = Field(default=None, description="The checkpoint of a timm network")
    input_size: Size | None = Field(default=None, description="Height and width, or one side")
    interpolation: Interpolation | None = Field(default=None, description="When resizing")
    crop_pct: float | None = Field(default=None, description="Share of a side that is kept")
    crop_mode: CropMode | None = Field(default=None, description="Whether proportions may change")
    channels: Channels | None = Field(default=None, description="The order that it expects")
    range: tuple[float, float] | None = Field(
        default=None, description="The values that 0 and 255 become"
    )
    mean: Triple | None = Field(default=None, description="Subtracted after that, per channel")
    std: Spread | None = Field(default=None, description="Divided by, per channel")
    layout: Layout | None = Field(default=None, description="Of an ONNX file that leaves it open")
    threads: int | None = Field(
        default=None, ge=1, description="For an ONNX file; as many as torch uses if not set"
    )

    @property
    def given(self) -> frozenset[str]:
        """Which options are set."""
        return frozenset(self.model_dump(exclude_none=True))

    @property
    def meaning(self) -> dict[str, Any]:
        """The options about the meaning of outputs, as `wrap` takes them."""
        return {key: getattr(self, key) for key in MEANING - {"name"}}

    def allow(self, allowed: Iterable[str], what: str) -> None:
        """Refuses options that would change nothing."""
        allowed = frozenset(allowed)
        for key in sorted(self.given - allowed):
            known = f"it takes {', '.join(sorted(allowed))}" if allowed else "it takes none"
            raise BadConfigError(f"{what} has no option {key!r}", hint=known)

    def preprocessing(self, what: str, **defaults: object) -> Preprocessing:
        """Returns the preprocessing that the options describe, on top of `defaults`."""
        named = self.model_dump(include=set(GEOMETRY | SCALING), exclude_none=True)
        if "input_size" in named:
            named["size"] = named.pop("input_size")
        try:
            return Preprocessing.model_validate({**defaults, **named})
        except ValidationError as error:
            raise BadConfigError(f"{what}: {_finding(error)}") from error


def split(spec: str) -> tuple[str, dict[str, object]]:
    """Splits the options from a line; a path that exists is never split."""
    if Path(spec).exists():
        return spec, {}
    (part,) = specs.parse(spec, chain=False, flags=False)
    return part.base, {key: _yaml(text, spec) for key, text in part.options.items()}


def _yaml(text: str, spec: str) -> object:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise BadConfigError(f"{spec}: {text!r} is not a YAML value") from error


def read_json(path: Path) -> dict[str, object]:
    """Reads options from a JSON file; paths in it are relative to it."""
    try:
        content = read_document(path)
    except (OSError, ValueError) as error:
        raise BadConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadConfigError(f"{path} holds no JSON object with options")
    if isinstance(content.get("weights"), str):
        content["weights"] = str(path.parent / content["weights"])
    return content


def read_detector_file(path: Path) -> tuple[str, dict[str, object]]:
    """Reads a JSON file that names a detector and its options."""
    options = read_json(path)
    where = options.pop(_DETECTOR, None)
    if not isinstance(where, str):
        raise BadConfigError(
            f"{path} does not say which detector its options are for",
            hint='write "detector": "mine.onnx", or give the .onnx file beside it',
        )
    beside = path.parent / where
    return (str(beside) if beside.exists() else where), options


def check(options: Mapping[str, object], where: str) -> Options:
    """Returns the options, checked."""
    try:
        return Options.model_validate(dict(options))
    except ValidationError as error:
        raise BadConfigError(f"{where}: {_finding(error)}") from error


def _finding(error: ValidationError) -> str:
    return first_finding(error, known=Options.model_fields, noun="option")


class Source(Frozen):
    """The line and the options that `load_detector` was given."""

    where: str = Field(description="The path of a file, absolute, or package.module:name")
    options: Options = Field(default=Options(), description="Its options")

    def record(self, folder: Path, fingerprint: str) -> dict[str, Any]:
        """Returns the record for a card in `folder`, as JSON can hold it."""
        is_file = os.path.isabs(self.where)  # noqa: PTH117  it is a text
        recorded = Recorded(
            source=self,
            nearby=os.path.relpath(self.where, folder.resolve()) if is_file else "",
            fingerprint=fingerprint,
        )
        return recorded.model_dump(mode="json", exclude_none=True)


class Recorded(Frozen):
    """A source in the card of a defence."""

    source: Source
    nearby: str = Field(default="", description="The file's path as seen from the card's folder")
    fingerprint: str = Field(description="The detector's, when the defence was saved")

    @classmethod
    def read(cls, content: Mapping[str, Any], folder: Path) -> Recorded:
        """Reads the record that `Source.record` wrote."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise BadArtifactError(
                f"{folder}: the card's entry on its detector is damaged: {first_finding(error)}"
            ) from error

    def find(self, folder: Path) -> Source:
        """Returns the source as it is reached now: beside the moved folder, or where it was."""
        if not self.nearby:
            return self.source
        places = [Path(os.path.normpath(folder.resolve() / self.nearby)), Path(self.source.where)]
        for place in places:
            if place.exists():
                return self.source.model_copy(update={"where": str(place)})
        raise BadArtifactError(
            f"the detector of {folder} is gone: there is no {' and no '.join(map(str, places))}"
            if places[0] != places[1]
            else f"the detector of {folder} is gone: there is no {places[0]}",
            hint="put the file back, or beside the folder as it was",
        )
