"""The part of each choice in a defence: transforms, state, learner, reward, one changed at a time.

All variants use one detector and learn from one half of the groups of the split val (every face
clean and under each --attack). The other half evaluates them (clean and under each --attack and
each --unseen), as mean over seeds. With --learn-on train they learn from the split train instead,
which the detector may know by heart, and all of val evaluates them. The loop is the fifth part: run
it again with a hardened --detector. Kept logits make a second run fast. Example:

    python benchmarks/ablation.py runs/ablation --data FOLDER --attack filters \
        --unseen realesr-compact-x2 --unseen srgan-x4 --subsample 500
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from demagnify import detectors
from demagnify.agents import presets as configs
from demagnify.agents.config import DefenseConfig
from demagnify.agents.learners import LEARNERS
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.states import StateEncoder
from demagnify.agents.states import create as create_state
from demagnify.core.errors import DemagnifyError
from demagnify.core.files import write_text
from demagnify.data import FaceDataset
from demagnify.data.prepare import open_splits
from demagnify.data.subsample import hold_out
from demagnify.detectors import Detector
from demagnify.evaluation import (
    Context,
    Evaluation,
    MethodSeed,
    Settings,
    evaluate_tables,
    learned_method,
)
from demagnify.evaluation.baselines.cached_state import CachedState
from demagnify.evaluation.results import UNDEFENDED
from demagnify.laundering.conditions import CLEAN, Conditions, create_attacks, pooled, under_attacks
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

DASH = "\N{EN DASH}"
PIXELS = ("flip", "gaussian-blur", "down-up", "jpeg-75")
BASE = {
    "actions": ["identity", *PIXELS],
    "state": "spectrum+residual",
    "learner": {"name": "full-information", "reward": {"kind": "likelihood"}},
}
CHANGES: dict[str, dict[str, object]] = {
    "base": {},
    "actions: the paper's two": {"actions": ["identity", "mask-center"]},
    "state: thumbnail": {"state": "thumbnail"},
    "state: spectrum": {"state": "spectrum"},
    "state: residual": {"state": "residual"},
    "state: logit": {"state": "logit"},
    "state: spectrum+residual+logit": {"state": "spectrum+residual+logit"},
    "state: embedding": {"state": "embedding"},
    "learner: Q-learning": {
        "learner": {"name": "q-learning", "episodes": 200_000, "environments": 64}
        | {"standardize": True, "epsilon_decay": 0.99995, "reward": {"kind": "likelihood"}}
    },
    "learner: policy gradient": {
        "learner": {"name": "policy-gradient", "reward": {"kind": "likelihood"}}
    },
    "learner: cost-sensitive": {
        "learner": {"name": "cost-sensitive", "reward": {"kind": "likelihood"}}
    },
    "learner: top 3": {"learner": {"name": "top-k", "reward": {"kind": "likelihood"}}},
    "reward: verdict, ±1": {"learner": {"name": "full-information", "reward": {"kind": "verdict"}}},
    "reward: margin": {"learner": {"name": "full-information", "reward": {"kind": "margin"}}},
    "reward: harm weighs twice": {
        "learner": {
            "name": "full-information",
            "reward": {"kind": "likelihood", "relative": True, "harm": 2.0},
        }
    },
}


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The variants of a defence, and the faces.

    Attributes:
        variants: Name in the table -> the settings of a defence.
        detector: The detector of all variants.
        train: The faces to learn from, clean and under each training attack.
        test: The faces of the evaluation, clean and under each attack, by the name of their split.
        seeds: How many trainings of each variant.
        settings: Resamples; the selection split must be the one that is evaluated.
    """

    variants: Mapping[str, DefenseConfig]
    detector: Detector
    train: Conditions
    test: Mapping[str, Conditions]
    seeds: int = 5
    settings: Settings = field(default_factory=lambda: Settings(fit_baselines=False))


def ablate(plan: Ablation, folder: Path, *, log: Callable[[str], None] | None = None) -> Evaluation:
    """Trains every variant with every seed and evaluates all of them on the same faces.

    Args:
        plan: The variants and the faces.
        folder: Where logits are kept; a killed run goes on.
        log: Gets a line about each variant.
    """
    log = log or (lambda _line: None)
    together = TransformSet.create(_together(plan.variants.values()))
    faces = pooled(plan.train)
    logits = _filled(faces, plan.detector, together, folder / "train.safetensors")
    evaluated = {
        split: {
            name: _filled(part, plan.detector, together, folder / f"{split}-{name}.safetensors")
            for name, part in conditions.items()
        }
        for split, conditions in plan.test.items()
    }
    conditions = np.repeat(list(plan.train), [len(part) for part in plan.train.values()])
    encoders: dict[str, StateEncoder] = {}
    rows = []
    for place, (name, config) in enumerate(plan.variants.items()):
        log(f"training {name}")
        state = config.state or "thumbnail"
        encoder = encoders.setdefault(state, _encoder(state, plan.detector, faces))
        actions = TransformSet.create(config.actions)
        table = _part(logits, actions)
        learner = LEARNERS.get(config.learner.name)(config.learner)
        tables = {
            split: {name: _part(one, actions) for name, one in filled.items()}
            for split, filled in evaluated.items()
        }
        policies = [
            learner.fit(
                table,
                encoder,
                seed=config.seed + number,
                checkpoint=folder / "learning" / f"{place}-{number}.safetensors",
                conditions=conditions,
            ).policy
            for number in range(plan.seeds)
        ]
        seeds = [MethodSeed(PolicyPredictor(one, encoder, name=name), tables) for one in policies]
        rows.append(learned_method(name, *seeds))
    seen = tuple(name for name in plan.train if name != "none")
    return evaluate_tables(
        evaluated, rows, settings=plan.settings, context=Context(seen_attacks=seen)
    )


