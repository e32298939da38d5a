"""Records: results as JSON documents, and the figures in them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from demagnify.core.documents import read_json
from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.core.sealed import ANEW, unsealed
from demagnify.core.settings import Frozen


class Record(Frozen):
    """Base of everything in the document: frozen, no unknown field, no NaN in the JSON."""

    model_config = ConfigDict(allow_inf_nan=False)


def _none_if_not_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Measure = Annotated[float | None, BeforeValidator(_none_if_not_finite)]
"""A figure from elsewhere: JSON knows no NaN and no infinity, so they become nothing."""


def none_if_nan(value: float) -> float | None:
    """Returns `value`, or None for NaN, which JSON does not know."""
    return None if math.isnan(value) else float(value)


AnyRecord = TypeVar("AnyRecord", bound=Record)


class Estimate(Record):
    """A figure (a fraction, or a difference of fractions) and its confidence interval."""

    value: float | None = Field(description="Over all faces; none if it has no value")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    reason: str = Field(default="", description="Why there is no value or no interval")


class SkippedFile(Record):
    """A file that could not be used."""

    name: str
    reason: str


def load_record(
    path: Path, model: type[AnyRecord], what: str, *, hint: str = "", sealed: bool = True
) -> AnyRecord:
    """Reads a result from a JSON file that `write_sealed` wrote.

    Args:
        path: The file.
        model: The record, whose fields `kind` and `schema_version` the file must repeat.
        what: The name of such a result in messages: "an evaluation".
        hint: Advice for where the file is not such a result.
        sealed: Whether its checksum is compared; not where the caller does so.

    Raises:
        BadArtifactError: If it is missing, damaged, of another version, or something else.
    """
    kind, version = (model.model_fields[name].default for name in ("kind", "schema_version"))
    try:
        document = read_json(path)
    except FileNotFoundError as error:
        raise BadArtifactError(f"{path}: there is no such file", hint=hint) from error
    except (OSError, ValueError) as error:
        raise BadArtifactError(f"{path} cannot be read as JSON: {error}", hint=hint) from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise BadArtifactError(f"{path} is not the result of {what}", hint=hint)
    found = document.get("schema_version", version)
    if found != version:
        raise BadArtifactError(
            f"{path} has schema version {found}; this demagnify reads {version}",
            hint="use the demagnify that wrote it, or run it again",
        )
    try:
        document = unsealed(document) if sealed else document
    except ValueError as error:
        raise BadArtifactError(f"{path}: {error}", hint=f"{ANEW} {path}") from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise BadArtifactError(f"{path} is damaged: {first_finding(error)}", hint=hint) from error
