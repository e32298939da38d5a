"""What learning costs: each learner on one filled reward table, in seconds.

The detector's answers are made up, so that no detector takes part: filling a table is measured by
`defended_time.py`. The best action depends on the state, which is as large as the spectrum's (82
numbers). What each learner reaches stands beside the best fixed action, so that a fast learner
that learns nothing is seen. Example:

    python benchmarks/learners.py --faces 10000 --actions 16
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from demagnify.agents.learners import LEARNERS, Learner, QLearning, QLearningConfig
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import DetectorOutput, StateEncoder
from demagnify.data import FaceDataset
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.scores import LogitTable
from demagnify.transforms import IDENTITY, TRANSFORMS, TransformSet

SIDE = 16
STATE = 82
DEFAULT_PRESET = QLearningConfig(
    episodes=200_000, environments=64, standardize=True, epsilon_decay=0.99995
)
"""The Q-learning of the preset `default`; `paper_loop.py` measures the paper's own setting."""


class Silent:
    """A detector whose answers are all known already."""

    threshold = 0.0
    device = None

    def logits(self, images: torch.Tensor, /, *, batch_size: int = 64) -> torch.Tensor:
        """Is never asked."""
        raise RuntimeError(f"{len(images)} of {batch_size} answers are missing in the table")

    def fingerprint(self) -> str:
        """Names it."""
        return "silent"


@dataclass(frozen=True)
class FirstPixels(StateEncoder):
    """The first numbers of an image, 0 to 1."""

    name = "first-pixels"

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns as many numbers as the spectrum has."""
        return STATE

    def encode(self, images: torch.Tensor, opinion: DetectorOutput | None) -> torch.Tensor:  # noqa: ARG002
        """Returns them."""
        return images.flatten(1)[:, :STATE].float().div_(255)


def main() -> None:
    """Trains every learner and prints how long each took."""
    options = _parse()
    table, encoder = _table(options.faces, options.actions), FirstPixels()
    fixed = float(RewardConfig().of_table(table).mean(axis=0).max())
    rows = {name: _measured(_learner(name), table, encoder) for name in options.learners}
    print(f"{options.faces:,} faces x {options.actions} actions, {torch.get_num_threads()} threads")
    print(f"best fixed action {' ':24} accuracy {(fixed + 1) / 2:.3f}")
    for name, row in rows.items():
        print(
            f"{name:18}{row['seconds']:8.2f} s  {row['calls']:5.2f} calls per face"
            f"   accuracy {row['accuracy']:.3f}"
        )
    if options.json:
        report = {
            "faces": options.faces,
            "actions": options.actions,
            "threads": torch.get_num_threads(),
            "learners": rows,
            "machine": describe_machine("cpu").model_dump(),
            "versions": describe_versions().model_dump(),
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--actions", type=int, default=16)
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


def _learner(name: str) -> Learner:
    return QLearning(DEFAULT_PRESET) if name == "q-learning" else LEARNERS.get(name)(None)


def _table(count: int, actions: int) -> LogitTable:
    """Makes faces of noise, and answers that are right where a state's own number is large."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, size=(count, 3, SIDE, SIDE), dtype=np.uint8)
    labels = random.integers(0, 2, size=count)
    names = [IDENTITY, *(name for name in TRANSFORMS if name != IDENTITY)][:actions]
    if len(names) < actions:
        raise SystemExit(f"there are only {len(names)} actions")
    table = LogitTable(
        FaceDataset.from_arrays(images, labels), Silent(), TransformSet.create(names)
    )
    seen = images.reshape(count, -1)[:, :STATE].astype(np.float32) / 255 - 0.5
    fit = seen @ random.normal(size=(STATE, actions)).astype(np.float32)
    margin = fit + random.normal(size=fit.shape).astype(np.float32)
    table.logits[:] = np.where(labels[:, None] == 1, margin, -margin)
    return table


def _measured(learner: Learner, table: LogitTable, encoder: StateEncoder) -> Mapping[str, Any]:
    start = time.perf_counter()
    policy = learner.fit(table, encoder).policy
    seconds = time.perf_counter() - start
    predictions = PolicyPredictor(policy, encoder).predict(table)
    right = predictions.fake == (table.labels == 1)
    calls = 1.0 if predictions.calls is None else float(predictions.calls.mean())
    return {"seconds": round(seconds, 2), "calls": calls, "accuracy": float(right.mean())}


if __name__ == "__main__":
    main()
