"""Which part of a defence brings what: action set, state, learner, reward, one changed at a time.

All variants stand before one detector, learn from one half of the groups of the split val (every
face clean and under each --attack) and are judged on the other half (clean and under each --judge),
as mean over seeds. With --learn-on train they learn from the split train instead, whose faces the
detector may know by heart, and are judged on all of val. The loop is the fifth part: run it again
with a hardened --detector. Kept answers make a second run fast. Example:

    python benchmarks/ablation.py runs/ablation --data FOLDER --attack filters \
        --judge realesr-compact-x2 --judge srgan-x4 --limit 500
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from demagnify import detectors
from demagnify.agents import presets as configs
from demagnify.agents.config import DefenseTraining
from demagnify.core.errors import DemagnifyError
from demagnify.core.files import write_text
from demagnify.data import FaceDataset
from demagnify.data.subsample import hold_out
from demagnify.detectors.train import open_splits
from demagnify.evaluation import Evaluation, Settings
from demagnify.evaluation.ablation import Ablation, ablate
from demagnify.evaluation.results import UNDEFENDED
from demagnify.laundering.conditions import CLEAN, create_attacks, under_attacks

DASH = "\N{EN DASH}"
SHIFTS = tuple(f"shift-{way}-{by}" for way in ("fake", "real") for by in (0.5, 1, 2))
PIXELS = ("flip", "gaussian-blur", "down-up", "jpeg")
BASE = {
    "actions": ["identity", *PIXELS, *SHIFTS],
    "state": "spectrum+residual",
    "learner": {"name": "full-information", "reward": {"kind": "likelihood"}},
}
CHANGES: dict[str, dict[str, object]] = {
    "base": {},
    "actions: the paper's two": {"actions": ["identity", "mask-center"]},
    "actions: pixels only": {"actions": ["identity", *PIXELS]},
    "actions: shifts only": {"actions": ["identity", *SHIFTS]},
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


def main() -> None:
    """Trains and judges every variant and writes the table."""
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
    parser.add_argument("--judge", action="append", default=[], help="to judge under")
    parser.add_argument("--learn-on", choices=("val", "train"), default="val")
    parser.add_argument("--limit", type=int, help="faces per data set and split")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> Evaluation:
    learn, judge = _faces(options)
    learned = create_attacks(options.attack or ["filters"], device=options.device)
    judged = create_attacks(options.judge, device=options.device, precision="auto")
    plan = Ablation(
        variants={name: _variant(changes) for name, changes in CHANGES.items()},
        detector=detectors.load_detector(options.detector, device=options.device),
        train=under_attacks(learn, learned),
        judged={"val": under_attacks(judge, [*learned, *judged])},
        seeds=options.seeds,
        settings=Settings(rivals=False, resamples=options.resamples),
    )
    return ablate(plan, options.output / "answers", tell=lambda line: print(line, file=sys.stderr))


def _faces(options: argparse.Namespace) -> tuple[FaceDataset, FaceDataset]:
    """Returns the faces to learn from and those to judge on; no group is in both."""
    splits = list(dict.fromkeys([options.learn_on, "val"]))
    opened = open_splits(options.data, splits, size=options.size, limit=options.limit)
    if options.learn_on != "val":
        return opened[options.learn_on], opened["val"]
    both = opened["val"]
    learn, judge = hold_out(both.groups, 0.5, seed=0, purpose="ablation")
    return both.subset(learn), both.subset(judge)


def _variant(changes: dict[str, object]) -> DefenseTraining:
    preset = configs.load("full-information").defense.model_dump()
    return DefenseTraining.model_validate({**preset, **BASE, **changes})


def _table(evaluation: Evaluation, options: argparse.Namespace) -> str:
    result, split = evaluation.result, evaluation.splits["val"]
    attacks = [name for name in split.faced if name != CLEAN]
    shown = {
        (cell.defense, cell.attack): cell.metrics["balanced_accuracy"].value
        for cell in result.cells
        if cell.attack in split.faced
    }
    gains = {
        one.defense: one.gain
        for one in result.mean_gains
        if one.reference == UNDEFENDED and set(one.attacks) == set(attacks)
    }
    command = shlex.join(["python", *sys.argv])
    described = next(one for one in result.splits if one.name == "val")
    lines = [
        f"```bash\n{command}\n```\n",
        f"Learned from {options.learn_on}, judged on val. Balanced accuracy in %, "
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
