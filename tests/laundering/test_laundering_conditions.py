"""Faces under attacks: one condition for each attack, and all of them in one pool."""

import pytest
import torch

from demagnify.core.errors import BadConfigError, UnknownNameError
from demagnify.data.prepare import open_splits
from demagnify.laundering.conditions import (
    create_attacks,
    pooled,
    under_attacks,
)
from demagnify.transforms import from_callable
from demagnify.transforms.resize import Bicubic
from tiny_faces import SIZE, write_faces

COUNTS = {"train": 2, "val": 1, "test": 1}


@pytest.fixture
def source(tmp_path):
    return write_faces(tmp_path / "one", counts=COUNTS)


def open_train(source):
    return open_splits([source], ["train"], size=SIZE)["train"]


def test_attacks_come_once_in_order_and_without_none():
    chosen = create_attacks(["none", "bicubic-x3", "bicubic-x2", "bicubic-x3"], device="cpu")
    assert [attack.name for attack in chosen] == ["bicubic-x3", "bicubic-x2"]
    assert create_attacks([]) == []


def test_an_unknown_attack_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean"):
        create_attacks(["bicubik-x2"], device="cpu")


def test_two_attacks_of_one_name_are_refused(monkeypatch):
    def create(name, **_):
        return from_callable(lambda x: x, 1, name.rpartition("/")[2].removesuffix(".pth"))

    monkeypatch.setattr("demagnify.laundering.conditions.create", create)
    with pytest.raises(BadConfigError, match="two attacks are called 'net'"):
        create_attacks(["mine/net.pth", "yours/net.pth"])


def test_conditions_are_the_clean_faces_and_the_attacked(source, tmp_path):
    faces = open_train(source)
    conditions = under_attacks(faces, [Bicubic(2)], cache=tmp_path / "cache")
    assert list(conditions) == ["none", "bicubic-x2"]
    assert conditions["none"] is faces
    everything = range(len(faces))
    expected = Bicubic(2)(faces.batch(everything))
    assert torch.equal(conditions["bicubic-x2"].batch(everything), expected)


def test_pooled_faces_name_their_attack_and_keep_their_group(source, tmp_path):
    faces = open_train(source)
    conditions = under_attacks(faces, [Bicubic(2)], cache=tmp_path / "cache")
    pool = pooled(conditions)
    assert pool.names == [
        *(f"{name} (none)" for name in faces.names),
        *(f"{name} (bicubic-x2)" for name in faces.names),
    ]
    assert pool.groups.tolist() == faces.groups.tolist() * 2
    assert pool.labels.tolist() == faces.labels.tolist() * 2
    both = [condition.batch(range(4)) for condition in conditions.values()]
    assert torch.equal(pool.batch(range(8)), torch.cat(both))
