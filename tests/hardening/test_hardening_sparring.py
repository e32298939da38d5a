"""Networks that the loop trains for itself: their designs, their lessons, and what is kept."""

import numpy as np
import pytest
import torch

from demagnify.core.errors import BadArtifactError
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.surrogates import (
    AIMS,
    Lessons,
    Partner,
    Sparring,
    draw_design,
    partners,
    train_partners,
)
from demagnify.hardening.surrogates.network import SparringNetwork
from demagnify.hardening.surrogates.teaching import draw_pair, teach
from demagnify.transforms.degradations.kinds import DEGRADATIONS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs() -> FaceDataset:
    """Smooth pictures with edges, from which a network can learn to enlarge."""
    dice = np.random.default_rng(0)
    rows, columns = np.mgrid[0:96, 0:96]
    pixels = []
    for _ in range(24):
        angle, phase = dice.uniform(0, np.pi), dice.uniform(0, 20)
        waves = np.cos(angle) * rows + np.sin(angle) * columns + phase
        edges = np.where(np.sin(waves / dice.uniform(3, 8)) > 0, 60, 180)
        pixels.append(np.stack([edges + shift for shift in dice.integers(-40, 40, 3)]))
    return FaceDataset.from_arrays(np.stack(pixels).astype(np.uint8), np.arange(24) % 2)


def test_fifteen_designs_have_every_aim_at_every_scale():
    designs = [draw_design(0, number) for number in range(1, 16)]
    assert {(one.aim, one.scale) for one in designs} == {(a, s) for a in AIMS for s in (2, 3, 4)}
    assert len({one.name for one in designs}) == 15
    assert [draw_design(0, number) for number in range(1, 16)] == designs
    assert [draw_design(1, number) for number in range(1, 16)] != designs
    for one in designs:
        assert (one.texture > 0) == (one.aim in ("inventing", "enhancing"))
        assert (one.hardness > 0) == (one.aim in ("painting", "enhancing"))
        assert (one.dirt > 0) == (one.aim in ("restoring", "painting", "enhancing"))


