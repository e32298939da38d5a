"""The defended detector is a detector, and stands by itself on disk."""

from __future__ import annotations

import json

import pytest
import torch
from toy_world import ToyNetwork

from demagnify import detectors
from demagnify.agents.config import DefenseConfig, TrainDefenseConfig
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.learners import QLearningConfig
from demagnify.agents.loading import load_defense
from demagnify.agents.policies import FixedPolicy, GreedyQPolicy, RandomPolicy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.q_network import QNetwork
from demagnify.agents.states import FlatImage, Thumbnail
from demagnify.agents.training import train_defense
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, BadOutputError, ImageContractError
from demagnify.core.sealed import write_sealed
from demagnify.detectors import wrap
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from demagnify.transforms.jpeg import Jpeg


@pytest.fixture(name="small")
def small_detector():
    return detectors.create("mobilenetv3_small_050", input_size=32, device="cpu", seed=1)


@pytest.fixture(name="images")
def some_images():
    random = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (9, 3, 32, 32), generator=random, dtype=torch.uint8)


def defend(detector, policy=None, names=("identity", "mask-center", "median"), encoder=None):
    return DefendedDetector(
        detector,
        TransformSet.create(list(names)),
        encoder or Thumbnail(side=4),
        policy or RandomPolicy(len(names), seed=1),
        input_size=32,
    ).eval()


def test_it_classifies_each_image_as_corrected(small, images):
    defended = defend(small)
    decisions = defended.decide(images, undefended=True)
    assert set(decisions.actions.tolist()) == {0, 1, 2}
    corrected = defended.actions.apply(images, decisions.actions)
    torch.testing.assert_close(decisions.logits, small.logits(corrected))
    torch.testing.assert_close(decisions.undefended, small.logits(images), rtol=1e-4, atol=1e-4)
    assert torch.equal(defended(images), decisions.logits)
    assert defended.threshold == small.threshold


def test_one_detector_call_however_many_actions(images):
    calls = []

    class Counted(ToyNetwork):
        def forward(self, images):
            calls.append(len(images))
            return super().forward(images)

    defended = defend(wrap(Counted(), name="toy"))
    assert defended.decide(images).undefended is None
    assert calls == [9]


def test_a_batch_is_its_images_one_by_one(small, images):
    defended = defend(small)
    single = torch.cat([defended(image[None]) for image in images])
    torch.testing.assert_close(defended(images), single, rtol=2e-2, atol=2e-2)


def test_it_is_a_detector_of_a_reward_table(small, faces):
    defended = defend(small)
    table = LogitTable(faces, defended, TransformSet.create(["identity"]))
    table.fill()
    torch.testing.assert_close(torch.from_numpy(table.logits[:, 0]), defended.logits(faces))
    assert table.fingerprint()


def test_images_of_another_size_are_brought_to_the_agents(small, images):
    defended = defend(small, GreedyQPolicy(QNetwork(3 * 32 * 32, 3, hidden=4)), encoder=FlatImage())
    larger = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert defended(larger).shape == (9,)
    assert torch.isfinite(defended(larger)).all()


def test_no_images_no_logits(small):
    assert defend(small)(torch.zeros(0, 3, 32, 32, dtype=torch.uint8)).shape == (0,)


def test_what_is_no_image_batch_is_refused(small):
    with pytest.raises(ImageContractError):
        defend(small)(torch.zeros(2, 32, 32, 3, dtype=torch.uint8))


@pytest.mark.parametrize(
    "policy", [FixedPolicy(1), RandomPolicy(3, seed=2), GreedyQPolicy(QNetwork(48, 3, hidden=4))]
)
def test_saved_and_loaded_it_gives_the_same_bits(policy, small, images, tmp_path):
    small.threshold = 0.25
    defended = defend(small, policy)
    defended.save(tmp_path / "defense", {"note": "kept"})
    loaded = DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert torch.equal(loaded(images), defended(images))
    assert torch.equal(loaded.decide(images).actions, defended.decide(images).actions)
    assert loaded.threshold == 0.25
    assert loaded.fingerprint() == defended.fingerprint()
    assert json.loads((tmp_path / "defense" / "card.json").read_text())["note"] == "kept"


def test_settings_of_actions_are_kept(small, images, tmp_path):
    actions = TransformSet([*TransformSet.create(["identity"]), Jpeg(quality=10)])
    defended = DefendedDetector(
        small, actions, Thumbnail(side=4), FixedPolicy(1), input_size=32
    ).eval()
    defended.save(tmp_path / "defense", {})
    loaded = DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert repr(loaded.actions) == repr(actions)
    assert torch.equal(loaded(images), defended(images))


def test_a_bare_detector_loads_as_one_that_never_corrects(small, images, tmp_path):
    small.save(tmp_path / "detector", {})
    loaded = load_defense(tmp_path / "detector", device="cpu")
    assert torch.equal(loaded(images), small.logits(images))
    assert loaded.decide(images).actions.tolist() == [0] * 9
    defend(small).save(tmp_path / "defense", {})
    assert len(load_defense(str(tmp_path / "defense"), device="cpu").actions) == 3
    inner = load_defense(tmp_path / "defense" / "detector", device="cpu")
    assert torch.equal(inner(images), small.logits(images))


