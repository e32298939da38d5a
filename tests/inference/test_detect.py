"""Photographs in, verdicts out, without the command line."""

import importlib
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.policies import AbstainingPolicy, FixedPolicy, RandomPolicy
from demagnify.agents.states import Thumbnail
from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadImageError
from demagnify.data.face_finding import Face, crop
from demagnify.detectors import wrap
from demagnify.inference import DetectionConfig, detect, draw_verdict
from demagnify.inference.drawing import COLOURS
from demagnify.transforms import TransformSet

module = importlib.import_module("demagnify.inference.detect")
runtime = importlib.import_module("demagnify.inference.runtime")
SIZE = 32


class Redness(torch.nn.Module):
    """A face is as fake as it is red."""

    def forward(self, images):
        return images[:, 0].float().mean((1, 2)) / 10 - 12


def defended():
    return DefendedDetector(
        wrap(Redness(), name="redness"),
        TransformSet.create(["identity", "mask-center", "jpeg"]),
        Thumbnail(side=4),
        RandomPolicy(3, seed=5),
        input_size=SIZE,
    ).eval()


class CountingFinder:
    """Finds as many faces, one below the other, as the first pixel of a photograph counts."""

    def find(self, pixels):
        marks = np.zeros((5, 2), dtype=np.float32)
        count = int(pixels[0, 0, 2])
        return [Face((10.0, 30.0 * place, 24.0, 28.0), marks, 0.9) for place in range(count)]


def photograph(path, seed, faces):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (100, 60, 3), dtype=np.uint8)
    pixels[..., 0] //= int(random.integers(1, 4))
    pixels[0, 0, 2] = faces
    images.save_png(path, pixels)
    return path


@pytest.fixture
def paths(tmp_path):
    """Photographs with 0 to 3 faces, and one that is none."""
    counts = [2, 1, 0, 3, 1, 1, 2, 0, 1]
    found = [photograph(tmp_path / f"{n}.png", n, count) for n, count in enumerate(counts)]
    (tmp_path / "broken.png").write_bytes(b"broken")
    return [*found[:4], tmp_path / "broken.png", *found[4:]]


def test_each_path_has_its_verdict_in_order(paths):
    found = list(detect(paths, defense=defended(), finder=CountingFinder()))
    assert [one.path for one in found] == paths
    assert [len(one.faces) for one in found] == [2, 1, 0, 3, 0, 1, 1, 2, 0, 1]
    problems = [one.problem for one in found]
    assert problems[2] == problems[8] == "no face was found"
    assert problems[4].startswith("not an image")
    assert [problem for place, problem in enumerate(problems) if place not in (2, 4, 8)] == [
        None
    ] * 7


@pytest.mark.parametrize("at_once", [(1, 1), (2, 3), (4, 32)])
def test_how_many_are_classified_at_once_changes_nothing(paths, monkeypatch, at_once):
    def results():
        return [one.to_json() for one in detect(paths, defense=defended(), finder=CountingFinder())]

    expected = results()
    monkeypatch.setattr(module, "PHOTOS_AT_ONCE", at_once[0])
    monkeypatch.setattr(runtime, "FACES_AT_ONCE", at_once[1])
    assert results() == expected


def test_a_verdict_is_that_of_the_crop_and_of_nothing_else(paths):
    defense, finder = defended(), CountingFinder()
    for one in detect(paths, defense=defense, finder=finder):
        for verdict in one.faces:
            cut = crop(images.load(one.path), verdict.face, size=SIZE)
            decision = defense.decide(images.to_batch([cut]))
            assert verdict.logit == decision.logits.item()
            assert verdict.action == defense.actions[decision.actions.item()].name
            assert (verdict.verdict == "fake") == (decision.logits > defense.threshold).item()


def test_only_what_is_asked_for_is_read(paths):
    first = next(detect(paths, defense=defended(), finder=CountingFinder()))
    assert first.path == paths[0]


