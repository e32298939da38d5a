"""A defence whose threshold validation faces chose."""

import json

import numpy as np
import pytest

from demagnify import detectors
from demagnify.agents.config import TrainDefenseConfig
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.training import train_defense
from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.evaluation.evaluating import EvaluationConfig, evaluate
from tiny_faces import write_faces

CONFIG = {"actions": ("identity", "flip"), "state": None, "learner": {"name": "mean-of-views"}}


@pytest.fixture(name="askew")
def _askew():
    """A detector that calls every face real: its threshold is far above its logits."""
    detector = detectors.create("mobilenetv3_small_050", input_size=32, device="cpu", seed=1)
    detector.threshold = 50.0
    return detector


def faces(count, seed=0):
    """Real faces are dark, fakes are bright."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(seed).integers(0, 40, (count, 3, 32, 32))
    return FaceDataset.from_arrays((noise + 160 * labels[:, None, None, None]).astype("u1"), labels)


def test_validation_faces_choose_it_and_it_stays_with_the_defence(askew, tmp_path):
    config = TrainDefenseConfig(**CONFIG, threshold="validation")
    held = faces(20, seed=1)
    (trained,) = train_defense(
        faces(8), tmp_path / "defense", config, detector=askew, validation=held
    )
    logits = trained.defended.logits(held).numpy()
    best = np.mean((logits > trained.defended.threshold) == (held.labels == 1))
    assert best > np.mean(held.labels == 0)  # what the detector's own threshold gives
    loaded = DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert loaded.threshold == trained.defended.threshold != 50.0
    assert loaded.detector.threshold == 50.0
    assert loaded.fingerprint() == trained.defended.fingerprint()


def test_without_it_the_detector_decides_and_the_card_names_none(askew, tmp_path):
    (trained,) = train_defense(
        faces(8), tmp_path / "defense", TrainDefenseConfig(**CONFIG), detector=askew
    )
    assert trained.defended.threshold == 50.0
    card = json.loads((tmp_path / "defense/card.json").read_text())
    assert "threshold" not in card["defense"]


def test_the_split_val_is_taken_and_evaluations_use_what_it_chose(askew, tmp_path):
    data = write_faces(tmp_path / "faces", size=32)
    config = TrainDefenseConfig(**CONFIG, threshold="validation", size=32, attacks=("down-up",))
    (trained,) = train_defense(data, tmp_path / "defense", config, detector=askew)
    found = evaluate(
        [data],
        tmp_path / "run",
        EvaluationConfig(attacks=("down-up",), device="cpu"),
        methods={"mine": trained.defended},
        base=askew,
    )
    rows = json.loads((tmp_path / "run/results.json").read_text())
    assert found.result is not None
    assert f'"threshold": {trained.defended.threshold}' in json.dumps(rows)


def test_faces_of_one_class_choose_nothing(askew, tmp_path):
    config = TrainDefenseConfig(**CONFIG, threshold="validation")
    one = faces(8).subset(np.arange(0, 8, 2))
    for validation in (None, one):
        with pytest.raises(BadConfigError, match="no real and fake faces in the split val"):
            train_defense(
                faces(8), tmp_path / "defense", config, detector=askew, validation=validation
            )
