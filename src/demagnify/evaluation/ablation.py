"""Which part of a defence brings what: variants that differ from one base in one thing each.

The detector is asked once for all of them: about the actions of all variants together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from demagnify.agents.config import DefenseTraining
from demagnify.agents.learned import Learned
from demagnify.agents.learners import LEARNERS
from demagnify.agents.state import StateEncoder
from demagnify.agents.state import create as create_state
from demagnify.data import FaceDataset
from demagnify.detectors import Detector
from demagnify.evaluation import (
    Context,
    Evaluation,
    Faced,
    Member,
    Settings,
    evaluate,
    learned_contender,
)
from demagnify.evaluation.baselines.cached_state import Remembered
from demagnify.laundering.conditions import Conditions, pooled
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What is compared on what.

    Attributes:
        variants: Name in the table -> the settings of a defence.
        detector: Before which all stand.
        train: The faces to learn from, clean and under each training attack.
        judged: The faces to judge on, clean and under each attack, by the name of their split.
        seeds: How many trainings of each variant.
        settings: Resamples; the selection split must be the one that is judged.
    """

    variants: Mapping[str, DefenseTraining]
    detector: Detector
    train: Conditions
    judged: Mapping[str, Conditions]
    seeds: int = 5
    settings: Settings = field(default_factory=lambda: Settings(rivals=False))


def ablate(
    plan: Ablation, folder: Path, *, tell: Callable[[str], None] | None = None
) -> Evaluation:
    """Trains every variant with every seed and judges all of them on the same faces.

    Args:
        plan: What is compared on what.
        folder: Where the detector's answers are kept; a killed run goes on.
        tell: Gets a line about each variant.
    """
    say = tell or (lambda _line: None)
    together = TransformSet.create(_together(plan.variants.values()))
    faces = pooled(plan.train)
    answers = _filled(faces, plan.detector, together, folder / "train.safetensors")
    judged = {
        split: {
            name: _filled(part, plan.detector, together, folder / f"{split}-{name}.safetensors")
            for name, part in conditions.items()
        }
        for split, conditions in plan.judged.items()
    }
    conditions = np.repeat(list(plan.train), [len(part) for part in plan.train.values()])
    encoders: dict[str, StateEncoder] = {}
    rows = []
    for place, (name, config) in enumerate(plan.variants.items()):
        say(f"training {name}")
        encoder = encoders.setdefault(config.state, _encoder(config.state, plan.detector, faces))
        actions = TransformSet.create(config.actions)
        table = _part(answers, actions)
        learner = LEARNERS.get(config.learner.name)(config.learner)
        faceds = {
            split: {attack: Faced(_part(one, actions)) for attack, one in tables.items()}
            for split, tables in judged.items()
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
        members = [Member(Learned(one, encoder, name=name), faceds) for one in policies]
        rows.append(learned_contender(name, *members))
    base = {
        split: {attack: Faced(table) for attack, table in tables.items()}
        for split, tables in judged.items()
    }
    seen = tuple(name for name in plan.train if name != "none")
    return evaluate(base, rows, settings=plan.settings, context=Context(seen_attacks=seen))


def _together(variants: Iterable[DefenseTraining]) -> list[str]:
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
    names = whole.actions.names
    columns = [names.index(name) for name in actions.names]
    part = LogitTable(whole.faces, whole.detector, actions)
    part.adopt(torch.from_numpy(whole.logits[:, columns].copy()))
    return part


def _encoder(state: str, detector: Detector, faces: FaceDataset) -> StateEncoder:
    return Remembered.around(create_state(state).bind(detector), faces.size)
