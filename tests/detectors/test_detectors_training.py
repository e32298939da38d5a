import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from demagnify import detectors
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, BadConfigError, BadManifestError, BadOutputError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import Detector, TrainDetectorConfig, TrainedDetector, loop
from demagnify.detectors.loop import learning_rate
from demagnify.detectors.threshold import choose_threshold

QUICK = TrainDetectorConfig(
    epochs=3,
    batch_size=16,
    learning_rate=3e-3,
    precision="float32",
    augmentation=0.0,
    device="cpu",
)


@pytest.fixture
def train(tiny, striped_faces, tmp_path) -> Callable[..., TrainedDetector]:
    def run(
        config: TrainDetectorConfig = QUICK,
        train: FaceDataset | None = None,
        val: FaceDataset | None = None,
        **changes,
    ) -> TrainedDetector:
        arguments = {
            "config": config,
            "detector": tiny(),
            "output": tmp_path / "out",
            **changes,
        }
        data = train or striped_faces(48, 48, seed=1), val or striped_faces(24, 24, seed=2)
        return detectors.train_detector(data, **arguments)

    return run


def weights_sha(output: Path) -> str:
    return json.loads((output / artifacts.CARD).read_text())["weights_sha256"]


def test_learns_what_is_easy_to_learn(train, striped_faces):
    trained = train(QUICK.model_copy(update={"epochs": 6, "augmentation": 0.5}))
    unseen = striped_faces(40, 40, seed=9)
    assert trained.metrics["val_auc"] > 0.95
    logits = trained.detector.logits(unseen).numpy()
    right = (logits > trained.detector.threshold) == (unseen.labels == 1)
    assert right.mean() > 0.85


