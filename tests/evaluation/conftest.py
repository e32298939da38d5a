"""Made-up faces with logits like those of a detector under attack, and one tiny research loop."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tiny_loop import run_loop

from demagnify.agents.predictors import Predictions, Predictor
from demagnify.core.assets.store import CACHE_VARIABLE
from demagnify.data.dataset import FaceDataset
from demagnify.evaluation import ConditionEntry, Context, Settings, SkippedFile
from demagnify.evaluation.methods import Tables
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

TRANSFORMS = ("identity", "mask-center", "jpeg-75", "gaussian-blur")
DAMAGE = {"none": 0.0, "srgan-x4": 2.2, "edsr-x2": 1.1, "bicubic-x2": 0.4}
HELP = (0.0, -0.3, 0.5, 0.9)  # how much of the damage to fakes each action mends


class Silent(torch.nn.Module):
    """A detector that is never asked, because the tables are filled by hand."""

    threshold = 0.0
    device = torch.device("cpu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a filled table asks nobody")


class Guided(Predictor):
    """Blurs where the hint of the table says "attacked", else does nothing."""

    name = "dqn"

    def predict(self, table):
        actions = np.where(table.hint > 0.5, 3, 0)
        logits = table.logits[np.arange(len(actions)), actions]
        return Predictions(logits=logits, actions=actions, threshold=table.threshold)


def make_faces(seed: int, groups: int, size: int = 16) -> FaceDataset:
    """Three faces per group, each a smooth gradient; every group has a fake."""
    random = np.random.default_rng(seed)
    count = 3 * groups
    labels = np.tile([0, 1, 1], groups)[random.permutation(count)]
    ramp = np.linspace(0, 1, size)
    corners = random.uniform(40, 215, (count, 3, 1, 1))
    pixels = corners + 40 * ramp[:, None] * ramp + random.normal(0, 6, (count, 3, size, size))
    names = [f"faces/{number:04d}.png" for number in range(count)]
    owners = np.array([f"photo-{number // 3:03d}" for number in range(count)])
    return FaceDataset.from_arrays(
        np.clip(pixels, 0, 255).astype(np.uint8), labels, groups=owners, names=names
    )


def make_table(clean: FaceDataset, seed: int, attack: str) -> LogitTable:
    """One attack's filled table, with a hint that tells attacked faces apart, now and then."""
    random = np.random.default_rng([seed, 7])  # the same noise under every attack: paired faces
    damage = DAMAGE[attack]
    pixels = clean.images if attack == "none" else 255 - (255 - clean.images) // 8 * 8
    table = LogitTable(clean.with_images(pixels), Silent(), TransformSet.create(list(TRANSFORMS)))
    truth = 2.0 * clean.labels - 0.6
    _, owner = np.unique(clean.groups, return_inverse=True)
    base = truth + random.normal(0, 0.7, owner.max() + 1)[owner] + random.normal(0, 1, len(clean))
    mended = np.array(HELP) - 0.15 * (np.arange(len(HELP)) > 0)
    shift = damage * (mended - 1) * (clean.labels[:, None] == 1) - 0.15 * np.abs(HELP)
    table.logits[:] = base[:, None] + shift + random.normal(0, 0.25, shift.shape)
    table.logits[:, 0] = base - damage * (clean.labels == 1)
    hint = float(attack != "none") + random.normal(0, 0.35, len(clean))
    table.hint = hint.astype(np.float32)
    return table


def make_tables(groups: int = 40, size: int = 16, seed: int = 0) -> Tables:
    """The validation split under two attacks and the test split under one more."""
    attacks = {"val": ("none", "srgan-x4", "bicubic-x2"), "test": tuple(DAMAGE)}
    tables = {}
    for number, (split, names) in enumerate(attacks.items()):
        clean = make_faces(seed + number, groups, size)
        tables[split] = {name: make_table(clean, seed + number, name) for name in names}
    return tables


def make_context() -> Context:
    """Everything that a run records beside its figures."""
    random = np.random.default_rng(3)
    episodes = range(0, 5001, 250)
    return Context(
        command="demagnify evaluate runs/demo --seed 0",
        title="demo",
        seen_attacks=("srgan-x4",),
        data="Made-up faces: 3 per photograph.",
        skipped={"test": (SkippedFile(name="faces/bad & <odd>.png", reason="the file is empty"),)},
        detector={"backbone": "resnet50", "image_size": 224},
        configuration={"actions": list(TRANSFORMS), "learning_rate": 0.001},
        attack_quality=tuple(
            ConditionEntry.of(name, random.normal(34, 2, 120), random.normal(0.94, 0.02, 120))
            for name in DAMAGE
            if name != "none"
        ),
        learner_history=tuple(
            {
                "episode": float(episode),
                "reward": 0.8 - 0.7 * np.exp(-episode / 900) + random.normal(0, 0.02),
                "loss": 0.3 + np.exp(-episode / 1200) + random.normal(0, 0.02),
                "epsilon": max(0.01, 0.999**episode),
                "share leave": 0.25 + 0.2 * (1 - np.exp(-episode / 900)),
                "share gaussian-blur": 0.25 + 0.3 * (1 - np.exp(-episode / 900)),
            }
            for episode in episodes
        ),
        detector_history=tuple(
            {
                "epoch": float(epoch),
                "loss": 0.7 * 0.8**epoch,
                "val_loss": 0.3 + 0.4 * 0.8**epoch,
                "val_auc": math.nan if epoch == 0 else 0.95 - 0.4 * 0.7**epoch,
            }
            for epoch in range(12)
        ),
        timings={"attacks": 210.4, "reward table": 95.2},
    )


@pytest.fixture(scope="session")
def tables() -> Tables:
    return make_tables()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(resamples=200)


@pytest.fixture(scope="session")
def tables_of() -> Callable[..., Tables]:
    return make_tables


@pytest.fixture(scope="session")
def guided() -> Guided:
    return Guided()


@pytest.fixture(scope="session")
def context() -> Context:
    return make_context()


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where attacked faces are kept for these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cached(cache, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))


@pytest.fixture(scope="session")
def loop(tmp_path_factory, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache))
        return run_loop(tmp_path_factory.mktemp("loop"))


@pytest.fixture(scope="session")
def same_loop(tmp_path_factory):
    """The same from the beginning, in another folder and with nothing in the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("other-cache")))
        return run_loop(tmp_path_factory.mktemp("same"))
