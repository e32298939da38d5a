"""Training a defence: from faces and a detector to an artifact, safe against being killed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demagnify
from demagnify import artifacts
from demagnify.actions import ActionSet
from demagnify.data.faces import Faces
from demagnify.defense.config import DefenseTraining
from demagnify.defense.defended import KIND, DefendedDetector
from demagnify.defense.learners import LEARNERS, CurvePoint
from demagnify.defense.reward_table import RewardTable
from demagnify.defense.state import STATES
from demagnify.detectors.detector import Detector
from demagnify.detectors.state import check_same
from demagnify.errors import BadOutputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedDefense:
    """The result of a training.

    Attributes:
        defended: The detector behind the trained agent.
        history: The learning curve.
    """

    defended: DefendedDetector
    history: Sequence[CurvePoint]


def train_defense(
    faces: Faces,
    config: DefenseTraining,
    *,
    detector: Detector,
    output: Path,
    about: Mapping[str, Any] | None = None,
) -> TrainedDefense:
    """Trains an agent in front of a detector and writes both to `output`.

    A killed training continues when it is started again with the same arguments, and ends on the
    CPU in the same bits as one left alone; a finished one returns at once.

    Args:
        faces: Faces to learn from, as the agent shall meet them: untouched, attacked, or both.
        config: The settings.
        detector: Who judges; it is not changed.
        output: Folder for the finished defence; the state lies in `output`.training until then.
        about: What else the card shall say, such as where the faces come from.

    Raises:
        UnknownNameError: If an action or state is not registered.
        BadArtifactError: If `output` belongs to a training with other settings, faces or detector.
        BadOutputError: If `output` holds other things, or cannot be written to.
    """
    actions = ActionSet.create(config.actions)
    encoder = STATES.get(config.state)()
    identity = _identity(faces, config, detector)
    unfinished = output.with_name(output.name + ".training")
    if (output / artifacts.CARD).exists():
        finished = _load_finished(output, identity, detector)
        shutil.rmtree(unfinished, ignore_errors=True)
        return finished
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadOutputError(
            f"{output} exists and is no defence", hint="choose a new folder for the defence"
        )
    table = RewardTable(faces, detector, actions, batch_size=config.batch_size)
    if config.fill_table:
        table.fill(unfinished / "rewards.safetensors")
    learner = LEARNERS.get(config.learner.name)(config.learner)
    trained = learner.fit(
        table, encoder, seed=config.seed, checkpoint=unfinished / "state.safetensors"
    )
    defended = DefendedDetector(
        detector, actions, encoder, trained.policy, input_size=faces.size
    ).eval()
    fake = int(faces.labels.sum())
    card = {
        "training": config.model_dump(mode="json"),
        "identity": identity,
        "data": {"real": len(faces) - fake, "fake": fake, "size": faces.size},
        "history": [point.to_json() for point in trained.history],
        "demagnify": demagnify.__version__,
        **(about or {}),
    }
    defended.save(output, card)
    defended.card = card
    shutil.rmtree(unfinished, ignore_errors=True)
    return TrainedDefense(defended=defended, history=trained.history)


def _identity(faces: Faces, config: DefenseTraining, detector: Detector) -> dict[str, Any]:
    """What the result depends on; the keys are the words in which a difference is told."""
    labels = faces.labels.astype("<i8").tobytes()
    return {
        "settings": config.model_dump(mode="json"),
        "faces": hashlib.sha256(faces.fingerprint().encode() + labels).hexdigest(),
        "detector": detector.fingerprint(),
        "threshold": detector.threshold,
    }


def _load_finished(output: Path, identity: dict[str, Any], detector: Detector) -> TrainedDefense:
    card = artifacts.load(output, KIND).card
    check_same(card.get("identity"), identity, output)
    return TrainedDefense(
        defended=DefendedDetector.load(output, detector=detector),
        history=[CurvePoint.from_json(point) for point in card["history"]],
    )
