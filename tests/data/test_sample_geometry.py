"""What landmarks say."""

import numpy as np
import pytest
from drawn_faces import draw_face
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.data.sample import geometry

ANGLES, SCALES, SHIFTS = st.floats(-3, 3), st.floats(0.2, 60), st.floats(-300, 300)


def turned(points, angle, scale, x, y):
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


@settings(max_examples=60)
@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_a_similarity_is_found_again(angle, scale, x, y):
    target = turned(geometry.MEAN_FACE, angle, scale, x, y)
    matrix = geometry.similarity(geometry.MEAN_FACE, target)
    assert np.allclose(geometry.move(geometry.MEAN_FACE, matrix), target, atol=1e-6)
    assert geometry.eye_distance(target) == pytest.approx(scale)


@settings(max_examples=60)
@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_the_pose_does_not_depend_on_size_place_and_tilt(angle, scale, x, y):
    marks = draw_face(1, turn=0.3)[1]
    assert np.allclose(geometry.pose(turned(marks, angle, scale, x, y)), geometry.pose(marks))


def test_an_affine_map_is_found_again():
    matrix = np.array([[2.0, 0.3, 5.0], [-0.2, 1.5, 7.0]])
    source = draw_face(0)[1]
    assert np.allclose(geometry.affine(source, geometry.move(source, matrix)), matrix)


def test_the_region_holds_the_features_and_not_the_background():
    marks = draw_face(0)[1]
    for seed in range(30):
        region = geometry.face_region(marks, (218, 178), np.random.default_rng(seed))
        assert region.dtype == np.float32
        assert (region.min(), region.max()) == (0, 1)
        assert all(region[round(y), round(x)] == 1 for x, y in marks)
        assert not region[:, :20].any()
        assert not region[:, -20:].any()


def test_regions_vary_with_the_generator_alone():
    marks = draw_face(0)[1]
    first, again, other = (
        geometry.face_region(marks, (218, 178), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
