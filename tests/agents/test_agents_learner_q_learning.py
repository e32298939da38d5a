"""The paper's learner, its batched form, and that both survive being killed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_world import toy_faces

from demagnify.agents.learners import QLearning, QLearningConfig, q_learning
from demagnify.agents.learners.q_learning import QUpdate
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.q_network import QNetwork
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import FaceStates, FlatImage, Thumbnail
from demagnify.core.errors import BadArtifactError
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from fresh_process import ended, start


def greedy_reward(policy, table, encoder):
    table.fill()
    chosen = PolicyPredictor(policy, encoder).choose(table)
    return RewardConfig().of_table(table)[np.arange(len(chosen)), chosen].mean()


def weights(policy):
    return torch.cat([tensor.flatten() for tensor in policy.state_dict().values()])


def test_the_papers_network_has_two_layers_and_19_million_weights():
    network = QNetwork(150_528, 2)
    sizes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert sizes == {
        "first.weight": (128, 150_528),
        "first.bias": (128,),
        "second.weight": (2, 128),
        "second.bias": (2,),
    }
    assert sum(tensor.numel() for tensor in network.parameters()) == 19_267_970


def test_weights_come_from_the_seed_and_nothing_else():
    torch.manual_seed(1)
    one = QNetwork(30, 3, seed=5).state_dict()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    same, other = QNetwork(30, 3, seed=5).state_dict(), QNetwork(30, 3, seed=6).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_exploration_decays_as_in_the_paper():
    config = QLearningConfig()
    assert config.epsilon(0) == 1.0
    assert config.epsilon(1) == 0.995
    assert config.epsilon(918) > 0.01
    assert config.epsilon(919) == config.epsilon(4999) == 0.01


def test_the_learning_rate_is_torchs_cosine_schedule():
    config = QLearningConfig(episodes=50)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.episodes)
    for episode in range(50):
        assert config.rate(episode) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("standardize", [False, True])
def test_an_update_is_the_papers_loss_and_torchs_adam(count, standardize):
    ours, theirs = (QNetwork(20, 3, hidden=8, standardize=standardize, seed=1) for _ in range(2))
    if standardize:
        for network in (ours, theirs):
            network.fit_scale(torch.full((20,), 0.2), torch.full((20,), 0.5))
    update = QUpdate(ours)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    random = torch.Generator().manual_seed(0)
    for _ in range(5):
        states = torch.rand(count, 20, generator=random)
        actions = torch.randint(0, 3, (count,), generator=random)
        rewards = torch.randint(0, 2, (count,), generator=random).float() * 2 - 1
        values = theirs(states)
        torch.testing.assert_close(update.values(states), values.detach())
        targets = values.detach().clone()
        targets[torch.arange(count), actions] = rewards
        loss = torch.nn.functional.mse_loss(values, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(update.step(actions, rewards, 1e-2), loss.detach())
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("environments", "episodes"), [(1, 2000), (16, 8000)])
def test_it_reaches_the_known_optimum(environments, episodes, table, encoder):
    config = QLearningConfig(episodes=episodes, environments=environments, hidden=32)
    trained = QLearning(config).fit(table, encoder, seed=0)
    assert greedy_reward(trained.policy, table, encoder) == 1.0


def test_it_learns_where_nothing_is_as_good_as_acting_per_image(table):
    table.fill()
    assert np.abs(RewardConfig().of_table(table).mean(axis=0)).max() < 0.3


def test_with_several_steps_it_learns_to_mask_once_and_stop(table, encoder):
    config = QLearningConfig(episodes=6000, environments=16, hidden=32, max_steps=2, gamma=0.9)
    trained = QLearning(config).fit(table, encoder, seed=0)
    # Masking twice is masking once, so both the first action and the reward tell.
    assert greedy_reward(trained.policy, table, encoder) > 0.9
    assert trained.history[-1].reward > 0.9


def test_gamma_multiplies_nothing_when_an_episode_is_one_step(table, encoder):
    one, other = (
        QLearning(QLearningConfig(episodes=60, hidden=8, gamma=gamma)).fit(table, encoder).policy
        for gamma in (0.0, 0.99)
    )
    assert torch.equal(weights(one), weights(other))


def test_gamma_counts_with_several_steps(table, encoder):
    one, other = (
        QLearning(QLearningConfig(episodes=60, hidden=8, gamma=gamma, max_steps=3))
        .fit(table, encoder)
        .policy
        for gamma in (0.0, 0.99)
    )
    assert not torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("environments", [1, 16])
def test_the_same_seed_gives_the_same_bits(environments, faces, detector, actions, encoder):
    config = QLearningConfig(episodes=300, environments=environments, hidden=8)

    def train(seed):
        table = LogitTable(faces, detector, actions)
        torch.rand(3)  # global randomness plays no part
        return weights(QLearning(config).fit(table, encoder, seed=seed).policy)

    assert torch.equal(train(0), train(0))
    assert not torch.equal(train(0), train(1))


def test_it_runs_the_detector_only_on_actions_taken(faces, detector, actions, encoder):
    table = LogitTable(faces, detector, actions)
    QLearning(QLearningConfig(episodes=20, hidden=8)).fit(table, encoder)
    assert 0 < table.calls <= 20


def test_the_last_round_is_as_short_as_it_must_be(table, encoder):
    config = QLearningConfig(episodes=150, environments=64, hidden=8)
    history = QLearning(config).fit(table, encoder).history
    assert [point.episode for point in history] == [128, 150]


def test_the_learning_curve_has_rewards_losses_and_actions(table, encoder):
    history = QLearning(QLearningConfig(episodes=250, hidden=8)).fit(table, encoder).history
    assert [point.episode for point in history] == [100, 200, 250]
    for point in history:
        assert -1 <= point.reward <= 1
        assert point.loss >= 0
        assert sum(point.actions) == pytest.approx(1)
    assert history[0].epsilon == pytest.approx(0.995**99)
    assert history[-1].learning_rate < history[0].learning_rate
    assert len(history[0].actions) == 2


def test_the_learning_curve_counts_rewards_and_not_the_values_ahead(table, encoder):
    config = QLearningConfig(
        episodes=600, max_steps=3, hidden=8, epsilon_start=0.5, epsilon_decay=1.0
    )
    history = QLearning(config).fit(table, encoder).history
    assert all(-1 <= point.reward <= 1 for point in history)


def test_states_are_standardised_by_the_training_faces(table):
    encoder = Thumbnail(side=4)
    config = QLearningConfig(episodes=10, hidden=4, standardize=True)
    network = QLearning(config).fit(table, encoder).policy.network
    inputs = network.inputs(encoder(torch.from_numpy(table.faces.images)))
    torch.testing.assert_close(inputs.mean(0), torch.zeros(48), rtol=0, atol=1e-3)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(48), rtol=1e-2, atol=1e-2)


def test_a_finished_training_returns_at_once(table, encoder, tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    config = QLearningConfig(episodes=50, hidden=8, standardize=True)
    first = QLearning(config).fit(table, encoder, checkpoint=path)
    monkeypatch.setattr(QUpdate, "step", None)
    monkeypatch.setattr(FaceStates, "moments", None)
    again = QLearning(config).fit(table, encoder, checkpoint=path)
    assert torch.equal(weights(first.policy), weights(again.policy))
    assert list(first.history) == list(again.history)


def test_another_training_is_refused(faces, detector, actions, encoder, tmp_path):
    path = tmp_path / "state.safetensors"
    config = QLearningConfig(episodes=20, hidden=8)
    QLearning(config).fit(LogitTable(faces, detector, actions), encoder, checkpoint=path)
    swapped = type(faces).from_arrays(faces.images, 1 - faces.labels)
    others = [
        (config.model_copy(update={"gamma": 0.5}), faces, actions, encoder, 0),
        (config, faces, actions, encoder, 1),
        (config, faces, actions, FlatImage(), 0),
        (config, toy_faces(seed=3)[0], actions, encoder, 0),
        (config, swapped, actions, encoder, 0),
        (config, faces, TransformSet.create(["identity", "median"]), encoder, 0),
    ]
    for other, their_faces, their_actions, their_encoder, seed in others:
        table = LogitTable(their_faces, detector, their_actions)
        with pytest.raises(BadArtifactError, match="another training"):
            QLearning(other).fit(table, their_encoder, seed=seed, checkpoint=path)


def test_a_stopped_training_goes_on_to_the_same_bits(
    faces, detector, actions, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(q_learning, "SAVE_EVERY_SECONDS", 0.0)
    config = QLearningConfig(episodes=450, hidden=8)
    alone = QLearning(config).fit(LogitTable(faces, detector, actions), encoder)
    steps = 0
    original = QUpdate.step

    def stumble(self, *arguments):
        nonlocal steps
        steps += 1
        if steps in (130, 400):
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(QUpdate, "step", stumble)
    path = tmp_path / "state.safetensors"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            QLearning(config).fit(LogitTable(faces, detector, actions), encoder, checkpoint=path)
    table = LogitTable(faces, detector, actions)
    resumed = QLearning(config).fit(table, encoder, checkpoint=path)
    assert steps < 130 + 400 + 450
    assert torch.equal(weights(resumed.policy), weights(alone.policy))
    assert list(resumed.history) == list(alone.history)


SCRIPT = """
import hashlib, json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from toy_world import ToyDetector, toy_faces
from demagnify.transforms import TransformSet
from demagnify.agents.learners import QLearning, QLearningConfig, q_learning
from demagnify.scores import LogitTable
from demagnify.agents.states import FlatImage
q_learning.SAVE_EVERY_SECONDS = 0.0
faces, _ = toy_faces()
actions = TransformSet.create(["identity", "mask-center"])
table = LogitTable(faces, ToyDetector(), actions)
config = QLearningConfig(episodes=1200, hidden=16)
path = Path(sys.argv[2])
trained = QLearning(config).fit(table, FlatImage(), seed=3, checkpoint=path)
digest = hashlib.sha256()
for name, tensor in sorted(trained.policy.state_dict().items()):
    digest.update(tensor.numpy().tobytes())
digest.update(table.logits.tobytes())
digest.update(json.dumps([point.to_json() for point in trained.history]).encode())
print(digest.hexdigest())
"""


def learn(path):
    return start(SCRIPT, Path(__file__).parent, path, output=path.with_suffix(".txt"))


def test_kill_minus_nine_at_random_moments_changes_no_bit(tmp_path):
    undisturbed = tmp_path / "alone.safetensors"
    alone = learn(undisturbed)
    random = np.random.default_rng()
    path = tmp_path / "killed.safetensors"
    for _ in range(2):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = learn(path)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.is_alive():
            if path.exists() and path.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        ended(process)
        assert path.exists()
    assert (ended(alone), ended(learn(path))) == (0, 0)
    digests = [one.with_suffix(".txt").read_text().strip() for one in (undisturbed, path)]
    assert len(digests[0]) == 64
    assert digests[0] == digests[1], json.dumps(digests)