def test_the_output_is_the_returned_detector_with_its_history(train, striped_faces, tmp_path):
    trained = train()
    loaded = detectors.load_detector(tmp_path / "out", device="cpu", precision="float32")
    faces = striped_faces(4, 4, seed=5)
    assert torch.equal(loaded.logits(faces), trained.detector.logits(faces))
    assert loaded.threshold == trained.detector.threshold
    card = json.loads((tmp_path / "out" / artifacts.CARD).read_text())
    assert card["training"] == QUICK.model_dump(mode="json")
    assert card["history"] == loaded.card["history"] == trained.detector.card["history"]
    assert [row["epoch"] for row in card["history"]] == [1, 2, 3]
    assert card["validation"] == trained.metrics
    assert card["data"]["train"]["real"] == card["data"]["train"]["fake"] == 48
    assert card["data"]["val"]["groups"] == 48
    assert {"demagnify", "python", "torch", "timm"} <= set(card["versions"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_same_seed_same_bits_other_seed_other_bits(train, tmp_path):
    config = QUICK.model_copy(update={"augmentation": 1.0, "epochs": 2})
    sums = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(len(sums))
        train(config.model_copy(update={"seed": seed}), output=tmp_path / name)
        sums.append(weights_sha(tmp_path / name))
    assert sums[0] == sums[1] != sums[2]


def test_the_global_generator_is_left_alone(train):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    train(QUICK.model_copy(update={"epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)


def test_learns_from_training_faces_and_chooses_by_validation_faces(
    train, tiny, striped_faces, monkeypatch
):
    seen = {True: set(), False: set()}
    forward = Detector.forward

    def watch(self, images):
        seen[self.training].update(image.numpy().tobytes() for image in images)
        return forward(self, images)

    monkeypatch.setattr(Detector, "forward", watch)
    learned, validation = striped_faces(48, 48, seed=1), striped_faces(24, 24, seed=2)
    trained = train(train=learned, val=validation)

    def pixels(faces: FaceDataset) -> set[bytes]:
        return {image.tobytes() for image in faces.images}

    assert seen[True] == pixels(learned)
    assert seen[False] == pixels(validation)
    best = max(trained.history, key=lambda epoch: (epoch.val_auc, -epoch.val_loss))
    assert trained.metrics["epoch"] == best.epoch
    chosen = choose_threshold((validation.labels, trained.detector.logits(validation)))
    assert trained.detector.threshold == pytest.approx(chosen.threshold, abs=1e-5)
    assert trained.metrics["val_balanced_accuracy"] == chosen.balanced_accuracy


def test_rare_fakes_weigh_more(train, striped_faces, tmp_path):
    val = striped_faces(10, 10, seed=4)
    lines = []
    trained = train(train=striped_faces(60, 20, seed=3), val=val, log=lines.append)
    card = json.loads((tmp_path / "out" / artifacts.CARD).read_text())
    assert card["pos_weight"] == 3.0
    assert "60 real and 20 fake" in lines[0]
    assert "3.000" in lines[0]
    expected = F.binary_cross_entropy_with_logits(
        trained.detector.logits(val),
        torch.from_numpy(val.labels).float(),
        pos_weight=torch.tensor(3.0),
    )
    assert trained.metrics["val_loss"] == pytest.approx(expected.item(), abs=1e-5)


def test_logs_a_line_about_every_epoch(train):
    lines = []
    train(log=lines.append)
    assert [line.partition(":")[0] for line in lines[1:]] == ["epoch 1", "epoch 2", "epoch 3"]


def test_stops_when_validation_gets_no_better(train, monkeypatch):
    aucs = iter([0.6, 0.8, 0.7, 0.7, 0.9, 0.9])
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda labels, logits: next(aucs))
    trained = train(QUICK.model_copy(update={"epochs": 6, "patience": 2}))
    assert [epoch.val_auc for epoch in trained.history] == [0.6, 0.8, 0.7, 0.7]
    assert trained.metrics["epoch"] == 2


def test_keeps_the_weights_of_the_best_epoch(train, tmp_path, monkeypatch):
    best_after_one = train(QUICK.model_copy(update={"epochs": 3}), output=tmp_path / "a").history
    aucs = iter([0.9, 0.8, 0.7])
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda labels, logits: next(aucs))
    kept: list[torch.Tensor] = []
    validate = loop.TrainingLoop._validate

    def spy(self):
        kept.append(next(self.detector.parameters()).detach().clone())
        return validate(self)

    monkeypatch.setattr(loop.TrainingLoop, "_validate", spy)
    trained = train(output=tmp_path / "b")
    assert len(best_after_one) == len(trained.history) == 3
    assert torch.equal(next(trained.detector.parameters()), kept[0])
    assert not torch.equal(kept[0], kept[2])


def test_a_finished_training_returns_at_once(train, monkeypatch):
    first = train()

    def never(*_args):
        raise AssertionError("it trained again")

    monkeypatch.setattr(loop.TrainingLoop, "run", never)
    again = train()
    assert again.history == first.history
    assert again.metrics == first.metrics
    assert again.detector.fingerprint() == first.detector.fingerprint()


class Killed(BaseException):
    pass


def killed_at(train, monkeypatch, step: int, config: TrainDetectorConfig, **changes) -> None:
    """Runs a training until it has done `step` steps."""
    original = loop.TrainingLoop._step
    count = iter(range(step))

    def dying(self, parts):
        if next(count, None) is None:
            raise Killed
        return original(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_step", dying)
        with pytest.raises(Killed):
            train(config, **changes)


@pytest.mark.parametrize("step", [1, 5, 6, 7, 12, 17])
def test_continues_to_the_same_bits_wherever_it_was_stopped(train, tmp_path, monkeypatch, step):
    config = QUICK.model_copy(update={"augmentation": 1.0, "save_seconds": 0.0})
    alone = train(config, output=tmp_path / "alone")
    killed_at(train, monkeypatch, step, config, output=tmp_path / "killed")
    continued = train(config, output=tmp_path / "killed")
    assert weights_sha(tmp_path / "killed") == weights_sha(tmp_path / "alone")
    hidden = {"images_per_second"}
    assert [epoch.model_dump(exclude=hidden) for epoch in continued.history] == [
        epoch.model_dump(exclude=hidden) for epoch in alone.history
    ]


def test_continuing_does_no_step_twice(train, monkeypatch):
    config = QUICK.model_copy(update={"save_seconds": 0.0})
    killed_at(train, monkeypatch, 7, config)
    steps = []
    original = loop.TrainingLoop._step

    def count(self, parts):
        steps.append(self.progress.step)
        return original(self, parts)

    monkeypatch.setattr(loop.TrainingLoop, "_step", count)
    train(config)
    assert len(steps) == 3 * 6 - 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": QUICK.model_copy(update={"learning_rate": 1e-4})}, "settings"),
        ({"train": "other faces"}, "training faces"),
        ({"val": "other faces"}, "validation faces"),
        ({"train": "other labels"}, "training faces"),
        ({"detector": "other start"}, "start weights"),
    ],
)
@pytest.mark.parametrize("finished", [False, True], ids=["killed", "finished"])
def test_another_training_is_not_continued(
    train, tiny, striped_faces, monkeypatch, changes, message, finished
):
    if finished:
        train()
    else:
        killed_at(train, monkeypatch, 7, QUICK)
    original = striped_faces(48, 48, seed=1)
    stand_ins = {
        "other faces": striped_faces(48, 48, seed=77),
        "other labels": FaceDataset.from_arrays(original.images, 1 - original.labels),
        "other start": tiny(seed=8),
    }
    arguments = {
        key: stand_ins[value] if isinstance(value, str) else value for key, value in changes.items()
    }
    error, message = (
        (BadArtifactError, f"another training: {message} differ")
        if finished
        else (BadOutputError, f"a training with another {message}")
    )
    with pytest.raises(error, match=message) as caught:
        train(**arguments)
    assert "\n" not in str(caught.value)


def test_how_often_it_saves_is_no_other_training(train, monkeypatch):
    killed_at(train, monkeypatch, 7, QUICK)
    train(QUICK.model_copy(update={"save_seconds": 5.0}))


def test_a_damaged_state_gives_one_line(train, tmp_path, monkeypatch):
    killed_at(train, monkeypatch, 7, QUICK)
    state = tmp_path / "out.training" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(BadArtifactError, match="damaged or cut off"):
        train()


def test_a_folder_with_other_things_is_not_overwritten(train, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(BadOutputError, match="no detector"):
        train()
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("real", "fake", "message"), [(5, 0, "no fake one"), (0, 5, "no real one")]
)
@pytest.mark.parametrize("which", ["train", "val"])
def test_both_classes_are_needed(train, striped_faces, which, real, fake, message):
    with pytest.raises(BadManifestError, match=message):
        train(**{which: striped_faces(real, fake, seed=0)})


def test_a_wrapped_callable_is_refused_before_the_work_not_after(train):
    def mine(images):
        return images.float().mean((1, 2, 3))

    with pytest.raises(BadConfigError, match="cannot be trained"):
        train(detector=detectors.wrap(mine, name="mine"))


def test_a_diverging_training_is_refused_and_writes_nothing(train, tmp_path):
    with pytest.raises(BadConfigError, match="learning_rate"):
        train(QUICK.model_copy(update={"learning_rate": 1e30}))
    assert not (tmp_path / "out").exists()


def test_fewer_faces_than_a_batch_are_enough(train, striped_faces):
    trained = train(train=striped_faces(4, 5, seed=0))
    assert len(trained.history) == 3
    assert np.isfinite(trained.history[-1].loss)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"learning_rate": -1}, {"augmentation": 2}, {"precision": "int8"}, {"lr": 1}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        TrainDetectorConfig(**wrong)


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(s, steps=100, base=0.1, warmup=0.1) for s in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert max(rates) == 0.1
    assert rates[0] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-4


def test_without_warm_up_it_starts_at_the_top():
    assert learning_rate(0, steps=1, base=0.1, warmup=0.0) == 0.1
