"""Named presets and configuration files: defaults < file < overrides, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from demagnify.agents.learners import LEARNERS, LearnerConfig, QLearningConfig
from demagnify.agents.training import DefenseConfig
from demagnify.core.errors import BadConfigError
from demagnify.detectors.config import DetectorTraining

__all__ = ["Preset", "load", "names"]

_NAME: Final = "name"
"""The key with the name of the learner that a section configures."""


class Preset(BaseModel):
    """The resolved configuration of a run, from the detector to its defence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    face_size: int = Field(default=224, ge=32, description="Side of the faces in pixels")
    detector: DetectorTraining = Field(
        default=DetectorTraining(), description="The training of the detector"
    )
    defense: DefenseConfig = Field(
        default=DefenseConfig(), description="Actions, state and learner of the agent"
    )


def names() -> list[str]:
    """Returns the names of the presets that come with this package."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load(source: str | Path = "default", overrides: Sequence[str] = ()) -> Preset:
    """Reads a preset or a configuration file.

    Args:
        source: The name of a preset, or a YAML file with the same keys; a missing key keeps its
            default.
        overrides: Settings on top, as "key=value" with dots into sections and a YAML value:
            "defense.learner.episodes=300", "defense.actions=[identity, median]". The name of a
            learner, "defense.learner.name=full-information", is set first and removes the
            settings of another learner.

    Raises:
        BadConfigError: If there is no such preset or file, it is no YAML, a key is unknown, or a
            value is out of its range.

    Example:
        >>> load("paper", ["defense.learner.episodes=300"]).defense.learner.episodes
        300
    """
    values = _parse(_read(source), str(source))
    for override in sorted(overrides, key=lambda one: _path(one)[-1] != _NAME):
        _set(values, override)
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise BadConfigError(f"{source}: {_explain(error.errors()[0], values)}") from error


def _read(source: str | Path) -> str:
    if source in names():
        return (resources.files(__name__) / f"{source}.yaml").read_text(encoding="utf-8")
    path = Path(source)
    if not path.is_file():
        raise BadConfigError(
            f"there is no configuration {str(source)!r}",
            hint=f"a YAML file, or one of {', '.join(names())}",
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfigError(f"{path} cannot be read: {error}") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = str(error).replace("\n", " ")
        raise BadConfigError(f"{where} is not YAML: {reason}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BadConfigError(f"{where} holds a {type(values).__name__}, not keys with values")
    return values


def _path(override: str) -> list[str]:
    return override.partition("=")[0].strip().split(".")


def _set(values: dict[str, Any], override: str) -> None:
    _, equals, text = override.partition("=")
    keys = _path(override)
    if not equals or not all(keys):
        raise BadConfigError(
            f"{override!r} is not key=value", hint="such as defense.learner.episodes=300"
        )
    section = values
    for key in keys[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise BadConfigError(f"{override!r}: {key} is a value, not a section")
    value = _parse_value(text, override)
    if keys[-1] == _NAME and section.get(_NAME, value) != value:
        section.clear()
    section[keys[-1]] = value


def _parse_value(text: str, override: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadConfigError(f"{override!r}: {text!r} is not a YAML value") from error


def _explain(error: ErrorDetails, values: Mapping[str, Any]) -> str:
    """Returns one line about a fault, with the close names of an unknown key."""
    where = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}, not {error['input']!r}"
    known = list(_section(error["loc"], values).model_fields)
    close = get_close_matches(str(error["loc"][-1]), known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{where} is no known key; {meant}"


def _section(location: Sequence[int | str], values: Mapping[str, Any]) -> type[BaseModel]:
    """Returns the model in which the last key of `location` would be."""
    section: type[BaseModel] = Preset
    given: Any = values
    for key in map(str, location[:-1]):
        given = given.get(key, {}) if isinstance(given, Mapping) else {}
        models = _models(section.model_fields[key].annotation)
        section = models[0] if models else section
        if section is LearnerConfig:
            section = LEARNERS.get(given.get(_NAME, QLearningConfig().name)).config_type
    return section


def _models(annotation: object) -> list[type[BaseModel]]:
    """Returns the models in an annotation such as `A`, `A | None`, `Annotated[A, ...]`."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inside in get_args(annotation) for model in _models(inside)]
