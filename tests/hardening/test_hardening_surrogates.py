"""Surrogate networks: their designs, their training, and that they are trained once."""

import numpy as np
import pytest
import torch

from demagnify.core.errors import BadArtifactError
from demagnify.data.dataset import FaceDataset
from demagnify.hardening import surrogate_training
from demagnify.hardening.config import SurrogateConfig
from demagnify.hardening.surrogate_training import draw_pair, train_surrogate, train_surrogates
from demagnify.hardening.surrogates import AIMS, Surrogate, SurrogateNetwork, draw_design
from demagnify.transforms import create

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs() -> FaceDataset:
    """Smooth pictures with edges, from which a network can learn to enlarge."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:96, 0:96]
    pixels = []
    for _ in range(24):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 20)
        waves = np.cos(angle) * rows + np.sin(angle) * columns + phase
        edges = np.where(np.sin(waves / rng.uniform(3, 8)) > 0, 60, 180)
        pixels.append(np.stack([edges + shift for shift in rng.integers(-40, 40, 3)]))
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
    network = SurrogateNetwork(design)
    assert network(torch.rand(2, 3, 9, 14)).shape == (2, 3, 9 * scale, 14 * scale)


def test_a_pair_is_a_crop_and_its_small_version(photographs):
    design = draw_design(0, 1)
    small, target = draw_pair(photographs, design, 5, np.random.default_rng(1), CPU)
    assert (small.shape, target.shape) == ((5, 3, 36, 36), (5, 3, 72, 72))
    shrunk = torch.nn.functional.avg_pool2d(target, 2)
    assert (shrunk - small).abs().max() < 1e-5
    dirty = design.model_copy(update={"dirt": 1.0})
    small, target = draw_pair(photographs, dirty, 5, np.random.default_rng(1), CPU)
    assert (torch.nn.functional.avg_pool2d(target, 2) - small).abs().mean() > 0.01
    # Channels keep their places through the JPEG of the dirty ones.
    assert (small - target.mean(dim=(2, 3), keepdim=True)).mean(dim=(2, 3)).abs().max() < 0.08


def test_the_targets_of_a_painting_network_have_hard_edges_and_flat_areas(photographs):
    design = draw_design(0, 3)
    assert design.aim == "painting"
    plain = design.model_copy(update={"aim": "restoring", "hardness": 0.0})
    painted, true = (
        draw_pair(photographs, one, 6, np.random.default_rng(1), CPU).target
        for one in (design.model_copy(update={"hardness": 2.0}), plain)
    )
    assert (painted - true).abs().mean() > 0.01
    assert painted.std() > true.std()


def test_the_targets_of_an_enhancing_network_are_sharp_and_its_inputs_dirtier(photographs):
    design = draw_design(0, 5)
    assert design.aim == "enhancing"
    hard = design.model_copy(update={"hardness": 1.5, "dirt": 1.0})

    def pair(aim):
        one = hard.model_copy(update={"aim": aim})
        return draw_pair(photographs, one, 12, np.random.default_rng(1), CPU)

    def true(one):
        plain = one.model_copy(update={"hardness": 0.0})
        return draw_pair(photographs, plain, 12, np.random.default_rng(1), CPU).target

    enhancing, painting = pair("enhancing"), pair("painting")
    assert enhancing.target.std() > true(hard).std()
    # It does not flatten, as painting does.
    assert not torch.equal(enhancing.target, painting.target)
    # Every other image is degraded before it is shrunk as well, so the rest is drawn differently.
    assert not torch.equal(enhancing.small, painting.small)


def test_designs_of_more_effort_get_more_steps(photographs):
    config, advanced = SurrogateConfig(steps=2, batch_size=2), []
    for number, steps in ((1, 2), (5, 6)):
        advanced.clear()
        train_surrogate(
            photographs, draw_design(0, number), config, seed=0, device=CPU, advance=advanced.append
        )
        assert sum(advanced) == steps


@pytest.mark.parametrize("number", [1, 4])
def test_training_brings_a_network_nearer_to_its_targets(photographs, number):
    design = draw_design(0, number).model_copy(update={"width": 16, "depth": 3, "dirt": 0.0})
    pair = draw_pair(photographs, design, 16, np.random.default_rng(9), CPU)

    def error(steps):
        config = SurrogateConfig(steps=steps, batch_size=8)
        network = train_surrogate(photographs, design, config, seed=0, device=CPU)
        with torch.inference_mode():
            return float((network(pair.small) - pair.target).abs().mean())

    assert error(60) < 0.8 * error(1)


def test_the_discriminator_changes_what_is_learned(photographs):
    design = draw_design(0, 4).model_copy(update={"width": 16, "depth": 3, "texture": 0.1})
    config = SurrogateConfig(steps=6, batch_size=4)
    with_it, without = (
        train_surrogate(photographs, one, config, seed=0, device=CPU).state_dict()["tail.0.weight"]
        for one in (
            design.model_copy(update={"upsampling": "shuffle"}),
            design.model_copy(update={"upsampling": "shuffle", "texture": 0.0}),
        )
    )
    assert not torch.equal(with_it, without)


def test_surrogates_are_trained_once_and_always_alike(photographs, tmp_path, monkeypatch):
    config = SurrogateConfig(count=3, steps=2, batch_size=2)

    def train(folder):
        return train_surrogates(photographs, config, seed=0, folder=folder, device=CPU)

    first, again = train(tmp_path / "one"), train(tmp_path / "two")
    for one, other in zip(first, again, strict=True):
        states = (found.network.state_dict() for found in (one, other))
        for here, there in zip(*(state.values() for state in states), strict=True):
            assert torch.equal(here, there)
    monkeypatch.setattr(surrogate_training, "train_surrogate", None)  # not trained again
    assert [one.design for one in train(tmp_path / "one")] == [one.design for one in first]


def test_surrogates_of_other_settings_or_faces_are_not_taken_for_these(photographs, tmp_path):
    config = SurrogateConfig(count=1, steps=2, batch_size=2)
    arguments = {"folder": tmp_path / "cached", "device": CPU}
    train_surrogates(photographs, config, seed=0, **arguments)
    longer = config.model_copy(update={"steps": 3})
    with pytest.raises(BadArtifactError, match="steps"):
        train_surrogates(photographs, longer, seed=0, **arguments)
    with pytest.raises(BadArtifactError, match="training faces"):
        train_surrogates(photographs.subset(range(20)), config, seed=0, **arguments)


def test_a_damaged_surrogate_is_trained_again_with_a_line(photographs, tmp_path):
    config = SurrogateConfig(count=2, steps=2, batch_size=2)
    arguments = {"seed": 0, "folder": tmp_path, "device": CPU}
    first = train_surrogates(photographs, config, **arguments)
    weights = tmp_path / first[1].name / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + bytes(4))
    lines = []
    again = train_surrogates(photographs, config, **arguments, log=lines.append)
    assert len(lines) == 1
    assert lines[0].endswith("the network is trained again")
    assert weights.read_bytes() == whole
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.network.body[0].weight, other.network.body[0].weight)


def test_a_killed_training_of_surrogates_continues_with_the_next(
    photographs, tmp_path, monkeypatch
):
    config = SurrogateConfig(count=2, steps=2, batch_size=2)
    trained_numbers = []

    def spy(faces, design, *args, **kwargs):
        trained_numbers.append(design.number)
        if len(trained_numbers) == 2:
            raise KeyboardInterrupt
        return train_surrogate(faces, design, *args, **kwargs)

    monkeypatch.setattr(surrogate_training, "train_surrogate", spy)
    arguments = {"seed": 0, "folder": tmp_path / "cached", "device": CPU}
    with pytest.raises(KeyboardInterrupt):
        train_surrogates(photographs, config, **arguments)
    assert len(train_surrogates(photographs, config, **arguments)) == 2
    assert trained_numbers == [1, 2, 2]


def test_a_surrogate_is_a_degradation_like_any_other(photographs):
    surrogate = Surrogate(draw_design(0, 2), SurrogateNetwork(draw_design(0, 2)).eval())
    face = photographs.batch([0])[0].permute(1, 2, 0).numpy().astype(np.float32)
    for one in (surrogate, create("painted")):
        result = one.degrade(face, np.random.default_rng(1))
        assert (result.shape, result.dtype) == (face.shape, np.float32)
        assert np.array_equal(result, one.degrade(face, np.random.default_rng(1)))
        assert not np.array_equal(result, face)
