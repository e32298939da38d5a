"""Real photographs, the real face finder, and the defence that comes with this package."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from demagnify import cli
from demagnify.agents.loading import load_defense
from demagnify.core import images
from demagnify.data.face_finding import crop
from demagnify.inference import detect

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def defense():
    return load_defense("default", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def photos(asset):
    asset("yunet")
    return sorted(asset("celeba-999").glob("*.jpg"))[:6]


def test_every_portrait_has_a_face_and_a_verdict(photos, defense):
    for one in detect(photos, defense=defense):
        assert one.problem is None
        height, width = one.pixels.shape[:2]
        for face in one.faces:
            x, y, box_width, box_height = face.box
            assert 0 <= x < x + box_width <= width
            assert 0 <= y < y + box_height <= height
            assert (face.score > 0.5) == (face.verdict == "fake")
        x, y, box_width, box_height = one.faces[0].box
        assert x < width / 2 < x + box_width
        assert y < height / 2 < y + box_height


def test_verdicts_are_the_detectors_on_the_crops(photos, defense):
    for one in detect(photos[:3], defense=defense):
        crops = [crop(one.pixels, face.face, size=defense.input_size) for face in one.faces]
        decisions = defense.decide(images.to_batch(crops))
        logits = [face.logit for face in one.faces]
        np.testing.assert_allclose(logits, decisions.logits.numpy(), rtol=1e-3, atol=1e-3)
        assert [face.action for face in one.faces] == [
            defense.actions[number].name for number in decisions.actions
        ]


def test_several_faces_of_one_photograph_are_classified_each(photos, defense, tmp_path):
    row = np.concatenate([images.load(path) for path in photos[:3]], axis=1)
    images.save_png(tmp_path / "three.png", row)
    (found,) = detect([tmp_path / "three.png"], defense=defense)
    width = row.shape[1] // 3
    middles = sorted(face.box[0] + face.box[2] / 2 for face in found.faces)
    assert [int(middle // width) for middle in middles] == [0, 1, 2]


def test_a_rotated_photograph_has_the_same_face(photos, defense, tmp_path):
    upright = Image.open(photos[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    paths = [tmp_path / "turned.png", tmp_path / "upright.png"]
    turned, straight = (one.to_json()["faces"] for one in detect(paths, defense=defense))
    assert len(turned) == len(straight) == 1
    for here, there in zip(turned, straight, strict=True):
        # Equal pixels at two places of a batch: a matrix product may differ in the last bit.
        for inexact in ("logit", "score"):
            assert here.pop(inexact) == pytest.approx(there.pop(inexact), rel=1e-5)
        assert here == there


def test_the_command_classifies_draws_and_skips(photos, tmp_path, monkeypatch, capsys):
    landscape = tmp_path / "landscape.png"
    Image.linear_gradient("L").resize((200, 120)).convert("RGB").save(landscape)
    arguments = ["detect", "--json", "--device", "cpu", "--save", str(tmp_path / "drawn")]
    paths = [str(photos[0]), str(landscape)]
    monkeypatch.setattr(sys, "argv", ["demagnify", *arguments, *paths])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 3
    portrait, empty = map(json.loads, capsys.readouterr().out.splitlines())
    assert portrait["faces"][0]["verdict"] in ("real", "fake")
    assert empty["problem"] == "no face was found"
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == [
        f"{photos[0].stem}.verdict.png"
    ]
    picture = images.load(tmp_path / "drawn" / f"{photos[0].stem}.verdict.png")
    assert (picture != images.load(photos[0])).any()
