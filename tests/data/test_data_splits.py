"""Splits by the name of the group."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError
from demagnify.data.splits import FRACTIONS, split_of

EXPECTED = [
    "train",
    "test",
    "train",
    "train",
    "test",
    "train",
    "train",
    "test",
    "train",
    "test",
    "train",
    "train",
]


def test_a_group_never_changes_its_split():
    # Written down once: weights that are out in the world were trained on these.
    assert [split_of(f"{number:06d}") for number in range(1, 13)] == EXPECTED


def test_the_shares_are_as_asked():
    counts = Counter(split_of(str(number)) for number in range(5000))
    for name, fraction in FRACTIONS.items():
        assert abs(counts[name] / 5000 - fraction) < 0.02


@given(st.text())
def test_any_name_has_a_split(group):
    assert split_of(group) in FRACTIONS
    assert split_of(group, {"a": 0.0, "b": 1.0}) == "b"


@pytest.mark.parametrize("wrong", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_fractions_that_do_not_add_up_are_refused(wrong):
    with pytest.raises(BadConfigError, match="add up to 1"):
        split_of("a", wrong)
