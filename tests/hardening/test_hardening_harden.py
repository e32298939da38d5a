"""The loop: what agent and detector learn, and that a killed loop continues."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from demagnify import detectors
from demagnify.agents.learners import FullInformationConfig
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError, UnknownNameError
from demagnify.detectors import Detector, Optimization, TrainDetectorConfig, train_detector
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.hardening import harden as harden_module
from demagnify.hardening.adversary import Adversary, Mixture
from demagnify.hardening.attack_pool import AttackPool
from demagnify.hardening.config import HardeningConfig, SurrogateConfig
from demagnify.hardening.figure import draw_rounds
from demagnify.hardening.harden import harden
from demagnify.hardening.validation import SHARES, Round, mean_detector
from demagnify.transforms import create

FILTERS_USED = ("blurred", "resampled", "crisp")
POOL = AttackPool((tuple(map(create, FILTERS_USED)),))
QUICK = HardeningConfig(
    rounds=2,
    agent_faces=60,
    validation_faces=40,
    degradations=FILTERS_USED,
    surrogates=SurrogateConfig(count=0),
    learner=FullInformationConfig(epochs=5),
    training=Optimization(
        epochs=2, batch_size=16, learning_rate=3e-3, precision="float32", augmentation=0
    ),
)


@pytest.fixture(scope="module")
def trained(tiny, faces, tmp_path_factory) -> Detector:
    """A detector that relies on what filters wipe out."""
    config = TrainDetectorConfig(**QUICK.training.model_dump() | {"epochs": 6})
    output = tmp_path_factory.mktemp("trained") / "start"
    data = faces(160, 1), faces(60, 2)
    return train_detector(data, output, config, detector=tiny()).detector


def test_the_loop_makes_a_detector_that_withstands_degradations_better(trained, faces, tmp_path):
    lines = []
    before = trained.fingerprint()
    data = faces(160, 1), faces(60, 2)
    config = QUICK.model_copy(update={"rounds": 3})
    result = harden(data, tmp_path / "hard", config, detector=trained, log=lines.append)
    first, *others = result.rounds
    best = result.best
    assert best.score == max(one.score for one in (*result.rounds, *result.averages))
    assert [one.number for one in result.rounds] == list(range(len(result.rounds)))
    assert best.degraded > first.degraded + 0.03
    assert all(one.agent is not None for one in others)
    assert all(sum(one.choices.values()) == pytest.approx(1, abs=0.01) for one in others)
    assert trained.fingerprint() == before  # what came in is not changed
    loaded = Detector.load(tmp_path / "hard", precision="float32")
    assert loaded.fingerprint() == result.detector.fingerprint()
    story = loaded.card["hardening"]
    assert (story["best"], story["share"]) == (best.number, best.share)
    assert loaded.threshold == pytest.approx(best.threshold)
    assert sum(line.startswith("round ") for line in lines) == len(result.rounds)
    assert [one.share for one in result.averages] == list(SHARES)
    assert sum("weights" in line for line in lines) == len(SHARES)


class TwoClasses(torch.nn.Module):
    """Anybody's network: floats in, logits of (real, fake) out."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            *(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU()),
            *(torch.nn.Conv2d(8, 8, 3, stride=2), torch.nn.ReLU()),
            *(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 2)),
        )

    def forward(self, images):
        return self.layers(images)


