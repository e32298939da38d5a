"""Configuration models from values: files, overrides, and errors as one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demagnify.core.devices import Precision
from demagnify.core.documents import parse_yaml
from demagnify.core.errors import BadConfigError, first_finding

_NAME: Final = "name"
"""The key that says which of several models a section configures."""

Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """The base of models that do not change once they are made, and know no other field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileOptions(Frozen):
    """Options of every command that reads files and runs networks."""

    # Most models are bases, or belong to other commands: their validators are made when needed.
    model_config = ConfigDict(defer_build=True)

    strict: bool = Field(
        default=False, description="Stop at the first bad file or line instead of skipping it."
    )
    device: str = Field(
        default="auto",
        description="Where networks run: auto (a GPU where there is one), cpu, cuda, cuda:1.",
    )


class RunOptions(FileOptions):
    """Options of every command that reads data sets of faces and runs networks."""

    subsample: int | None = Field(
        default=None,
        ge=2,
        description="At most so many faces of each data set and split, drawn by group; all if not "
        "set.",
    )


class DetectorOptions(RunOptions):
    """Options of every command that runs a detector."""

    precision: Precision = Field(
        default="float32",
        description="Precision of the detector: float32, which gives the same verdicts on every "
        "processor, bfloat16, or auto: bfloat16 where the processor multiplies it in hardware.",
    )


def build(
    model: type[Model],
    values: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    given: Mapping[str, Any] | None = None,
    *,
    where: str = "",
) -> Model:
    """Makes a configuration: defaults < values < overrides < given.

    Args:
        model: The configuration's model.
        values: Values by key, nested as in a file; what they leave out keeps its default.
        overrides: "key=value" with dots into sections and a YAML value, such as
            "learner.episodes=300" or "actions=[identity, median]". The name of a section,
            "learner.name=full-information", comes first and drops the settings of another name.
        given: Values by key with dots into sections, such as {"learner.episodes": 300}.
        where: What the values come from, for messages.

    Raises:
        BadConfigError: If an override is not key=value, a key is unknown, or a value is out of its
            range.

    Example:
        >>> from pydantic import create_model
        >>> Learner = create_model("Learner", hidden=(int, 128))
        >>> Training = create_model("Training", learner=(Learner, Learner()))
        >>> build(Training, overrides=["learner.hidden=64"])
        Training(learner=Learner(hidden=64))
    """
    result = dict(values or {})
    parsed = [*map(parse_override, overrides)]
    pairs = [*parsed, *(given or {}).items()]
    for key, value in sorted(pairs, key=lambda pair: pair[0].rpartition(".")[2] != _NAME):
        _set(result, model, key, value)
    try:
        return model.model_validate(result)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        for text, (key, _) in zip(overrides, parsed, strict=True):
            if f"{place}.".startswith(f"{key}.") or f"{key}.".startswith(f"{place}."):
                where = f"--set {text}"
        raise BadConfigError(f"{where}: ".lstrip(": ") + explain(error, model, result)) from error


def parse_override(text: str) -> tuple[str, Any]:
    """Returns key and YAML value of "key=value".

    Raises:
        BadConfigError: If it is not key=value.

    Example:
        >>> parse_override("defense.actions=[identity, median]")
        ('defense.actions', ['identity', 'median'])
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise BadConfigError(f"{text!r} is not key=value", hint="such as learner.episodes=300")
    try:
        return key.strip(), parse_yaml(value)
    except ValueError as error:
        raise BadConfigError(f"{text!r}: {value!r} is not a YAML value") from error


def explain(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any] | None = None
) -> str:
    """Returns the first fault in one line: the key as a user writes it, and what is wrong.

    Args:
        error: What `model` refused.
        model: The model. A section whose model depends on its values, such as the name in it, has
            a class method `model_for(values)`.
        values: The values that were refused.

    Example:
        >>> from pydantic import create_model
        >>> Training = create_model("Training", __config__={"extra": "forbid"}, epochs=(int, 1))
        >>> try:
        ...     Training.model_validate({"epoch": 2})
        ... except ValidationError as error:
        ...     explain(error, Training)
        'epoch is no known key; did you mean epochs?'
    """
    path = [str(one) for one in error.errors(include_url=False)[0]["loc"]]
    known = _section(path[:-1], model, values or {}).model_fields
    return first_finding(error, known=known, noun="key", show_input=True)


def models_of(annotation: object) -> list[type[BaseModel]]:
    """Returns the models in an annotation such as `A`, `A | None`, `Annotated[A | B, ...]`."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inside in get_args(annotation) for model in models_of(inside)]


def default_of(model: type[BaseModel], key: str) -> Any:  # noqa: ANN401
    """Returns the default at a dotted key; None where there is none.

    Example:
        >>> from pydantic import create_model
        >>> Learner = create_model("Learner", hidden=(int, 128))
        >>> Training = create_model("Training", learner=(Learner, Learner(hidden=64)))
        >>> default_of(Training, "learner.hidden")
        64
    """
    first, *rest = key.split(".")
    field = model.model_fields.get(first)
    value = (
        None
        if field is None or field.is_required()
        else field.get_default(call_default_factory=True)
    )
    for one in rest:
        value = getattr(value, one, None)
    return value


def _set(values: dict[str, Any], model: type[BaseModel], key: str, value: Any) -> None:  # noqa: ANN401
    """Sets one dotted key; a section that is not there yet begins with its default."""
    keys = key.split(".")
    section = values
    for depth, one in enumerate(keys[:-1], start=1):
        if one not in section:
            default = default_of(model, ".".join(keys[:depth]))
            empty = {} if default is None else default
            section[one] = default.model_dump() if isinstance(default, BaseModel) else empty
        inside = section[one]
        if not isinstance(inside, dict):
            raise BadConfigError(f"{key}={value}: {one} is a value, not a section")
        section[one] = section = dict(inside)
    if keys[-1] == _NAME and section.get(_NAME, value) != value:
        section.clear()
    section[keys[-1]] = value


def _section(
    path: Sequence[str], model: type[BaseModel], values: Mapping[str, Any]
) -> type[BaseModel]:
    """Returns the model in which the keys after `path` stand."""
    given: Any = values
    for key in path:
        given = given.get(key) if isinstance(given, Mapping) else None
        field = model.model_fields.get(key)
        inside = models_of(field.annotation) if field else []
        if not inside:
            continue
        model = inside[0]
        choose = getattr(model, "model_for", None)
        if choose is not None:
            model = choose(given if isinstance(given, Mapping) else {})
    return model
