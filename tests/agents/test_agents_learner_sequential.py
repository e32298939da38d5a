"""Looking view by view: the rules, the environment, and the agent that Stable-Baselines3 trains."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from toy_world import ToyDetector, toy_faces

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.learners import (
    Sequential,
    SequentialConfig,
    SequentialEnv,
)
from demagnify.agents.policies.sequential import Views
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import Spectrum, Thumbnail
from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import wrap
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from fresh_process import ended, start

STOP, ABSTAIN = 3, 4
LOGITS = torch.tensor([[1.0, 5.0, -3.0], [2.0, -1.0, 0.5]])


def ask(rows, actions):
    return LOGITS[rows, actions]


def play(*choices, most=3):
    """Plays the same choices in two slots; returns the game, and when it ended."""
    views, rows = Views(2, 3, most), torch.arange(2)
    for number, choice in enumerate(choices):
        _, ended = views.choose(rows, torch.tensor([choice, choice]), ask)
        if ended.all():
            return views, number + 1
    return views, None


def test_the_verdict_is_the_mean_of_what_was_seen():
    views, ended = play(1, 2, STOP)
    assert ended == 3
    assert views.logits.tolist() == [1.0, -0.25]
    assert views.calls.tolist() == [2, 2]
    assert views.last.tolist() == [2, 2]
    assert not views.abstained.any()


def test_stopping_at_once_takes_the_original_image():
    for choice, abstained in ((STOP, False), (ABSTAIN, True)):
        views, ended = play(choice)
        assert ended == 1
        assert views.logits.tolist() == LOGITS[:, 0].tolist()
        assert views.calls.tolist() == [1, 1]
        assert views.abstained.tolist() == [abstained, abstained]


def test_a_view_taken_again_ends_the_episode():
    views, ended = play(1, 1)
    assert ended == 2
    assert views.calls.tolist() == [1, 1]
    assert views.logits.tolist() == [5.0, -1.0]


def test_the_last_view_allowed_ends_it():
    assert play(0, 1, most=2)[1] == 2
    assert play(0, 1, most=3)[1] is None


def test_an_observation_is_the_state_and_the_logits_so_far():
    views, _ = play(1)
    seen = views.observe(torch.full((2, 2), 7.0), 1.0, torch.arange(2))
    assert seen.shape == (2, 2 + 2 * 3)
    assert seen[:, :2].tolist() == [[7.0, 7.0]] * 2
    assert seen[:, 2:5].tolist() == [[0.0, 1.0, 0.0]] * 2
    expected = torch.tanh((LOGITS[:, 1] - 1.0) / 4)
    torch.testing.assert_close(seen[:, 6], expected)
    assert not seen[:, [5, 7]].any()


@pytest.mark.parametrize("encoder", [Thumbnail(side=4), Spectrum(rings=8)])
@pytest.mark.parametrize("abstain", [None, 0.0])
def test_it_passes_gymnasiums_checker(encoder, abstain, table):
    env = SequentialEnv(table, encoder, SequentialConfig(abstain=abstain))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # An encoder may have no bounds, and ours are made directly, without an id.
        warnings.filterwarnings("ignore", message=".*(infinity|env.spec|spec id).*")
        check_env(env, skip_render_check=True)


def test_every_view_costs_and_the_end_earns(table, encoder):
    env = SequentialEnv(table, encoder, SequentialConfig(cost=0.25, abstain=0.125, most=2))
    table.fill()
    rewards = RewardConfig().of_table(table)
    for face in range(5):
        env.reset(options={"face": face})
        _, reward, ended, cut, info = env.step(np.int64(1))
        assert (reward, ended, cut, info) == (-0.25, False, False, {"face": face})
        _, reward, ended, _, info = env.step(np.int64(2))
        assert ended
        assert reward == rewards[face, 1]
        assert info["logit"] == table.logits[face, 1]
        assert not info["abstained"]
        env.reset(options={"face": face})
        _, reward, ended, _, info = env.step(np.int64(3))
        assert (reward, info["abstained"]) == (0.125 - 0.25, True)


def test_soft_rewards_are_paid_too(table, encoder):
    config = SequentialConfig(cost=0.0, reward=RewardConfig(kind="margin", relative=True))
    env = SequentialEnv(table, encoder, config)
    env.reset(options={"face": 0})
    assert env.step(np.int64(2))[1] == 0.0
    env.reset(options={"face": 0})
    env.step(np.int64(1))
    expected = config.reward.of_table(table)[0, 1]
    assert env.step(np.int64(2))[1] == pytest.approx(expected)


def two_views(count=120):
    """The state tells nothing; the first view tells which of the others to believe.

    View 0 says little, but its sign says whether view 1 or view 2 tells the truth; the other one
    lies. Whoever may take only one view is right half of the time.
    """
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, size=count)
    which = random.integers(0, 2, size=count)
    sign = np.where(labels, 1.0, -1.0)
    faces = FaceDataset.from_arrays(np.full((count, 3, 32, 32), 100, dtype=np.uint8), labels)
    table = LogitTable(
        faces, ToyDetector(), TransformSet.create(["identity", "mask-center", "median"])
    )
    pointer = np.where(which, 2.0, -2.0)
    table.logits[:] = np.stack(
        [pointer, np.where(which, -9, 9) * sign, np.where(which, 9, -9) * sign], axis=1
    )
    return table


CONFIG = SequentialConfig(
    hidden=32, steps=16_000, environments=64, batch_size=128, learning_rate=5e-3
)


def test_it_learns_which_view_follows_from_the_first():
    table, encoder = two_views(), Thumbnail(side=2)
    fixed = (RewardConfig().of_table(table).mean(axis=0).max() + 1) / 2
    policy = Sequential(CONFIG).fit(table, encoder).policy
    predictions = PolicyPredictor(policy, encoder).predict(table)
    assert fixed < 0.65
    assert (predictions.fake == (table.labels == 1)).mean() == 1.0
    assert (predictions.calls == 2).all()


def test_a_view_that_costs_more_than_it_earns_is_not_taken():
    dear = CONFIG.model_copy(update={"cost": 3.0})
    predictions = PolicyPredictor(
        Sequential(dear).fit(two_views(), Thumbnail(side=2)).policy, Thumbnail(2)
    )
    assert (predictions.predict(two_views()).calls == 1).all()


def test_it_abstains_where_nothing_can_be_known():
    table, encoder = two_views(), Thumbnail(side=2)
    table.logits[:] = np.where(np.random.default_rng(1).random(120) < 0.5, 3, -3)[:, None]
    config = CONFIG.model_copy(update={"abstain": 0.6})
    predictions = PolicyPredictor(Sequential(config).fit(table, encoder).policy, encoder).predict(
        table
    )
    assert predictions.abstained.all()


def test_saved_and_loaded_it_decides_alike_without_stable_baselines3(tmp_path):
    faces, _ = toy_faces(40)
    encoder = Thumbnail(side=4)
    detector = wrap(_Mean(), name="mean")
    actions = TransformSet.create(["identity", "mask-center", "median"])
    table = LogitTable(faces, detector, actions)
    config = CONFIG.model_copy(update={"steps": 512, "abstain": 0.0})
    policy = Sequential(config).fit(table, encoder).policy
    defended = DefendedDetector(detector, actions, encoder, policy, input_size=32).eval()
    defended.save(tmp_path / "defense", {})
    code = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "from demagnify.agents.defended import DefendedDetector\n"
        "from demagnify.detectors import wrap\n"
        "import torch\n"
        f"d = DefendedDetector.load({str(tmp_path / 'defense')!r}, "
        "detector=wrap(lambda x: x.float().mean((1, 2, 3)) - 100, name='mean'))\n"
        "r = torch.arange(3 * 32 * 32 * 4).reshape(4, 3, 32, 32).remainder(251).to(torch.uint8)\n"
        "v = d.decide(r); print(v.logits.tolist(), v.actions.tolist(), v.abstained.tolist())"
    )
    images = torch.arange(3 * 32 * 32 * 4).reshape(4, 3, 32, 32).remainder(251).to(torch.uint8)
    here = defended.decide(images)
    told = f"{here.logits.tolist()} {here.actions.tolist()} {here.abstained.tolist()}"
    printed = tmp_path / "printed.txt"
    assert ended(start(code, output=printed)) == 0, printed.read_text()
    assert printed.read_text().strip() == told


class _Mean(torch.nn.Module):
    def forward(self, images):
        return images.float().mean((1, 2, 3)) - 100


def test_without_stable_baselines3_the_message_names_the_extra(monkeypatch, table, encoder):
    monkeypatch.delitem(sys.modules, "demagnify.agents.learners._ppo", raising=False)
    monkeypatch.delattr("demagnify.agents.learners._ppo", raising=False)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(BadConfigError, match="stable_baselines3") as caught:
        Sequential().fit(table, encoder)
    assert "[sb3]'" in str(caught.value)
