"""Heat maps: they find what decides, and what passes no check is not shown."""

import numpy as np
import pytest
import torch
from scipy import stats
from test_case import MiddleFinder

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.core.rng import torch_generator
from demagnify.detectors import load_detector, wrap
from demagnify.inference import DetectionConfig, detect, draw_heat, draw_verdict, explain
from demagnify.inference.case import CaseDocument, verify_case, write_case
from demagnify.inference.explanation import GRID, MARKED, MOVED, most, occlusion, other_places
from demagnify.inference.runtime import TorchRuntime

SIDE = 56


class Stripes(torch.nn.Module):
    """A face is as fake as neighbours differ in its upper left quarter, or anywhere."""

    def __init__(self, *, everywhere=False):
        super().__init__()
        self.part = SIDE if everywhere else SIDE // 2

    def forward(self, batch):
        part = batch[:, :, : self.part, : self.part].float()
        return (part[..., 1:] - part[..., :-1]).abs().mean((1, 2, 3)) - 20


def detector(**settings):
    return wrap(Stripes(**settings), name="stripes")


def noise(seed, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def in_size(defense):
    from demagnify.agents.defended import undefended

    defended = undefended(defense)
    defended.input_size = SIDE
    return defended


def test_the_map_marks_what_the_logit_depends_on():
    (found,) = explain([noise(0)], in_size(detector()))
    assert found.toward == "fake"
    assert found.change > found.elsewhere
    quarter = found.heat[: GRID // 2, : GRID // 2]
    assert found.heat.max() == 1
    assert quarter.sum() > 0.8 * found.heat.sum()


def test_a_map_of_the_other_side_marks_what_speaks_against_the_verdict():
    face = noise(0)
    (found,) = explain([face], in_size(detector()), toward=["real"])
    assert found.toward == "real"
    assert found.heat is None  # nothing here makes the face more real
    assert "failed its check" in str(found)


def test_where_every_place_is_alike_there_is_no_map():
    alike = [np.tile(noise(seed, SIDE // GRID), (GRID, GRID, 1)) for seed in range(4)]
    for one in explain(alike, in_size(detector(everywhere=True))):
        assert one.heat is None
        assert one.to_json()["heat"] is None
        assert one.change <= one.elsewhere


def test_other_places_have_the_same_shape_and_lie_elsewhere():
    marked = most(np.random.default_rng(0).random((GRID, GRID)).astype(np.float32))
    places = other_places(marked)
    assert len(places) == MOVED + 1
    assert {int(one.sum()) for one in places} == {MARKED}
    assert all((one & marked).sum() <= MARKED // 2 for one in places[:-1])
    assert [one.tolist() for one in other_places(marked)] == [one.tolist() for one in places]


def test_random_weights_change_the_map():
    face = images.fit(noise(3, 16), 224)
    network = load_detector("light", device="cpu", precision="float32")
    before = map_of(network, face)
    for layer in ("classifier", "blocks"):  # one after the other, from the top
        generator = torch_generator(0, "weights")
        for parameter in network.network.get_submodule(layer).parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.data = parameter.flatten()[order].view_as(parameter).clone()
        assert stats.spearmanr(before, map_of(network, face), axis=None).statistic < 0.7


def map_of(network, face):
    runtime = TorchRuntime(network)
    return occlusion(face, float(runtime.decide(face[None]).logits[0]), runtime)


def test_faces_are_photographs_and_have_one_side_each():
    with pytest.raises(ImageContractError):
        explain([np.zeros((8, 8), np.uint8)], in_size(detector()))
    with pytest.raises(ImageContractError, match="1 faces have 2 sides"):
        explain([noise(0)], in_size(detector()), toward=["real", "fake"])


def test_a_drawing_is_grey_where_nothing_speaks_for_the_side():
    heat = np.zeros((GRID, GRID), np.float32)
    heat[:4, :4] = 1
    drawn = draw_heat(noise(1, 140), heat).astype(int)
    assert np.ptp(drawn[100:, 100:], axis=2).max() == 0
    assert (drawn[:20, :20, 0] > drawn[:20, :20, 2]).all()


class Corner(torch.nn.Module):
    """`Stripes` for `package.module:name`, with a size of its own."""

    def forward(self, batch):
        side = batch.shape[-1] // 2
        part = batch[:, :, :side, :side].float()
        return (part[..., 1:] - part[..., :-1]).abs().mean((1, 2, 3)) / 10 - 0.5


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "in" / "photo.png"
    images.save_png(path, noise(5, 160))
    return path


def test_detect_explains_verdicts_and_draws_them(photo):
    defense = in_size(wrap(Corner(), name="corner"))
    config = DetectionConfig(explain=True)
    (explained,) = detect([photo], config, defense=defense, finder=MiddleFinder())
    (plain,) = detect([photo], defense=defense, finder=MiddleFinder())
    (face,) = explained.faces
    assert face.explanation.heat is not None
    assert face.explanation.toward == face.verdict
    assert np.array(face.to_json()["explanation"]["heat"]).shape == (GRID, GRID)
    assert "explanation" not in plain.faces[0].to_json()
    assert (draw_verdict(explained) != draw_verdict(plain)).any()


def test_a_case_shows_the_map_or_says_why_there_is_none(photo, tmp_path, monkeypatch):
    config = DetectionConfig(explain=True, defense="test_explanation:Corner")
    case = tmp_path / "case"
    write_case([photo], case, config, finder=MiddleFinder())
    (face,) = CaseDocument.read(case).inputs[0].faces
    page = (case / "index.html").read_text("utf-8")
    assert face.explanation["heat"] is not None
    assert "orange marks the pixels that speak for fake" in page
    assert "not what was changed" in page
    assert verify_case(case, finder=MiddleFinder()) == []
    images.save_png(photo, np.full((160, 160, 3), 90, np.uint8))
    write_case([photo], case, config, finder=MiddleFinder(), overwrite=True)
    page = (case / "index.html").read_text("utf-8")
    assert "No heat map, as it failed its check" in page
    assert "orange marks" not in page
