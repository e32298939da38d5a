"""Training a defence: from faces and a detector to an artifact, safe against being killed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import demagnify
from demagnify.agents.abstain import with_doubt
from demagnify.agents.config import DefenseTraining
from demagnify.agents.defended import KIND, DefendedDetector
from demagnify.agents.learners import LEARNERS, CurvePoint, TrainedPolicy
from demagnify.agents.state import StateEncoder
from demagnify.agents.state import create as create_state
from demagnify.core import artifacts
from demagnify.core.errors import BadOutputError
from demagnify.data.dataset import FaceDataset
from demagnify.data.subsample import hold_out
from demagnify.detectors.detector import Detector
from demagnify.detectors.state import check_same
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet


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
    faces: FaceDataset,
    config: DefenseTraining,
    *,
    detector: Detector,
    output: Path,
    about: Mapping[str, Any] | None = None,
    conditions: Sequence[str] | None = None,
    answers: Path | None = None,
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
        conditions: Under which attack each face is, "none" for clean ones; some settings of the
            learners look at them.
        answers: A folder where what the detector said is kept, so that trainings with other seeds
            or learners need not ask again; by default it goes with the state.

    Raises:
        UnknownNameError: If an action or state is not registered.
        BadArtifactError: If `output` belongs to a training with other settings, faces or detector.
        BadOutputError: If `output` holds other things, or cannot be written to.
    """
    actions = TransformSet.create(config.actions)
    encoder = create_state(config.state).bind(detector)
    identity = _identity(faces, config, detector, conditions)
    unfinished = output.with_name(output.name + ".training")
    if (output / artifacts.CARD).exists():
        finished = _load_finished(output, identity, detector)
        shutil.rmtree(unfinished, ignore_errors=True)
        return finished
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadOutputError(
            f"{output} exists and is no defence", hint="choose a new folder for the defence"
        )
    work = _Work(config, detector, actions, encoder, unfinished, answers)
    trained = work.train(faces, None if conditions is None else np.asarray(conditions))
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What is the same for the faces to learn from and those to set the limit of doubt on."""

    config: DefenseTraining
    detector: Detector
    actions: TransformSet
    encoder: StateEncoder
    folder: Path
    answers: Path | None

    def train(self, faces: FaceDataset, conditions: NDArray[np.str_] | None) -> TrainedPolicy:
        """Trains the policy, and teaches it to doubt where that is asked for."""
        abstain = self.config.abstain
        if abstain is None:
            return self._learn(faces, conditions)
        kept, held = hold_out(
            faces.groups, abstain.held_out, seed=self.config.seed, purpose="abstain"
        )
        trained = self._learn(faces.subset(kept), None if conditions is None else conditions[kept])
        table = self._table(faces.subset(held))
        table.fill(self.folder / "held-out.safetensors")
        return TrainedPolicy(
            policy=with_doubt(trained.policy, table, self.encoder, abstain),
            history=trained.history,
        )

    def _learn(self, faces: FaceDataset, conditions: NDArray[np.str_] | None) -> TrainedPolicy:
        learner = LEARNERS.get(self.config.learner.name)(self.config.learner)
        table = self._table(faces)
        if self.config.fill_table or learner.fills_table:
            table.fill(self._kept(table))
        return learner.fit(
            table,
            self.encoder,
            seed=self.config.seed,
            checkpoint=self.folder / "state.safetensors",
            conditions=conditions,
        )

    def _kept(self, table: LogitTable) -> Path:
        if self.answers is None:
            return self.folder / "rewards.safetensors"
        return self.answers / f"{table.fingerprint()[:32]}.safetensors"

    def _table(self, faces: FaceDataset) -> LogitTable:
        return LogitTable(faces, self.detector, self.actions, batch_size=self.config.batch_size)


def _identity(
    faces: FaceDataset,
    config: DefenseTraining,
    detector: Detector,
    conditions: Sequence[str] | None,
) -> dict[str, Any]:
    """What the result depends on; the keys are the words in which a difference is told."""
    labels = faces.labels.astype("<i8").tobytes()
    known = "" if conditions is None else "\n".join(conditions)
    return {
        "settings": config.model_dump(mode="json"),
        "faces": hashlib.sha256(faces.fingerprint().encode() + labels + known.encode()).hexdigest(),
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
