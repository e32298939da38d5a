"""Named presets and configuration files: defaults < file < overrides, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from demagnify.agents.config import TrainDefenseConfig
from demagnify.core import settings
from demagnify.core.documents import parse_yaml, read_text
from demagnify.core.errors import BadConfigError
from demagnify.detectors.config import TrainDetectorConfig

__all__ = ["Preset", "load", "names"]


class Preset(settings.Frozen):
    """The configuration of a detector and of its defence."""

    detector: TrainDetectorConfig = Field(
        default=TrainDetectorConfig(), description="The training of the detector."
    )
    defense: TrainDefenseConfig = Field(
        default=TrainDefenseConfig(), description="The training of the agent."
    )


def names() -> list[str]:
    """Returns the names of the presets that come with this package."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load(
    source: str | Path = "default",
    overrides: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> Preset:
    """Reads a preset or a configuration file.

    Args:
        source: The name of a preset, or a YAML file with the same keys; a missing key keeps its
            default.
        overrides: Settings on top, as "key=value" with dots into sections and a YAML value:
            "defense.learner.episodes=300", "defense.actions=[identity, median]". The name of a
            learner, "defense.learner.name=full-information", is set first and removes the
            settings of another learner.
        given: Values by key with dots into sections; they win over the overrides.

    Raises:
        BadConfigError: If there is no such preset or file, it is no YAML, a key is unknown, or a
            value is out of its range.

    Example:
        >>> load("paper", ["defense.learner.episodes=300"]).defense.learner.episodes
        300
    """
    values = _parse(_read(source), str(source))
    return settings.build(Preset, values, overrides, given, where=str(source))


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
        return read_text(path)
    except (OSError, ValueError) as error:
        raise BadConfigError(f"{path} cannot be read: {error}") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise BadConfigError(f"{where} cannot be read: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BadConfigError(f"{where} holds a {type(values).__name__}, not keys with values")
    return values
