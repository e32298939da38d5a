"""Training a defence on clean and attacked faces of a data set."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demagnify.agents.config import DefenseTraining
from demagnify.agents.training import TrainedDefense, train_defense
from demagnify.data import Skipped
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import RECORDED, provenance_of
from demagnify.detectors import Detector
from demagnify.laundering.conditions import create_attacks, pooled, under_attacks

SEED_FOLDER = "seed-{}"
"""Within the folder of a defence that was trained with several seeds."""


@dataclass(frozen=True, kw_only=True)
class DefensePlan:
    """What a defence is trained on.

    Attributes:
        sources: Manifests; see `Manifest.load`.
        config: The settings of the training.
        detector: Who judges; it is not changed.
        attacks: What to train against, by name or network file; these count as seen afterwards.
        face_size: Side of the faces in pixels.
        limit: At most so many faces of each data set, drawn by group.
        split: Which faces to learn from. Of faces that the detector was trained on, its verdicts
            are right more often than of others, and an agent learns that nothing need be done.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: Where the attacks' networks compute; the detector stays where it is.
    """

    sources: Sequence[Path]
    config: DefenseTraining
    detector: Detector
    attacks: Sequence[str] = ()
    face_size: int = 224
    limit: int | None = None
    split: str = "train"
    strict: bool = False
    device: str = "auto"


def train_defense_on(
    plan: DefensePlan,
    output: Path,
    *,
    tell: Callable[[str], None] | None = None,
    skip: Callable[[Skipped], None] | None = None,
    answers: Path | None = None,
) -> TrainedDefense:
    """Trains a defence on one split: every face clean, and under each of the attacks.

    Args:
        plan: What it is trained on.
        output: Folder for the finished defence.
        tell: Gets a line about the data.
        skip: Gets each file or line that is left out.
        answers: See `train_defense`.

    Raises:
        BadManifestError: If a data set cannot be used.
        UnknownNameError: If an attack, action or state is not registered.
        BadArtifactError: If `output` belongs to another training.
    """
    say = tell or (lambda _line: None)
    chosen = create_attacks(plan.attacks, device=plan.device)
    train = open_splits(
        plan.sources,
        [plan.split],
        size=plan.face_size,
        subsample=plan.limit,
        strict=plan.strict,
        on_skip=skip,
    )[plan.split]
    fakes = int(train.labels.sum())
    say(
        f"training: {len(train) - fakes} real and {fakes} fake faces, each clean"
        + "".join(f" and under {attack.name}" for attack in chosen)
    )
    attacked = under_attacks(train, chosen)
    about = {
        "seen_attacks": [attack.name for attack in chosen],
        "learned_from": plan.split,
        RECORDED: provenance_of(plan.sources),
    }
    return train_defense(
        pooled(attacked),
        plan.config,
        detector=plan.detector,
        output=output,
        about=about,
        conditions=[name for name, part in attacked.items() for _ in range(len(part))],
        answers=answers,
    )


def train_seeds_on(
    plan: DefensePlan,
    seeds: int,
    output: Path,
    *,
    tell: Callable[[str], None] | None = None,
    skip: Callable[[Skipped], None] | None = None,
) -> list[TrainedDefense]:
    """Trains the same defence several times, from the seed in `plan.config` upwards.

    The detector is asked once for all of them where the learner asks for every answer. The
    trainings become the subfolders seed-N of `output`, which `evaluate` judges as one row.

    Args:
        plan: What it is trained on, with the first seed.
        seeds: How many trainings.
        output: Folder for the finished defences.
        tell: Gets a line about the data, once.
        skip: Gets each file or line that is left out, once.

    Raises:
        BadManifestError: If a data set cannot be used.
        UnknownNameError: If an attack, action or state is not registered.
        BadArtifactError: If `output` belongs to another training.
    """
    answers, first = output / "answers", plan.config.seed
    trained = [
        train_defense_on(
            replace(plan, config=plan.config.model_copy(update={"seed": seed})),
            output / SEED_FOLDER.format(seed),
            tell=tell if seed == first else None,
            skip=skip if seed == first else None,
            answers=answers,
        )
        for seed in range(first, first + seeds)
    ]
    shutil.rmtree(answers, ignore_errors=True)
    return trained
