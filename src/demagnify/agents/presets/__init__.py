"""Named presets and configuration files: defaults < file < overrides, unknown keys refused."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError

from demagnify.core.errors import BadConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from demagnify.agents.presets.preset import Preset

__all__ = ["load", "names"]

_NAME: Final = "name"
"""The key that says which of several things a section configures."""


def names() -> list[str]:
    """Returns the names of the presets that come with this package."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load(source: str | Path = "default", overrides: Sequence[str] = ()) -> Preset:
    """Reads a preset or a configuration file.

    Args:
        source: The name of a preset, or a YAML file with the same keys; what it leaves out keeps
            its default.
        overrides: What to set on top, as "key=value" with dots into sections and a YAML value:
            "defense.learner.episodes=300", "defense.actions=[identity, median]". Setting the name
            of
            a section, "defense.learner.name=full-information", comes first and lets go of the
            settings of what was called otherwise, as they belong to that.

    Raises:
        BadConfigError: If there is no such preset or file, it is no YAML, a key is unknown, or a
            value is out of its range.

    Example:
        >>> load("paper", ["defense.learner.episodes=300"]).defense.learner.episodes
        300
    """
    from demagnify.agents.presets.preset import Preset

    values = _parse(_read(source), str(source))
    for override in sorted(overrides, key=lambda one: _path(one)[-1] != _NAME):
        _set(values, override)
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise BadConfigError(f"{source}: {_explain(error.errors()[0], Preset)}") from error


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


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    path, section = _walk(error["loc"], model)
    where = ".".join(path)
    if error["type"] == "union_tag_invalid":
        names = error["ctx"]["expected_tags"].replace("'", "")
        return f"{where}.{_NAME}: {error['ctx']['tag']!r} is none of {names}"
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}, not {error['input']!r}"
    known = list(section.model_fields)
    close = get_close_matches(path[-1], known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{where} is no known key; {meant}"


def _walk(
    location: Sequence[int | str], model: type[BaseModel]
) -> tuple[list[str], type[BaseModel]]:
    """Follows where pydantic found a fault, leaving out the tags it puts in for unions.

    Returns:
        The keys that a user would write, and the model in which the last one stands.
    """
    path: list[str] = []
    section = model
    options: dict[str, type[BaseModel]] = {}
    for part in location:
        key = str(part)
        if key in options:
            section, options = options[key], {}
            continue
        path.append(key)
        field = section.model_fields.get(key)
        models = _models(field.annotation) if field else []
        if len(models) == 1:
            section = models[0]
        options = {one.model_fields[_NAME].default: one for one in models if len(models) > 1}
    return path, section


def _models(annotation: object) -> list[type[BaseModel]]:
    """Returns the models in an annotation such as `A`, `A | None`, `Annotated[A | B, ...]`."""
    from pydantic import BaseModel

    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inside in get_args(annotation) for model in _models(inside)]