def test_anybodys_module_is_hardened_from_its_loaders(faces, tmp_path):
    torch.manual_seed(0)
    module = TwoClasses()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    scaled = Preprocessing(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    wrapped = detectors.wrap(
        module, name="theirs", head="two-logit", fake_index=1, preprocessing=scaled
    )
    loaders = [DataLoader(faces(80, 1), batch_size=16), DataLoader(faces(40, 2), batch_size=16)]
    config = QUICK.model_copy(update={"rounds": 1})
    result = harden(loaders, tmp_path / "hard", config, detector=wrapped)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    again = harden(loaders, tmp_path / "hard", config, detector=wrapped)
    assert again.rounds == result.rounds
    assert again.detector.fingerprint() == result.detector.fingerprint()
    module.load_state_dict(load_file(tmp_path / "hard" / "weights.safetensors"))
    tuned = train_detector(
        loaders,
        tmp_path / "tuned",
        TrainDetectorConfig(**QUICK.training.model_dump()),
        detector=wrapped,
    )
    assert any(not torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert tuned.detector.network is module


def test_a_finished_loop_returns_at_once_and_refuses_other_settings(trained, faces, tmp_path):
    data, output = (faces(80, 1), faces(40, 2)), tmp_path / "hard"
    first = harden(data, output, QUICK, detector=trained)
    again = harden(data, output, QUICK, detector=trained)
    assert (again.rounds, again.averages) == (first.rounds, first.averages)
    assert again.detector.fingerprint() == first.detector.fingerprint()
    with pytest.raises(BadArtifactError, match="settings"):
        harden(data, output, QUICK.model_copy(update={"clean": 0.5}), detector=trained)


def test_a_killed_loop_continues_to_the_same_bits(trained, faces, tmp_path, monkeypatch):
    data = faces(80, 1), faces(40, 2)
    whole = harden(data, tmp_path / "whole", QUICK, detector=trained)

    calls = []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_detector(*args, **kwargs)

    monkeypatch.setattr(harden_module, "train_detector", killed)
    with pytest.raises(KeyboardInterrupt):
        harden(data, tmp_path / "killed", QUICK, detector=trained)
    assert not (tmp_path / "killed").exists()
    monkeypatch.undo()
    resumed = harden(data, tmp_path / "killed", QUICK, detector=trained)
    assert resumed.rounds == whole.rounds
    assert resumed.detector.fingerprint() == whole.detector.fingerprint()


@pytest.mark.slow
def test_two_processes_harden_as_one_does(trained, faces, tmp_path):
    surrogates = SurrogateConfig(count=1, steps=2, faces=8)
    changes = {"rounds": 1, "surrogates": surrogates, "consistency": 0.5}
    data = faces(32, 1), faces(16, 2)
    alone = QUICK.model_copy(update={**changes, "agent_faces": 16, "validation_faces": 16})
    shared = alone.model_copy(
        update={"training": alone.training.model_copy(update={"processes": 2})}
    )
    one, two = (
        harden(data, tmp_path / f"{number}", config, detector=trained)
        for number, config in enumerate((alone, shared))
    )
    assert two.rounds[0] == one.rounds[0]
    assert two.rounds[1].choices == one.rounds[1].choices
    assert two.rounds[1].clean == pytest.approx(one.rounds[1].clean, abs=0.15)
    cards = [
        artifacts.load_card(tmp_path / f"{number}.rounds" / "1" / "detector") for number in (0, 1)
    ]
    losses = [[epoch["loss"] for epoch in card["history"]] for card in cards]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_killed_loop_continues_where_networks_compute_a_level_apart(
    trained, faces, tmp_path, monkeypatch
):
    """Another number of threads changes pixels by a level and logits in the last digits."""
    data = faces(80, 1), faces(40, 2)
    config = QUICK.model_copy(update={"explore": 1.0, "rounds": 1, "consistency": 0.5})

    def killed(*args, **kwargs):
        train_detector(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(harden_module, "train_detector", killed)
    with pytest.raises(KeyboardInterrupt):
        harden(data, tmp_path / "hard", config, detector=trained)
    monkeypatch.undo()

    degrade, logits = AttackPool.degrade, Detector.logits
    monkeypatch.setattr(
        AttackPool, "degrade", lambda self, *args, **kwargs: degrade(self, *args, **kwargs) ^ 1
    )
    monkeypatch.setattr(
        Detector, "logits", lambda self, *args, **kwargs: logits(self, *args, **kwargs) + 1e-6
    )
    assert harden(data, tmp_path / "hard", config, detector=trained).rounds[1].number == 1


def test_without_exploitation_no_agent_is_trained(trained, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(Adversary, "train", None)
    config = QUICK.model_copy(update={"explore": 1.0, "rounds": 1})
    result = harden((faces(80, 1), faces(40, 2)), tmp_path / "hard", config, detector=trained)
    assert (result.rounds[1].agent, result.rounds[1].choices) == (None, {})
    draw_rounds(result.rounds, tmp_path / "rounds.png")
    assert (tmp_path / "rounds.png").stat().st_size > 1000


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_mean_lies_between_two_detectors(tiny, share, tmp_path):
    one, other = tiny(0), tiny(1)
    mean = mean_detector(one, other, share)
    parts = zip(*(d.network.state_dict().values() for d in (one, other, mean)), strict=True)
    for before, after, middle in parts:
        expected = (1 - share) * before.double() + share * after.double()
        torch.testing.assert_close(middle.double(), expected, rtol=1e-5, atol=1e-6)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    if share in (0.0, 1.0):
        same = other if share else one
        assert torch.equal(mean.logits(images), same.logits(images))


def test_further_entries_stand_in_the_card(trained, faces, tmp_path):
    config = QUICK.model_copy(update={"rounds": 1})
    data, about = (faces(80, 1), faces(40, 2)), {"note": "for tests"}
    harden(data, tmp_path / "hard", config, detector=trained, about=about)
    assert Detector.load(tmp_path / "hard").card["note"] == "for tests"


def test_a_card_keeps_the_record_of_an_earlier_loop(trained, faces, tmp_path):
    config = QUICK.model_copy(update={"rounds": 1})
    data = faces(80, 1), faces(40, 2)
    first = harden(data, tmp_path / "one", config, detector=trained).detector
    harden(data, tmp_path / "two", config, detector=first)
    one, two = (Detector.load(tmp_path / name).card["hardening"] for name in ("one", "two"))
    assert two["earlier"] == one
    assert "earlier" not in one


def test_the_agent_finds_the_degradation_under_which_the_detector_fails(faces, tmp_path):
    """A detector that is right unless a face is blurred: the agent must learn to blur."""

    class Grid(Detector):
        def score(self, images):
            pixels = images.float()
            fine = (pixels[..., 1:] - pixels[..., :-1]).abs().mean(dim=(1, 2, 3))
            return fine - 30

    grid = Grid(
        torch.nn.Identity(),
        name="grid",
        backbone="",
        input_size=32,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    config = QUICK.model_copy(update={"learner": FullInformationConfig(epochs=40)})
    made = Adversary.train(faces(200, 1), grid, config, POOL, round_=1, folder=tmp_path / "agent")
    fresh = faces(100, 9)
    chosen = made.choose(fresh)
    fakes = chosen[fresh.labels == 1]
    hurting = np.isin(
        fakes, [1 + FILTERS_USED.index("blurred"), 1 + FILTERS_USED.index("resampled")]
    )
    assert hurting.mean() > 0.8
    again = Adversary.train(faces(200, 1), grid, config, POOL, round_=1, folder=tmp_path / "other")
    assert np.array_equal(again.choose(fresh), chosen)


def test_degradations_as_actions_depend_on_the_pixels_alone(faces):
    images = faces(12, 3).batch(range(12))
    action = POOL.seeded(seed=0, round_=2)[1]
    assert torch.equal(action(images), torch.cat([action(one[None]) for one in images]))
    assert torch.equal(action(images.flip(0)).flip(0), action(images))
    other = POOL.seeded(seed=0, round_=3)[1]
    assert not torch.equal(action(images), other(images))
    assert repr(action) != repr(other)


def test_the_mixture_keeps_its_shares():
    count = 4000
    config = QUICK.model_copy(update={"clean": 0.25, "explore": 0.4})
    mixture = Mixture(np.full(count, 2), config, POOL, round_=1)
    numbers = mixture.numbers(0)
    assert (numbers == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (numbers == 2).mean() == pytest.approx(0.75 * (0.6 + 0.4 / 3), abs=0.03)
    assert not np.array_equal(numbers, mixture.numbers(1))
    assert np.array_equal(numbers, Mixture(np.full(count, 2), config, POOL, round_=1).numbers(0))


def test_without_an_agent_every_degradation_is_as_likely():
    config = QUICK.model_copy(update={"clean": 0.0, "explore": 1.0})
    numbers = Mixture(np.zeros(3000, np.int64), config, POOL, round_=1).numbers(0)
    assert np.allclose(np.bincount(numbers, minlength=4)[1:] / 3000, 1 / 3, atol=0.04)


def test_the_mixture_degrades_by_its_numbers(faces):
    some = faces(10, 4)
    config = QUICK.model_copy(update={"clean": 0.0, "explore": 0.0})
    chosen = np.arange(10) % 4
    indices = np.arange(10)
    images = some.batch(indices)
    got = Mixture(chosen, config, POOL, round_=2)(images, indices, epoch=1)
    assert torch.equal(got, POOL.degrade(images, chosen, indices, seed=0, epoch=5))


def test_surrogate_networks_and_given_attacks_take_part(trained, faces, tmp_path):
    lines = []
    config = QUICK.model_copy(
        update={
            "rounds": 1,
            "surrogates": SurrogateConfig(count=2, faces=20, steps=3, batch_size=2),
        }
    )
    data, output = (faces(80, 1), faces(40, 2)), tmp_path / "hard"
    attacks = [create("bicubic-x2", device="cpu")]
    result = harden(data, output, config, detector=trained, attacks=attacks, log=lines.append)
    names = [*FILTERS_USED, "faithful-x2-1", "restoring-x4-2", "bicubic-x2"]
    assert list(result.rounds[0].degradations) == names
    assert list(result.rounds[1].choices) == ["identity", *names]
    assert lines[0].startswith("2 surrogate networks; look at ")
    assert (tmp_path / "hard.rounds" / "surrogates" / "surrogates.png").stat().st_size > 1000
    again = harden(data, output, config, detector=trained, attacks=attacks, log=lines.append)
    assert again.rounds == result.rounds
    with pytest.raises(BadArtifactError, match="attacks"):
        harden(data, output, config, detector=trained)


def test_detectors_that_cannot_be_trained_are_refused(trained, faces, tmp_path):
    data = faces(40, 1), faces(40, 2)
    unknown = QUICK.model_copy(update={"degradations": ("blured",)})
    with pytest.raises(UnknownNameError, match="blured"):
        harden(data, tmp_path / "x", unknown, detector=trained)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    with pytest.raises(BadOutputError, match="full"):
        harden(data, tmp_path / "full", QUICK, detector=trained)
    wrapped = Detector(
        torch.nn.Identity(), name="w", backbone="", input_size=0, mean=(0, 0, 0), std=(1, 1, 1)
    )
    with pytest.raises(BadConfigError, match="cannot be hardened"):
        harden(data, tmp_path / "y", QUICK, detector=wrapped)


def test_the_record_of_the_shipped_detector_has_the_present_words():
    record = detectors.load_detector("hardened", device="cpu").card["hardening"]
    while record:
        settings = HardeningConfig.model_validate(record["settings"]).identity()
        assert set(settings) == set(record["settings"])
        for one in (*record["rounds"], *record["averages"]):
            Round.model_validate(one)
        record = record.get("earlier")


def test_rounds_and_their_epochs_are_tracked_once(trained, faces, tmp_path):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs the extra tensorboard",
    )
    data = faces(160, 1), faces(60, 2)
    for _ in range(2):
        result = harden(data, tmp_path / "hard", QUICK, detector=trained, tracker="tensorboard")
    (run,) = (tmp_path / "tensorboard").iterdir()
    events = reader.EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
    clean = [(one.step, pytest.approx(one.value)) for one in events.Scalars("clean")]
    assert [(one.number, one.clean) for one in result.rounds] == clean
    assert [one.step for one in events.Scalars("round-1/val_auc")] == [1, 2]
