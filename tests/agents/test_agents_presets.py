"""Presets and configuration files."""

from __future__ import annotations

import pytest
import yaml

from demagnify.agents import presets as configs
from demagnify.agents.learners import LEARNERS
from demagnify.agents.states import STATES
from demagnify.core.errors import BadConfigError
from demagnify.transforms import TransformSet


def test_the_papers_preset_is_the_papers():
    paper = configs.load("paper")
    assert paper.detector.size == paper.defense.size == 224
    assert paper.detector.backbone == "resnet50"
    assert paper.defense.actions == ("identity", "mask-center")
    assert paper.defense.state == "flat-image"
    learner = paper.defense.learner
    assert (learner.episodes, learner.environments, learner.max_steps) == (5000, 1, 1)
    assert (learner.hidden, learner.standardize) == (128, False)
    assert (learner.learning_rate, learner.gamma) == (0.001, 0.99)
    assert (learner.epsilon_start, learner.epsilon_end, learner.epsilon_decay) == (1.0, 0.01, 0.995)


@pytest.mark.parametrize("name", configs.names())
def test_every_preset_names_things_that_exist(name):
    defense = configs.load(name).defense
    assert len(TransformSet.create(defense.actions)) > 1
    assert defense.state in [*STATES, None]
    assert defense.learner.name in LEARNERS


def test_overrides_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("defense:\n  size: 128\n  learner:\n    episodes: 7\n")
    mine = configs.load(path, ["defense.learner.gamma=0.5", "defense.actions=[identity, median]"])
    assert (mine.defense.size, mine.defense.learner.episodes) == (128, 7)
    assert mine.defense.learner.gamma == 0.5
    assert mine.defense.actions == ("identity", "median")
    assert mine.defense.learner.environments == 1


def test_what_is_resolved_can_be_read_again(tmp_path):
    paper = configs.load("paper", ["defense.seed=3"])
    path = tmp_path / "resolved.yaml"
    path.write_text(yaml.safe_dump(paper.model_dump(mode="json")))
    assert configs.load(path) == paper


def test_an_empty_file_means_the_defaults(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert configs.load(path).defense.state == "flat-image"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "defense.learner.gama=0.5",
            r"^--set defense.learner.gama=0.5: .*gama is no known key; did you mean gamma\?",
        ),
        ("defence.seed=1", r"defence is no known key; did you mean defense\?"),
        ("defense.learner.gamma=2", r"defense\.learner\.gamma: .* not 2"),
        ("defense.learner.episodes=many", r"defense\.learner\.episodes: .* not 'many'"),
        ("episodes", "is not key=value"),
        ("=3", "is not key=value"),
        ("defense.size.width=3", "size is a value, not a section"),
        ("defense.size=[1", "is not a YAML value"),
    ],
)
def test_a_wrong_override_is_explained_in_one_line(override, message):
    with pytest.raises(BadConfigError, match=message) as caught:
        configs.load("paper", [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n- b\n", "holds a list"), ("a: [", "is no YAML"), ("a: 1\n", "a is no known key")],
)
def test_a_wrong_file_is_explained_in_one_line(text, message, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(BadConfigError, match=message) as caught:
        configs.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_preset_names_those_that_exist():
    with pytest.raises(BadConfigError, match="cost-sensitive, default"):
        configs.load("papr")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "photo.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadConfigError, match="cannot be read"):
        configs.load(path)
