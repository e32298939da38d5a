"""Suites: versioned lists of attacks and re-encodings, one YAML file each."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from demagnify.core.documents import parse_yaml
from demagnify.core.errors import BadConfigError, first_finding
from demagnify.core.sealed import digest_of
from demagnify.core.settings import DetectorOptions
from demagnify.core.specs import JOIN
from demagnify.evaluation.records import Record
from demagnify.laundering.config import CLEAN, Attacked

SUITES = ("sr-fast-v1", "sr-v1")


class Suite(Record):
    """Which faces are evaluated under which conditions.

    Every attack, and no attack, is combined with every re-encoding.
    """

    name: str = Field(description="Name with version")
    split: str = Field(default="test", description="The split of the data set")
    size: int = Field(ge=16, description="Side in pixels at which faces are attacked")
    faces: Attacked = Field(default="all", description="Which faces are attacked")
    attacks: tuple[str, ...] = Field(min_length=1, description="Attacks by name")
    reencodings: tuple[str, ...] = Field(
        default=(CLEAN,), description='"none", and how a published copy is compressed'
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.reencodings[:1] != (CLEAN,):
            raise ValueError(f"reencodings must begin with {CLEAN!r}")
        names = self.conditions
        if len(set(names)) < len(names):
            raise ValueError("two conditions have the same name")
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of all conditions; "none", without attack and re-encoding, is the first."""
        return tuple(
            _joined(attack, codec)
            for attack in (CLEAN, *self.attacks)
            for codec in self.reencodings
        )

    @property
    def attacked(self) -> tuple[str, ...]:
        """The names of the conditions with an attack."""
        return tuple(
            _joined(attack, codec) for attack in self.attacks for codec in self.reencodings
        )

    def digest(self) -> str:
        """Returns the SHA-256 of its content."""
        return digest_of(self.model_dump(mode="json"))


class SuiteConfig(DetectorOptions):
    """What is entered, and in which suite."""

    detector: str = Field(
        default="default",
        description="What is entered: a detector as in train-defense --detector, or a defence, a "
        "folder or a shipped one. A defence's row holds its detector alone beside it.",
    )
    suite: str = Field(default="sr-v1", description="A published suite, or a YAML file.")
    name: str = Field(default="", description="The row's name in tables.")
    seed: int = Field(default=0, ge=0, description="Seed of the resamples.")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups.")


def load_suite(source: str) -> Suite:
    """Returns a suite by name, or from a YAML file with the same keys.

    Raises:
        BadConfigError: If there is none, or it cannot be used.

    Example:
        >>> load_suite("sr-v1").conditions[:4]
        ('none', 'jpeg-75', 'bicubic-x2', 'bicubic-x2+jpeg-75')
    """
    shipped = source in SUITES
    folder = resources.files("demagnify.evaluation.suite")
    place = folder / f"{source}.yaml" if shipped else Path(source)
    if not place.is_file():
        raise BadConfigError(
            f"there is no suite {source!r}", hint=f"give {', '.join(SUITES)}, or a YAML file"
        )
    try:
        return Suite.model_validate(parse_yaml(place.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise BadConfigError(
            f"{source}: {first_finding(error, known=Suite.model_fields)}"
        ) from error
    except (OSError, ValueError) as error:
        raise BadConfigError(f"{source} cannot be used: {error}") from error


def _joined(attack: str, codec: str) -> str:
    return JOIN.join(one for one in (attack, codec) if one != CLEAN) or CLEAN
