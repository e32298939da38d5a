"""The environments speak Gymnasium, and both tell the same story."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from toy_world import ToyNetwork

from demagnify.agents.environment import DefenseEnv, DefenseVectorEnv
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import STATES
from demagnify.detectors import wrap
from demagnify.scores import LiveLogits, LogitTable


@pytest.fixture(name="source", params=["table", "live"])
def _source(request, faces, detector, actions):
    return (LogitTable if request.param == "table" else LiveLogits)(faces, detector, actions)


@pytest.mark.parametrize("name", [name for name in STATES if name != "embedding"])
@pytest.mark.parametrize("max_steps", [1, 3])
def test_the_single_environment_passes_gymnasiums_checker(source, name, max_steps):
    env = DefenseEnv(source, STATES.get(name)(), max_steps=max_steps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The spectrum has no bounds, which the checker always mentions; ids are never given.
        warnings.filterwarnings("ignore", message=".*infinity.*")
        warnings.filterwarnings("ignore", message=".*spec.*")
        check_env(env)


def test_an_episode_is_one_verdict(table, encoder, faces, attacked):
    env = DefenseEnv(table, encoder)
    for face in range(20):
        state, info = env.reset(seed=face, options={"face": face})
        np.testing.assert_array_equal(state, encoder(faces.batch([face])).numpy()[0])
        assert info == {"face": face}
        for action in (0, 1):
            env.reset(options={"face": face})
            _, reward, terminated, truncated, info = env.step(np.int64(action))
            assert reward == (1.0 if action == attacked[face] else -1.0)
            assert (terminated, truncated) == (True, False)
            assert info["logit"] == table.logits[face, action]


def test_table_and_detector_give_the_same_rewards(faces, detector, actions, encoder):
    for max_steps in (1, 3):
        table, live = (
            DefenseEnv(kind(faces, detector, actions), encoder, max_steps=max_steps)
            for kind in (LogitTable, LiveLogits)
        )
        check_environments_match(table, live, num_steps=1, seed=3)


def test_with_more_steps_actions_compose_until_the_identity(live, encoder, faces, attacked):
    env = DefenseEnv(live, encoder, max_steps=3)
    face = int(np.flatnonzero(attacked)[0])
    env.reset(options={"face": face})
    state, reward, terminated, truncated, info = env.step(np.int64(1))
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert "logit" not in info
    masked = live.transforms[1](faces.batch([face]))
    np.testing.assert_array_equal(state, encoder(masked).numpy()[0])
    state, reward, terminated, truncated, info = env.step(np.int64(0))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["logit"] == live.logits_of(masked)[0]


def test_the_verdict_falls_at_the_last_step(live, encoder):
    env = DefenseEnv(live, encoder, max_steps=2)
    env.reset(seed=0)
    assert env.step(np.int64(1))[2] is False
    _, reward, terminated, truncated, _ = env.step(np.int64(1))
    assert abs(reward) == 1.0
    assert (terminated, truncated) == (True, False)


@pytest.fixture(name="live")
def _live(faces, detector, actions):
    return LiveLogits(faces, detector, actions)


@pytest.mark.parametrize("max_steps", [1, 3])
def test_the_vector_environment_is_gymnasiums_own_vector_of_singles(source, encoder, max_steps):
    ours = DefenseVectorEnv(source, encoder, num_envs=5, max_steps=max_steps)
    theirs = SyncVectorEnv(
        [lambda: DefenseEnv(source, encoder, max_steps=max_steps)] * 5,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    assert ours.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=7), theirs.reset(seed=7))
    ours.action_space.seed(1)
    for _ in range(12):
        actions = ours.action_space.sample()
        got, wanted = ours.step(actions), theirs.step(actions)
        assert got[0] in ours.observation_space
        assert_same(got, wanted)


def assert_same(got, wanted):
    for one, other in zip(got[:-1], wanted[:-1], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert set(got[-1]) == set(wanted[-1])
    for key, values in wanted[-1].items():
        if key == "final_info":
            ended = wanted[-1]["_final_info"]
            for name, column in values.items():
                np.testing.assert_array_equal(got[-1][key][name][ended], column[ended])
        else:
            assert data_equivalence(list(got[-1][key]), list(values)), key


def test_one_vector_step_is_one_call_of_the_detector(faces, actions, encoder):
    calls = []

    class Counted(ToyNetwork):
        def forward(self, images):
            calls.append(len(images))
            return super().forward(images)

    live = LiveLogits(faces, wrap(Counted(), name="toy"), actions)
    env = DefenseVectorEnv(live, encoder, num_envs=16)
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.action_space.sample())
    assert calls == [16, 16, 16]


def test_environments_side_by_side_see_different_faces(table, encoder):
    env = DefenseVectorEnv(table, encoder, num_envs=16)
    _, infos = env.reset(seed=0)
    assert len(set(infos["face"].tolist())) > 8
    _, again = env.reset(seed=0)
    np.testing.assert_array_equal(infos["face"], again["face"])
    _, other = env.reset(seed=[100 + index for index in range(16)])
    assert not np.array_equal(infos["face"], other["face"])


def test_returned_states_are_not_written_to_again(table, encoder):
    env = DefenseVectorEnv(table, encoder, num_envs=4)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    env.step(np.zeros(4, dtype=np.int64))
    np.testing.assert_array_equal(first, kept)


def test_stable_baselines3_learns_on_it(table, encoder):
    sb3 = pytest.importorskip("stable_baselines3")
    env = gymnasium.wrappers.TimeLimit(DefenseEnv(table, encoder), 10)
    agent = sb3.DQN(
        "MlpPolicy",
        env,
        learning_starts=100,
        train_freq=4,
        batch_size=32,
        learning_rate=2e-3,
        gamma=0.99,
        exploration_fraction=0.5,
        target_update_interval=200,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": [32]},
    )
    agent.learn(2000)
    table.fill()
    states = encoder(table.faces.batch(np.arange(len(table.faces)))).numpy()
    chosen, _ = agent.predict(states, deterministic=True)
    assert RewardConfig().of_table(table)[np.arange(len(chosen)), chosen].mean() > 0.9
