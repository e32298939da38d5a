"""YuNet on CelebA photographs, 178x218, of one aligned face each."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from demagnify.core import images
from demagnify.data import face_finding as faces

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def finder(asset):
    asset("yunet")
    return faces.FaceFinder()


@pytest.fixture(scope="module")
def photos(asset):
    return [images.load(path) for path in images.list_files(asset("celeba-999"))[::17][:58]]


def test_nearly_every_face_is_found(finder, photos):
    found = [finder.find(pixels) for pixels in photos]
    assert sum(map(bool, found)) >= 0.98 * len(photos)


def test_landmarks_lie_where_the_photographs_are_aligned(finder, photos):
    marks = np.stack([found[0].landmarks for p in photos if (found := finder.find(p))])
    aligned = [[69, 112], [108, 112], [88, 135], [72, 152], [105, 152]]
    assert np.abs(np.median(marks, axis=0) - aligned).max() < 5
    assert marks.dtype == np.float32


def test_colours_are_read_as_rgb(finder, photos):
    def scores(swapped):
        found = (finder.find(p[..., ::-1].copy() if swapped else p) for p in photos)
        return np.mean([faces_[0].score if faces_ else 0.0 for faces_ in found])

    assert scores(swapped=False) > scores(swapped=True) + 0.005


@pytest.mark.parametrize("scale", [0.5, 3, 12])
def test_coordinates_are_those_of_the_photograph_at_any_size(finder, photos, scale):
    errors = []
    for pixels in photos[:6]:
        size = [round(side * scale) for side in pixels.shape[1::-1]]
        resized = np.array(images.Image.fromarray(pixels).resize(size))
        marks = finder.find(resized)[0].landmarks / scale
        errors.append(np.abs(marks - finder.find(pixels)[0].landmarks).mean())
    assert np.median(errors) < 3


def test_the_largest_face_comes_first(finder, photos):
    small = images.fit(photos[0][20:198], 90)
    scene = np.full((260, 400, 3), 90, dtype=np.uint8)
    scene[20:110, 20:110] = small
    scene[20:238, 200:378] = photos[1]
    found = finder.find(scene)
    assert len(found) == 2
    assert found[0].box[0] > 200 > found[1].box[0]
    assert found[0].box[2] > found[1].box[2]


def test_a_small_face_in_a_large_photograph_is_found(finder, photos):
    scene = np.full((1000, 1400, 3), 90, dtype=np.uint8)
    scene[600:654, 900:954] = images.fit(photos[0][20:198], 54)
    (found,) = finder.find(scene)
    assert 900 < found.box[0] < 954
    assert 600 < found.box[1] < 654


def test_a_face_that_fills_the_photograph_is_framed_as_well_as_a_small_one(finder, photos):
    overlaps = []
    for pixels in photos[:3]:
        (small,) = finder.find(pixels)
        left, top, width, height = small.box
        scale = 1040 / max(width, height)
        move = np.array([[scale, 0, 650 - scale * (left + width / 2)]] * 2)
        move[1] = 0, scale, 650 - scale * (top + height / 2)
        scene = cv2.warpAffine(pixels, move, (1300, 1300), borderMode=cv2.BORDER_REPLICATE)
        found = finder.find(scene)
        sides = width * scale, height * scale
        middle = (650 - sides[0] / 2, 650 - sides[1] / 2, *sides)
        overlaps.append(faces.overlap(found[0].box, middle))
        centres = np.array([np.add(one.box[:2], np.divide(one.box[2:], 2)) for one in found])
        assert (np.abs(centres - 650) < np.divide(sides, 2)).all(axis=1).sum() == 1  # no parts
    assert np.mean(overlaps) > 0.85


def test_a_close_up_keeps_its_face_beside_a_small_one_in_the_corner(finder, photos):
    scene = cv2.resize(photos[0], (1245, 1525), interpolation=cv2.INTER_CUBIC)
    scene[:90, :90] = images.fit(photos[1][20:198], 90)
    large, small = finder.find(scene)
    assert large.box[3] > 600
    assert max(small.box[:2]) < 60


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
)
def test_overlap_is_the_intersection_over_the_union(first, second, expected):
    assert faces.overlap(first, second) == pytest.approx(expected)


def test_there_is_no_face_in_noise_or_a_landscape(finder):
    y, x = np.mgrid[0:300, 0:400]
    sky = np.stack([x * 0.6, y * 0.8, (x + y) * 0.3], axis=-1).astype(np.uint8)
    assert finder.find(sky) == []
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert finder.find(noise) == []


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (8, 3000), (33, 17)])
def test_photographs_of_odd_sizes_have_no_face(finder, shape):
    assert finder.find(np.zeros((*shape, 3), dtype=np.uint8)) == []


def test_a_higher_threshold_finds_fewer(finder, photos):
    strict = faces.FaceFinder(score_threshold=0.93)
    assert sum(len(strict.find(p)) for p in photos) < sum(len(finder.find(p)) for p in photos)
    assert all(f.score >= 0.93 for p in photos for f in strict.find(p))


def test_nothing_is_said_while_loading(finder, capfd):
    faces.FaceFinder()
    assert capfd.readouterr() == ("", "")


def test_threads_find_what_one_finds(finder, photos):
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(finder.find, photos[:12]))
    alone = [finder.find(pixels) for pixels in photos[:12]]
    assert [[f.box for f in found] for found in together] == [
        [f.box for f in found] for found in alone
    ]
