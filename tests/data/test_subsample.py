"""A part of a data set, drawn by group."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError
from demagnify.data import Manifest, Record
from demagnify.data.subsample import subsample

ROOT = Path("faces")


def manifest_of(labels, *, per_group=3):
    return Manifest(
        [
            Record(ROOT / f"{number}.png", label, "test", f"g{number // per_group}")
            for number, label in enumerate(labels)
        ],
        root=ROOT,
    )


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 1), min_size=4, max_size=60).filter(lambda x: {0, 1} == {*x}),
    count=st.integers(2, 70),
    seed=st.integers(0, 3),
)
def test_it_has_the_size_and_the_share_of_fakes_that_was_asked_for(labels, count, seed):
    manifest = manifest_of(labels)
    part = subsample(manifest, count, seed=seed)
    assert len(part) == min(count, len(manifest))
    names = [record.path for record in part]
    assert names == sorted(names, key=[record.path for record in manifest].index)
    fakes = sum(record.label for record in part)
    assert 1 <= fakes < len(part)
    assert abs(fakes - len(part) * sum(labels) / len(labels)) <= 1
    assert [record.path for record in subsample(manifest, count, seed=seed)] == names


def test_it_is_spread_over_as_many_groups_as_there_are():
    manifest = manifest_of([0, 1] * 30, per_group=4)  # 15 groups, two of each label in each
    part = subsample(manifest, 18, seed=2)
    sizes = Counter(record.group for record in part)
    assert (len(sizes), set(sizes.values())) == (9, {2})
    more = Counter(record.group for record in subsample(manifest, 40, seed=2))
    assert (len(more), set(more.values())) == (15, {2, 4})


def test_pairs_stay_together():
    manifest = manifest_of([0, 1] * 30, per_group=2)
    part = subsample(manifest, 20, seed=1)
    pairs = Counter(record.group for record in part)
    assert (len(pairs), set(pairs.values())) == (10, {2})


def test_groups_of_one_label_give_one_image_each():
    manifest = manifest_of(([0] * 4 + [1] * 4) * 6, per_group=4)
    part = subsample(manifest, 10, seed=1)
    assert len({record.group for record in part}) == 10
    assert sum(record.label for record in part) == 5


def test_one_label_alone_is_limited_too():
    part = subsample(manifest_of([1] * 9), 5)
    assert [record.label for record in part] == [1] * 5


def test_another_seed_draws_others():
    manifest = manifest_of([0, 1] * 30)
    one, two = ({r.path for r in subsample(manifest, 20, seed=seed)} for seed in (0, 1))
    assert one != two


def test_no_limit_keeps_all_and_one_is_too_few():
    manifest = manifest_of([0, 1, 1])
    assert subsample(manifest, None) is manifest
    assert subsample(manifest, 3) is manifest
    with pytest.raises(BadConfigError, match="too few"):
        subsample(manifest, 1)