def test_what_is_missing_or_wrong_is_said_in_one_line(small, tmp_path):
    with pytest.raises(BadArtifactError, match="there is no defence"):
        load_defense(tmp_path / "nothing")
    small.save(tmp_path / "detector", {})
    with pytest.raises(BadArtifactError, match="holds a detector, not a defense"):
        DefendedDetector.load(tmp_path / "detector")
    folder = tmp_path / "defense"
    defend(small, GreedyQPolicy(QNetwork(48, 3, hidden=4))).save(folder, {})
    card = json.loads((folder / "card.json").read_text())
    card["defense"]["policy"]["settings"]["hidden"] = 5
    write_sealed(folder / "card.json", card)
    with pytest.raises(BadArtifactError, match="shape"):
        DefendedDetector.load(folder)
    del card["defense"]["state"]
    write_sealed(folder / "card.json", card)
    with pytest.raises(BadArtifactError, match=r"defense\.state"):
        DefendedDetector.load(folder)


def test_an_agent_of_a_wrapped_callable_wants_it_back(images, tmp_path):
    toy = wrap(ToyNetwork(), name="toy")
    defended = defend(toy)
    defended.save(tmp_path / "defense", {})
    with pytest.raises(BadArtifactError, match="without its detector"):
        DefendedDetector.load(tmp_path / "defense")
    loaded = DefendedDetector.load(tmp_path / "defense", detector=toy)
    assert torch.equal(loaded(images), defended(images))


def train(faces, config, detector, output):
    (trained,) = train_defense(faces, output, TrainDefenseConfig(**dict(config)), detector=detector)
    return trained


CONFIG = DefenseConfig(state="thumbnail", learner=QLearningConfig(episodes=1500, hidden=16))


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_a_finished_training_notices_that_its_copy_of_the_detector_is_damaged(
    faces, detector, tmp_path, name
):
    output = tmp_path / "defense"
    quick = DefenseConfig(state="thumbnail", learner=QLearningConfig(episodes=20, hidden=4))
    train(faces, quick, detector, output)
    artifacts.save(output / "detector", "detector", {"weight": torch.zeros(3)}, {})
    train(faces, quick, detector, output)
    path = output / "detector" / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadArtifactError):
        train(faces, quick, detector, output)


def test_a_trained_defence_mends_the_detector_and_is_read_back(faces, detector, tmp_path):
    output = tmp_path / "defense"
    trained = train(faces, CONFIG, detector, output)
    right = (trained.defended.logits(faces) > 0).numpy() == (faces.labels == 1)
    before = (detector.logits(faces) > 0).numpy() == (faces.labels == 1)
    assert before.mean() < 0.7
    assert right.mean() == 1.0
    assert not (tmp_path / "defense.training").exists()
    stamp = (output / "card.json").stat().st_mtime_ns
    again = train(faces, CONFIG, detector, output)
    assert (output / "card.json").stat().st_mtime_ns == stamp
    assert torch.equal(again.defended.logits(faces), trained.defended.logits(faces))
    assert list(again.history) == list(trained.history)


def test_filling_the_table_first_ends_in_the_same_bits(faces, detector, tmp_path):
    short = CONFIG.learner.model_copy(update={"episodes": 100})
    policies = [
        train(
            faces,
            CONFIG.model_copy(update={"fill_table": fill, "learner": short}),
            detector,
            tmp_path / str(fill),
        ).defended.policy
        for fill in (False, True)
    ]
    one, other = (policy.state_dict() for policy in policies)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_learned_actions_are_the_same_on_a_table_and_on_images(faces, detector, tmp_path):
    short = CONFIG.model_copy(
        update={"learner": CONFIG.learner.model_copy(update={"episodes": 100})}
    )
    trained = train(faces, short, detector, tmp_path / "defense").defended
    table = LogitTable(faces, detector, trained.actions)
    table.fill()
    predictions = PolicyPredictor(trained.policy, trained.encoder).predict(table)
    decisions = trained.decide(faces.batch(range(len(faces))))
    assert predictions.actions.tolist() == decisions.actions.tolist()
    assert predictions.logits.tolist() == decisions.logits.tolist()
    assert predictions.fake.tolist() == (decisions.logits > trained.threshold).tolist()


def test_another_trainings_folder_is_refused(faces, detector, tmp_path):
    short = CONFIG.model_copy(update={"learner": CONFIG.learner.model_copy(update={"episodes": 5})})
    train(faces, short, detector, tmp_path / "defense")
    other = short.model_copy(update={"seed": 1})
    with pytest.raises(BadArtifactError, match="another training: settings differ"):
        train(faces, other, detector, tmp_path / "defense")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(BadOutputError, match="is no defence"):
        train(faces, short, detector, tmp_path / "mine")
