"""How much faster the learner is than the straightforward loop of the paper's text.

Five ways through the same episodes, on the same faces, with the same detector and settings:

* the paper's loop: one face at a time from its file, one detector call, one plain Adam update;
* exact: our preset `paper`, which does the same updates in the same order of things;
* batched: the preset `paper-batched`, many environments per update, the detector asked in batches,
  the table empty at first;
* batched on a filled table: as when a second learner or another seed runs on the same faces;
* bare network: nothing but the detector's network on as many images as `batched` asked about.

Ours decode every face once, which counts as part of their time. Example:

    python benchmarks/paper_loop.py --data FOLDER --detector light --loop-episodes 300
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify import detectors
from demagnify.agents import presets as configs
from demagnify.agents.learners import QLearning, QLearningConfig, TrainedPolicy
from demagnify.agents.policies import GreedyQPolicy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.presets import Preset
from demagnify.agents.q_network import QNetwork
from demagnify.agents.rewards import verdict_rewards
from demagnify.agents.states import StateEncoder
from demagnify.agents.states import create as create_state
from demagnify.core import images
from demagnify.core.devices import autocast
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import Manifest
from demagnify.detectors import Detector
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

T = TypeVar("T")

LAST = 1000
WARM_UP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way through the episodes."""

    name: str
    episodes: int
    seconds: float
    calls: int
    last_reward: float | None = None
    greedy_reward: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all ways share."""

    manifest: Manifest
    faces: FaceDataset
    decode_seconds: float
    detector: Detector
    actions: TransformSet
    encoder: StateEncoder
    learner: QLearningConfig
    seed: int


def main() -> None:
    """Runs all ways and prints one table."""
    options = _parse()
    setting = _prepare(options)
    filled = LogitTable(setting.faces, setting.detector, setting.actions)
    _timed(lambda: _warm_up(setting))
    fill_seconds, _ = _timed(filled.fill)
    batched = _q_learning(
        configs.load(
            "paper-batched",
            [
                f"defense.learner.episodes={options.episodes}",
                *(f"defense.learner.{change}" for change in options.batched),
            ],
        )
    )
    rows = [_paper_loop(setting, options.loop_episodes or options.episodes, filled)]
    exact, _ = _ours("exact", setting, setting.learner, filled, empty=True)
    rows.append(exact)
    side_by_side = f"batched x{batched.environments}"
    quick, table = _ours(side_by_side, setting, batched, filled, empty=True)
    rows.append(quick)
    rows.append(_ours(f"{side_by_side}, table filled", setting, batched, filled, empty=False)[0])
    rows.append(_bare_network(setting, table.calls))
    filling = Row(name="filling the table", episodes=0, seconds=fill_seconds, calls=filled.calls)
    rows += [filling, _bare_network(setting, filled.calls)]
    report = {
        "machine": _machine(setting),
        "setting": {**setting.learner.model_dump(), "faces": len(setting.faces)},
        "batched": batched.model_dump(),
        "detector": f"{options.detector} ({_weights(options)})",
        "best_fixed_reward": float(
            verdict_rewards(filled.logits, filled.labels[:, None], filled.threshold)
            .mean(axis=0)
            .max()
        ),
        "oracle_reward": float(
            verdict_rewards(filled.logits, filled.labels[:, None], filled.threshold)
            .max(axis=1)
            .mean()
        ),
        "rows": [asdict(row) for row in rows],
    }
    _print(report, rows, options.episodes)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a manifest or labelled folder")
    parser.add_argument("--split", default="train", help="which of its splits")
    parser.add_argument("--faces", type=int, help="only so many of them, drawn by the seed")
    parser.add_argument(
        "--detector", default="light", help="a folder or shipped name, else a network of timm's"
    )
    parser.add_argument("--episodes", type=int, default=5000, help="of every way")
    parser.add_argument(
        "--loop-episodes", type=int, help="stop the loop earlier and extrapolate its time"
    )
    parser.add_argument(
        "--batched",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the batched learner, such as environments=16",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def _is_trained(options: argparse.Namespace) -> bool:
    return options.detector in detectors.shipped() or Path(options.detector).exists()


def _weights(options: argparse.Namespace) -> str:
    return "trained" if _is_trained(options) else "random weights: rewards mean nothing"


def _prepare(options: argparse.Namespace) -> Setting:
    if _is_trained(options):
        detector = detectors.load_detector(options.detector, device=options.device)
    else:
        detector = detectors.create(options.detector, device=options.device)
    paper = configs.load("paper", [f"defense.learner.episodes={options.episodes}"])
    manifest = Manifest.load(options.data).split(options.split)
    if options.faces:
        chosen = generator(options.seed, "faces").permutation(len(manifest))[: options.faces]
        records = [manifest[index] for index in sorted(chosen.tolist())]
        manifest = Manifest(records, root=manifest.root)
    decode_seconds, faces = _timed(
        lambda: FaceDataset.open(manifest, size=paper.detector.size, strict=True)
    )
    return Setting(
        manifest=manifest,
        faces=faces,
        decode_seconds=decode_seconds,
        detector=detector,
        actions=TransformSet.create(paper.defense.actions),
        encoder=create_state(paper.defense.state or ""),
        learner=_q_learning(paper),
        seed=options.seed,
    )


def _q_learning(preset: Preset) -> QLearningConfig:
    learner = preset.defense.learner
    if not isinstance(learner, QLearningConfig):
        raise SystemExit(f"this benchmark is about q-learning, not {learner.name}")
    return learner


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def _warm_up(setting: Setting) -> None:
    for count in (1, 64):
        batch = setting.faces.batch(np.arange(min(count, len(setting.faces))))
        for _ in range(WARM_UP):
            setting.detector.logits(batch)


def _paper_loop(setting: Setting, episodes: int, filled: LogitTable) -> Row:
    """One face, one detector call, one update at a time, as one would write it from the paper."""
    config, device = setting.learner, setting.detector.device or torch.device("cpu")
    size = setting.faces.size
    network = QNetwork(
        setting.encoder.size(size), len(setting.actions), hidden=config.hidden, seed=setting.seed
    ).to(device)
    rewards: list[float] = []

    def play() -> None:
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.episodes)
        epsilon = config.epsilon_start
        for episode in range(episodes):
            random = generator(setting.seed, "q-learning", episode)
            record = setting.manifest[int(random.integers(len(setting.manifest)))]
            pixels = images.fit(images.load(record.path), size)
            image = images.to_batch([pixels]).to(device)
            state = image.flatten(1).float() / 255
            values = network(state)
            explore = random.random() < epsilon
            action = int(random.integers(len(setting.actions)))
            action = action if explore else int(values.argmax())
            with torch.no_grad():
                logit = setting.detector(setting.actions[action](image)).item()
            right = (logit > setting.detector.threshold) == (record.label == 1)
            rewards.append(1.0 if right else -1.0)
            target = values.detach().clone()
            target[0, action] = rewards[-1]
            loss = torch.nn.functional.mse_loss(values, target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            epsilon = max(config.epsilon_end, epsilon * config.epsilon_decay)

    seconds, _ = _timed(play)
    whole = episodes == config.episodes
    return Row(
        name="the paper's loop",
        episodes=episodes,
        seconds=seconds * config.episodes / episodes,
        calls=config.episodes,
        last_reward=float(np.mean(rewards[-LAST:])) if whole else None,
        greedy_reward=_greedy(GreedyQPolicy(network), setting, filled) if whole else None,
        note="" if whole else f"extrapolated from {episodes} episodes",
    )


def _ours(
    name: str, setting: Setting, config: QLearningConfig, filled: LogitTable, *, empty: bool
) -> tuple[Row, LogitTable]:
    table = LogitTable(setting.faces, setting.detector, setting.actions)
    if not empty:
        table.update(filled.logits)
    learner = QLearning(config)
    seconds, trained = _timed(lambda: learner.fit(table, setting.encoder, seed=setting.seed))
    row = Row(
        name=name,
        episodes=config.episodes,
        seconds=seconds + setting.decode_seconds,
        calls=table.calls,
        last_reward=_last_reward(trained),
        greedy_reward=_greedy(trained.policy, setting, filled),
        note=f"with {setting.decode_seconds:.1f} s of decoding",
    )
    return row, table


def _last_reward(trained: TrainedPolicy) -> float:
    """Returns the mean reward over the points of the curve in the last `LAST` episodes."""
    ends = np.array([0] + [point.episode for point in trained.history])
    rewards = np.array([point.reward for point in trained.history])
    late = ends[1:] > ends[-1] - LAST
    return float(np.average(rewards[late], weights=np.diff(ends)[late]))


def _greedy(policy: Any, setting: Setting, filled: LogitTable) -> float:  # noqa: ANN401
    chosen: NDArray[np.int64] = PolicyPredictor(policy, setting.encoder).choose(filled)
    return float(
        verdict_rewards(filled.logits, filled.labels[:, None], filled.threshold)[
            np.arange(len(chosen)), chosen
        ].mean()
    )


def _bare_network(setting: Setting, calls: int) -> Row:
    """The network alone, without decoding, scaling or anything else around it."""
    detector = setting.detector
    device = detector.device or torch.device("cpu")
    batch = detector.prepare(setting.faces.batch(np.arange(64) % len(setting.faces)).to(device))

    def run() -> None:
        with torch.inference_mode(), autocast(device, detector.precision):
            for start in range(0, calls, 64):
                detector.network(batch[: calls - start])

    seconds, _ = _timed(run)
    return Row(name=f"bare network, {calls} calls", episodes=0, seconds=seconds, calls=calls)


def _machine(setting: Setting) -> dict[str, str | int]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "device": str(setting.detector.device),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _print(report: dict[str, Any], rows: Sequence[Row], episodes: int) -> None:
    print(f"{report['detector']}, {report['setting']['faces']} faces, {report['machine']}")
    print(
        f"rewards that frame the others: best single action {report['best_fixed_reward']:+.3f}, "
        f"oracle {report['oracle_reward']:+.3f}"
    )
    loop = rows[0].seconds
    columns = f"{'':32}{'episodes':>9}{'seconds':>10}{'loop / it':>10}{'calls':>8}"
    print(f"{columns}{f'last {LAST}':>11}{'greedy':>8}")
    for row in rows:
        ratio = f"{loop / row.seconds:.1f}" if row.episodes or row is rows[0] else ""
        count = episodes if row is rows[0] else row.episodes
        print(
            f"{row.name:32}{count or '':>9}{row.seconds:>10.1f}{ratio:>10}{row.calls:>8}"
            f"{_signed(row.last_reward):>11}{_signed(row.greedy_reward):>8}  {row.note}"
        )


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


if __name__ == "__main__":
    main()
