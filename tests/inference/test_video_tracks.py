"""Faces are followed by place, way and landmarks; few items are kept of any number."""

import numpy as np
import pytest

from demagnify.data.face_finding import Face
from demagnify.inference.video.tracks import Evenly, Tracker

SPOTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def face(x, y, side=40.0):
    return Face((x, y, side, side), (SPOTS * side + [x, y]).astype(np.float32), 0.9)


@pytest.mark.parametrize("seen", [0, 1, 7, 8, 17, 1000, 1001])
def test_what_is_kept_is_spread_evenly_and_bounded(seen):
    kept, wanted = Evenly(8), 0
    for number in range(seen):
        wanted += kept.wants()
        kept.add(number if kept.wants() else None)
        assert len(kept.chosen()) <= 8
    found = kept.chosen()
    assert len(found) == min(8, seen)
    assert found == sorted(set(found))
    if seen >= 8:
        assert found[0] == 0
        assert found[-1] >= 0.85 * (seen - 1)
        assert max(np.diff(found)) <= 2.1 * seen / 8 + 1
    assert wanted <= 8 * (2 + np.log2(max(seen, 1) / 8 + 1))


def test_faces_that_pass_each_other_keep_their_tracks():
    tracker = Tracker(4)
    starts = None
    for step in range(12):
        faces = [face(20.0 * step, 0.0), face(220 - 20.0 * step, 12.0)]
        order = faces if step % 2 else faces[::-1]
        found = dict(zip(map(id, order), tracker.step(order, step / 5), strict=True))
        tracks = [found[id(one)] for one in faces]
        starts = starts or tracks
        assert tracks == starts


def test_a_face_elsewhere_or_of_another_size_is_another_one():
    tracker = Tracker(4)
    (first,) = tracker.step([face(0, 0)], 0.0)
    assert tracker.step([face(200, 0)], 0.2) != [first]
    assert tracker.step([face(0, 0, side=90.0)], 0.4) != [first]
    assert tracker.step([face(4, 0)], 0.6) == [first]


def test_a_track_ends_when_its_face_is_gone():
    tracker = Tracker(4, patience=1.0)
    (first,) = tracker.step([face(0, 0)], 0.0)
    assert list(tracker.ended(1.0)) == []
    assert list(tracker.ended(1.1)) == [first]
    assert list(tracker.ended()) == []
    assert tracker.step([face(0, 0)], 1.2) != [first]