@pytest.mark.parametrize(
    ("logit", "threshold", "verdict"),
    [
        (0.0, 0.0, "real"),
        (1e-12, 0.0, "fake"),
        (-1e-12, 0.0, "real"),
        (0.1, 0.1, "real"),
        (float(np.nextafter(np.float32(0.1), np.float32(1))), 0.1, "fake"),
        (float(np.nextafter(np.float32(-7), np.float32(0))), -7.0, "fake"),
        (3e38, 0.0, "fake"),
        (-3e38, 5.0, "real"),
    ],
)
def test_a_score_is_above_a_half_exactly_where_the_verdict_is_fake(
    tmp_path, logit, threshold, verdict
):
    class Fixed(torch.nn.Module):
        def forward(self, batch):
            return torch.full((len(batch),), logit)

    detector = wrap(Fixed(), name="fixed", threshold=threshold)
    path = photograph(tmp_path / "a.png", 0, 1)
    (found,) = detect([path], defense=undefended_at(detector), finder=CountingFinder())
    face = json.loads(json.dumps(found.to_json()))["faces"][0]
    assert face["verdict"] == verdict
    assert (face["score"] > 0.5) == (verdict == "fake")
    assert 0 <= face["score"] <= 1
    assert face["logit"] == np.float32(logit)


def undefended_at(detector):
    defense = undefended(detector)
    defense.input_size = SIZE
    return defense


def test_a_logit_that_is_no_number_is_no_verdict(tmp_path):
    detector = detectors.create("test_efficientnet", input_size=SIZE, device="cpu")
    detector.network.classifier.bias.data[:] = math.nan
    path = photograph(tmp_path / "a.png", 0, 1)
    with pytest.raises(BadConfigError, match="no finite number"):
        list(detect([path], defense=undefended(detector), finder=CountingFinder()))


class BorderFinder:
    def find(self, pixels):
        marks = np.zeros((5, 2), dtype=np.float32)
        return [Face(box, marks, 0.9) for box in ((-8.5, -4, 30, 40), (40, 70, 33, 99.5))]


def test_boxes_end_where_the_photograph_ends(tmp_path):
    path = photograph(tmp_path / "a.png", 0, 1)
    (found,) = detect([path], defense=defended(), finder=BorderFinder())
    assert [face.box for face in found.faces] == [(0, 0, 21.5, 36), (40, 70, 20, 30)]
    assert [face["box"] for face in found.to_json()["faces"]] == [
        [0, 0, 21.5, 36],
        [40, 70, 20, 30],
    ]
    assert found.faces[0].face.box == (-8.5, -4, 30, 40)


def test_a_drawn_verdict_changes_only_the_frame(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (240, 200), (120, 120, 1)).save(path)
    found = verdict_with_box(path, (60.0, 80.0, 80.0, 90.0))
    picture = draw_verdict(found)
    changed = (picture != found.pixels).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows.min() < 80, "the words stand above the face"
    assert (rows.max(), columns.min()) == (170, 60)
    assert not changed[90:160, 70:130].any()
    assert tuple(picture[150, 60]) == COLOURS[found.faces[0].verdict]


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 240.0, 200.0), (0.0, 0.0, 9.0, 9.0), (235.0, 190.0, 5.0, 10.0)]
)
def test_a_verdict_is_drawn_wherever_the_face_is(tmp_path, box):
    path = tmp_path / "a.png"
    Image.new("RGB", (240, 200), (120, 120, 1)).save(path)
    found = verdict_with_box(path, box)
    picture = draw_verdict(found)
    assert picture.shape == found.pixels.shape
    assert (picture.min(axis=2) > 150).sum() > 30, "the white words lie inside of the picture"


def verdict_with_box(path, box):
    class Finder:
        def find(self, pixels):
            return [Face(box, np.zeros((5, 2), dtype=np.float32), 0.9)]

    (found,) = detect([path], defense=defended(), finder=Finder())
    return found


def test_what_could_not_be_read_cannot_be_drawn(tmp_path):
    (found,) = detect([tmp_path / "none.png"], defense=defended(), finder=CountingFinder())
    with pytest.raises(BadImageError, match=r"none\.png: there is no such file"):
        draw_verdict(found)