def _together(variants: Iterable[DefenseConfig]) -> list[str]:
    """Returns every action of all variants, each once; the first stays the first."""
    names = [name for one in variants for name in one.actions]
    return list(dict.fromkeys(names))


def _filled(
    faces: FaceDataset, detector: Detector, actions: TransformSet, path: Path
) -> LogitTable:
    table = LogitTable(faces, detector, actions)
    table.fill(path)
    return table


def _part(whole: LogitTable, actions: TransformSet) -> LogitTable:
    """Returns the table of some of the actions, every answer known."""
    return whole.select(actions.names)


def _encoder(state: str, detector: Detector, faces: FaceDataset) -> StateEncoder:
    return CachedState.around(create_state(state).bind(detector), faces.size)


def main() -> None:
    """Trains and evaluates every variant and writes the table."""
    options = _parse()
    try:
        evaluation = _run(options)
    except DemagnifyError as error:
        sys.exit(f"ablation: {error}")
    text = _table(evaluation, options)
    write_text(options.output / "ablation.md", text)
    print(text)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--data", action="append", required=True, type=Path)
    parser.add_argument("--detector", default="light")
    parser.add_argument("--attack", action="append", help="to learn from; filters if none is named")
    parser.add_argument(
        "--unseen", action="append", default=[], help="attacks of the evaluation alone"
    )
    parser.add_argument("--learn-on", choices=("val", "train"), default="val")
    parser.add_argument("--subsample", type=int, help="faces per data set and split")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> Evaluation:
    learn, test = _faces(options)
    learned = create_attacks(options.attack or ["filters"], device=options.device)
    unseen = create_attacks(options.unseen, device=options.device, precision="auto")
    plan = Ablation(
        variants={name: _variant(changes) for name, changes in CHANGES.items()},
        detector=detectors.load_detector(options.detector, device=options.device),
        train=under_attacks(learn, learned),
        test={"val": under_attacks(test, [*learned, *unseen])},
        seeds=options.seeds,
        settings=Settings(fit_baselines=False, resamples=options.resamples),
    )
    return ablate(plan, options.output / "logits", log=lambda line: print(line, file=sys.stderr))


def _faces(options: argparse.Namespace) -> tuple[FaceDataset, FaceDataset]:
    """Returns the faces to learn from and those to evaluate on; no group is in both."""
    splits = list(dict.fromkeys([options.learn_on, "val"]))
    opened = open_splits(options.data, splits, size=options.size, subsample=options.subsample)
    if options.learn_on != "val":
        return opened[options.learn_on], opened["val"]
    both = opened["val"]
    learn, test = hold_out(both.groups, 0.5, seed=0, purpose="ablation")
    return both.subset(learn), both.subset(test)


def _variant(changes: dict[str, object]) -> DefenseConfig:
    preset = configs.load("full-information").defense.agent().model_dump()
    return DefenseConfig.model_validate({**preset, **BASE, **changes})


def _table(evaluation: Evaluation, options: argparse.Namespace) -> str:
    result, split = evaluation.result, evaluation.splits["val"]
    attacks = [name for name in split.tables if name != CLEAN]
    shown = {
        (cell.method, cell.condition): cell.metrics["balanced_accuracy"].value
        for cell in result.cells
        if cell.condition in split.tables
    }
    gains = {
        one.method: one.gain
        for one in result.mean_gains
        if one.reference == UNDEFENDED and set(one.conditions) == set(attacks)
    }
    command = shlex.join(["python", *sys.argv])
    described = next(one for one in result.splits if one.name == "val")
    lines = [
        f"```bash\n{command}\n```\n",
        f"Learned from {options.learn_on}, evaluated on val. Balanced accuracy in %, "
        f"n = {described.n} faces in {described.groups} groups; "
        f"mean of {options.seeds} seeds. Gain: over the detector alone, mean over the "
        f"{len(attacks)} attacks, in points, with its 95 % interval over groups.\n",
        "| variant | " + " | ".join(["clean", *attacks]) + " | gain |",
        "|:--" + "|--:" * (len(attacks) + 2) + "|",
    ]
    for name in [UNDEFENDED, result.best_fixed, "oracle", *CHANGES]:
        row = [shown.get((name, attack)) for attack in [CLEAN, *attacks]]
        cells = [DASH if one is None else f"{100 * one:.1f}" for one in row]
        gain = gains.get(name)
        said = DASH if gain is None or gain.value is None else f"{100 * gain.value:+.1f}"
        if gain is not None and gain.low is not None and gain.high is not None:
            said += f" ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        lines.append(f"| {name} | " + " | ".join([*cells, said]) + " |")
    return "\n".join(dict.fromkeys(lines)) + "\n"


if __name__ == "__main__":
    main()
