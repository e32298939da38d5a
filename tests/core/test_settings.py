"""Configurations from values, overrides and options: one line for each error."""

import doctest
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from demagnify.core import settings
from demagnify.core.errors import BadConfigError


class Learner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "q-learning"
    hidden: Annotated[int, Field(ge=1)] = 128
    gamma: float = 0.9


class Training(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = 224
    actions: tuple[str, ...] = ("identity",)
    learner: Learner = Learner(hidden=64)

    @field_validator("actions")
    @classmethod
    def _begins_with_identity(cls, value):
        if value[0] != "identity":
            raise ValueError("the first action is identity")
        return value


def test_a_section_keeps_the_defaults_that_its_place_gives_it():
    """Once not: a section that was changed lost the defaults of the model around it."""
    made = settings.build(Training, overrides=["learner.gamma=0.5"])
    assert (made.learner.hidden, made.learner.gamma) == (64, 0.5)


def test_values_lose_to_overrides_and_these_to_what_is_given():
    values = {"size": 1, "learner": {"hidden": 1}}
    made = settings.build(Training, values, ["size=2", "learner.hidden=2"], {"learner.hidden": 3})
    assert (made.size, made.learner.hidden) == (2, 3)
    assert values == {"size": 1, "learner": {"hidden": 1}}


def test_another_name_drops_the_settings_of_the_old_one():
    values = {"learner": {"name": "q-learning", "hidden": 5}}
    made = settings.build(Training, values, ["learner.gamma=0.1", "learner.name=top-k"])
    assert made.learner == Learner(name="top-k", gamma=0.1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sise=3", "--set sise=3: sise is no known key; did you mean size?"),
        (
            "learner.hiden=3",
            "--set learner.hiden=3: learner.hiden is no known key; did you mean hidden?",
        ),
        (
            "learner.hidden=0",
            "--set learner.hidden=0: learner.hidden: Input should be greater than or equal to 1, "
            "not 0",
        ),
        ("actions=[flip]", "--set actions=[flip]: actions: the first action is identity"),
        ("size.width=3", "size.width=3: size is a value, not a section"),
        ("size", "'size' is not key=value (such as learner.episodes=300)"),
    ],
)
def test_a_fault_is_one_line(override, message):
    with pytest.raises(BadConfigError) as caught:
        settings.build(Training, overrides=[override])
    assert str(caught.value) == message


def test_the_source_of_the_values_is_named():
    with pytest.raises(BadConfigError, match=r"^mine\.yaml: size: "):
        settings.build(Training, {"size": "large"}, where="mine.yaml")


def test_examples_run():
    assert doctest.testmod(settings).failed == 0