def test_an_abstention_is_unsure_and_gives_its_uncertainty(paths):
    bare = undefended(wrap(Redness(), name="redness"))
    bare.input_size = SIZE
    before_abstaining = [
        face
        for photo in detect(paths, defense=bare, finder=CountingFinder())
        for face in photo.faces
    ]
    middle = float(np.median([abs(face.logit) for face in before_abstaining]))
    policy = AbstainingPolicy(FixedPolicy(0), measure="margin", actions=1, slope=1.0)
    policy.limit = 1 / (1 + math.exp(middle))
    bare.policy = policy
    again = [
        face
        for photo in detect(paths, defense=bare, finder=CountingFinder())
        for face in photo.faces
    ]
    assert {face.verdict for face in before_abstaining} == {"real", "fake"}
    assert all(
        face.uncertainty is None and "uncertainty" not in face.to_json()
        for face in before_abstaining
    )
    for before, face in zip(before_abstaining, again, strict=True):
        expected = "unsure" if abs(before.logit) < middle else before.verdict
        assert face.verdict == expected
        assert face.uncertainty == pytest.approx(1 / (1 + math.exp(abs(before.logit))), abs=1e-5)
        assert face.to_json()["uncertainty"] == face.uncertainty
    assert "unsure" in {face.verdict for face in again}
    pictured = next(p for p in detect(paths, defense=bare, finder=CountingFinder()) if p.faces)
    assert draw_verdict(pictured).shape == pictured.pixels.shape


def test_arrays_and_folders_are_classified_like_files(tmp_path):
    first = photograph(tmp_path / "in" / "a.png", 0, 2)
    second = photograph(tmp_path / "in" / "deep" / "b.png", 1, 1)
    bare = wrap(Redness(), name="redness")
    by_file = list(detect([first, second], defense=bare, finder=CountingFinder()))
    by_folder = list(detect(tmp_path / "in", defense=bare, finder=CountingFinder()))
    pixels = [images.load(first), images.load(second)]
    by_array = list(detect(pixels, defense=bare, finder=CountingFinder()))
    (alone,) = detect(pixels[0], defense=bare, finder=CountingFinder())
    assert [one.to_json() for one in by_folder] == [one.to_json() for one in by_file]
    assert [str(one.path) for one in by_array] == ["array-1", "array-2"]
    faces = [[face.to_json() for face in one.faces] for one in by_file]
    assert [[face.to_json() for face in one.faces] for one in by_array] == faces
    assert [face.to_json() for face in alone.faces] == faces[0]


def test_verdicts_are_drawn_without_overwriting_anything(tmp_path):
    paths = [photograph(tmp_path / name / "a.png", n, 1) for n, name in enumerate(("x", "y"))]
    config = DetectionConfig(save=tmp_path / "x" / "drawn")
    found = list(detect(paths, config, defense=defended(), finder=CountingFinder()))
    for verdict, name in zip(found, ("a.verdict.png", "a.png.verdict.png"), strict=True):
        drawn = images.load(tmp_path / "x" / "drawn" / name)
        np.testing.assert_array_equal(drawn, draw_verdict(verdict))
    again = list(detect(tmp_path / "x", config, defense=defended(), finder=CountingFinder()))
    assert [one.path for one in again] == [paths[0]], "drawings are no photographs"


def test_strict_stops_at_the_first_problem(paths):
    verdicts = detect(
        paths, DetectionConfig(strict=True), defense=defended(), finder=CountingFinder()
    )
    assert [next(verdicts).path, next(verdicts).path] == paths[:2]
    with pytest.raises(BadImageError, match=r"2\.png: no face was found"):
        next(verdicts)


def test_an_empty_folder_is_refused_at_once(tmp_path):
    with pytest.raises(BadImageError, match="the folder holds no photograph"):
        detect(tmp_path, defense=defended(), finder=CountingFinder())
