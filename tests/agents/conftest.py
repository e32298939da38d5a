"""The small world of `toy_world`, ready for use."""

from __future__ import annotations

import pytest
from toy_world import ToyNetwork, toy_faces

from demagnify.agents.states import Thumbnail
from demagnify.detectors import wrap
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet


@pytest.fixture(name="faces")
def _faces():
    return toy_faces()[0]


@pytest.fixture(name="attacked")
def _attacked():
    return toy_faces()[1]


@pytest.fixture(name="detector")
def _detector():
    return wrap(ToyNetwork(), name="toy")


@pytest.fixture(name="actions")
def _actions():
    return TransformSet.create(["identity", "mask-center"])


@pytest.fixture(name="table")
def _table(faces, detector, actions):
    return LogitTable(faces, detector, actions)


@pytest.fixture(name="encoder")
def _encoder():
    return Thumbnail(side=8)