@pytest.mark.parametrize("upsampling", ["shuffle", "nearest", "transposed"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_networks_enlarge_by_their_scale(upsampling, scale):
    design = draw_design(0, 1).model_copy(update={"upsampling": upsampling, "scale": scale})
    network = SparringNetwork(design)
    assert network(torch.rand(2, 3, 9, 14)).shape == (2, 3, 9 * scale, 14 * scale)


def test_a_pair_is_a_crop_and_its_small_version(photographs):
    design = draw_design(0, 1)
    small, wanted = draw_pair(photographs, design, 5, np.random.default_rng(1), CPU)
    assert (small.shape, wanted.shape) == ((5, 3, 36, 36), (5, 3, 72, 72))
    shrunk = torch.nn.functional.avg_pool2d(wanted, 2)
    assert (shrunk - small).abs().max() < 1e-5
    dirty = design.model_copy(update={"dirt": 1.0})
    small, wanted = draw_pair(photographs, dirty, 5, np.random.default_rng(1), CPU)
    assert (torch.nn.functional.avg_pool2d(wanted, 2) - small).abs().mean() > 0.01
    # Channels keep their places through the JPEG of the dirty ones.
    assert (small - wanted.mean(dim=(2, 3), keepdim=True)).mean(dim=(2, 3)).abs().max() < 0.08


def test_a_painting_network_is_shown_hard_edges_and_flat_areas(photographs):
    design = draw_design(0, 3)
    assert design.aim == "painting"
    plain = design.model_copy(update={"aim": "restoring", "hardness": 0.0})
    painted, true = (
        draw_pair(photographs, one, 6, np.random.default_rng(1), CPU).wanted
        for one in (design.model_copy(update={"hardness": 2.0}), plain)
    )
    assert (painted - true).abs().mean() > 0.01
    assert painted.std() > true.std()


def test_an_enhancing_network_is_shown_sharp_faces_made_from_dirtier_ones(photographs):
    design = draw_design(0, 5)
    assert design.aim == "enhancing"
    hard = design.model_copy(update={"hardness": 1.5, "dirt": 1.0})

    def pair(aim):
        one = hard.model_copy(update={"aim": aim})
        return draw_pair(photographs, one, 12, np.random.default_rng(1), CPU)

    def true(one):
        plain = one.model_copy(update={"hardness": 0.0})
        return draw_pair(photographs, plain, 12, np.random.default_rng(1), CPU).wanted

    enhancing, painting = pair("enhancing"), pair("painting")
    assert enhancing.wanted.std() > true(hard).std()
    # It does not flatten, as painting does.
    assert not torch.equal(enhancing.wanted, painting.wanted)
    # Every other image is soiled before it is shrunk as well, so other dice fall for the rest.
    assert not torch.equal(enhancing.small, painting.small)


def test_what_takes_more_effort_gets_more_lessons(photographs):
    lessons, told = Lessons(steps=2, batch_size=2), []
    for number, steps in ((1, 2), (5, 6)):
        told.clear()
        teach(photographs, draw_design(0, number), lessons, seed=0, device=CPU, advance=told.append)
        assert sum(told) == steps


@pytest.mark.parametrize("number", [1, 4])
def test_lessons_bring_a_network_nearer_to_what_it_is_taught(photographs, number):
    design = draw_design(0, number).model_copy(update={"width": 16, "depth": 3, "dirt": 0.0})
    pair = draw_pair(photographs, design, 16, np.random.default_rng(9), CPU)

    def error(steps):
        lessons = Lessons(steps=steps, batch_size=8)
        network = teach(photographs, design, lessons, seed=0, device=CPU)
        with torch.inference_mode():
            return float((network(pair.small) - pair.wanted).abs().mean())

    assert error(60) < 0.8 * error(1)


def test_the_discriminator_changes_what_is_learned(photographs):
    design = draw_design(0, 4).model_copy(update={"width": 16, "depth": 3, "texture": 0.1})
    lessons = Lessons(steps=6, batch_size=4)
    with_it, without = (
        teach(photographs, one, lessons, seed=0, device=CPU).state_dict()["tail.0.weight"]
        for one in (
            design.model_copy(update={"upsampling": "shuffle"}),
            design.model_copy(update={"upsampling": "shuffle", "texture": 0.0}),
        )
    )
    assert not torch.equal(with_it, without)


def test_partners_are_trained_once_and_always_alike(photographs, tmp_path, monkeypatch):
    config = Sparring(partners=3, lessons=Lessons(steps=2, batch_size=2))

    def train(folder):
        return train_partners(photographs, config, seed=0, folder=folder, device=CPU)

    first, again = train(tmp_path / "one"), train(tmp_path / "two")
    for one, other in zip(first, again, strict=True):
        states = (partner.network.state_dict() for partner in (one, other))
        for here, there in zip(*(state.values() for state in states), strict=True):
            assert torch.equal(here, there)
    monkeypatch.setattr(partners, "teach", None)  # nothing is taught a second time
    assert [one.design for one in train(tmp_path / "one")] == [one.design for one in first]


def test_partners_of_other_settings_or_faces_are_not_taken_for_these(photographs, tmp_path):
    config = Sparring(partners=1, lessons=Lessons(steps=2, batch_size=2))
    arguments = {"folder": tmp_path / "kept", "device": CPU}
    train_partners(photographs, config, seed=0, **arguments)
    longer = config.model_copy(update={"lessons": Lessons(steps=3, batch_size=2)})
    with pytest.raises(BadArtifactError, match="lessons"):
        train_partners(photographs, longer, seed=0, **arguments)
    with pytest.raises(BadArtifactError, match="training faces"):
        train_partners(photographs.subset(range(20)), config, seed=0, **arguments)


def test_a_killed_training_of_partners_goes_on_with_the_next(photographs, tmp_path, monkeypatch):
    config = Sparring(partners=2, lessons=Lessons(steps=2, batch_size=2))
    taught = []

    def spy(faces, design, *args, **kwargs):
        taught.append(design.number)
        if len(taught) == 2:
            raise KeyboardInterrupt
        return teach(faces, design, *args, **kwargs)

    monkeypatch.setattr(partners, "teach", spy)
    arguments = {"seed": 0, "folder": tmp_path / "kept", "device": CPU}
    with pytest.raises(KeyboardInterrupt):
        train_partners(photographs, config, **arguments)
    assert len(train_partners(photographs, config, **arguments)) == 2
    assert taught == [1, 2, 2]


def test_a_partner_is_a_degradation_like_any_other(photographs):
    partner = Partner(draw_design(0, 2), SparringNetwork(draw_design(0, 2)).eval())
    face = photographs.batch([0])[0].permute(1, 2, 0).numpy().astype(np.float32)
    for degrade in (partner, DEGRADATIONS.get("painted")):
        result = degrade(face, np.random.default_rng(1))
        assert (result.shape, result.dtype) == (face.shape, np.float32)
        assert np.array_equal(result, degrade(face, np.random.default_rng(1)))
        assert not np.array_equal(result, face)
