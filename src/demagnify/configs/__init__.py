"""Named presets and configuration files: defaults < file < overrides, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from demagnify.errors import BadConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from demagnify.configs.preset import Preset

__all__ = ["load", "names"]


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
            "defense.learner.episodes=300", "defense.actions=[leave, median]".

    Raises:
        BadConfigError: If there is no such preset or file, it is no YAML, a key is unknown, or a
            value is out of its range.

    Example:
        >>> load("paper", ["defense.learner.episodes=300"]).defense.learner.episodes
        300
    """
    from demagnify.configs.preset import Preset

    values = _parse(_read(source), str(source))
    for override in overrides:
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


def _set(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise BadConfigError(
            f"{override!r} is not key=value", hint="such as defense.learner.episodes=300"
        )
    section = values
    for key in keys[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise BadConfigError(f"{override!r}: {key} is a value, not a section")
    section[keys[-1]] = _parse_value(text, override)


def _parse_value(text: str, override: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadConfigError(f"{override!r}: {text!r} is not a YAML value") from error


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}, not {error['input']!r}"
    known = _keys(model, error["loc"][:-1])
    close = get_close_matches(str(error["loc"][-1]), known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{where} is no known key; {meant}"


def _keys(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    fields: Mapping[str, Any] = model.model_fields
    for part in path:
        fields = fields[str(part)].annotation.model_fields
    return list(fields)
