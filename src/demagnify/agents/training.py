"""Training a defence: from faces and a detector to an artifact, safe against being killed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

import demagnify
from demagnify.agents import states
from demagnify.agents.abstention import with_abstention
from demagnify.agents.config import DefenseConfig, TrainDefenseConfig
from demagnify.agents.defended import DETECTOR, KIND, DefendedDetector
from demagnify.agents.defense_threshold import best_threshold, faces_to_choose_on, mark_of
from demagnify.agents.learners import LEARNERS, CurvePoint, TrainedPolicy
from demagnify.agents.policies import Policy
from demagnify.agents.states import StateEncoder
from demagnify.core import artifacts
from demagnify.core.artifacts import check_same
from demagnify.core.errors import BadConfigError
from demagnify.core.runs import check_free, claim
from demagnify.core.trackers import Tracking, track
from demagnify.data import Skipped
from demagnify.data.dataset import FaceDataset
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import RECORDED, provenance_of
from demagnify.data.subsample import hold_out
from demagnify.detectors import load_detector
from demagnify.detectors.detector import Detector
from demagnify.laundering.conditions import Conditions, create_attacks, pooled, under_attacks
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

SEED_FOLDER: Final = "seed-{}"
"""Within the folder of a defence that was trained with several seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedDefense:
    """The result of a training.

    Attributes:
        defended: The detector behind the trained agent.
        history: The learning curve; empty if there was nothing to learn.
    """

    defended: DefendedDetector
    history: Sequence[CurvePoint]


def train_defense(
    data: Path | Sequence[Path] | FaceDataset,
    output: Path,
    config: TrainDefenseConfig | None = None,
    *,
    detector: Detector | None = None,
    conditions: Sequence[str] | None = None,
    validation: FaceDataset | None = None,
    tracker: str | Tracking | None = None,
    log: Callable[[str], None] | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> list[TrainedDefense]:
    """Trains an agent on clean and attacked faces, and writes it with its detector.

    A killed training continues when it is started again with the same arguments, and ends on the
    CPU in the same bits as one that was not killed; a finished one returns at once. With several
    seeds the trainings become the subfolders seed-N of `output`, and share the logits where the
    learner needs all of them.

    Args:
        data: Manifests, see `Manifest.load`, or faces, of which all are used.
        output: Folder of the finished defence; until then the state is in `output`.training.
        config: The settings.
        detector: The detector, which is not changed; the one that `config` names if None.
        conditions: Of faces that are attacked already: the attack on each, "none" for clean ones.
        validation: Clean faces for a threshold of the defence's own, where `config` asks for one;
            of manifests the split val if None.
        tracker: Where the figures of every log point go as they come: "tensorboard", "mlflow", with
            ":" a folder or address, or `package.module:Class`; see `demagnify.core.trackers`.
        log: Gets a line about the data.
        on_skip: Gets each file or line that is left out.

    Returns:
        One result per seed.

    Raises:
        BadManifestError: If a data set cannot be used.
        UnknownNameError: If an attack, action, state or learner is not registered.
        BadConfigError: If the learner needs a state and there is none, or a threshold is to be
            chosen without real and fake faces for it.
        BadArtifactError: If `output` belongs to a training with other settings, faces or detector.
        BadOutputError: If `output` holds other things, cannot be written to, or if another
            training, or one with other settings, is under way there.

    Example:
        >>> import tempfile
        >>> from demagnify.detectors import create
        >>> pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
        >>> faces = FaceDataset.from_arrays(pixels, [0, 1] * 4)
        >>> detector = create("test_resnet", input_size=32, device="cpu")
        >>> config = TrainDefenseConfig(
        ...     actions=("identity", "flip"), state=None, learner={"name": "mean-of-views"}
        ... )
        >>> folder = Path(tempfile.mkdtemp(), "defense")
        >>> (trained,) = train_defense(faces, folder, config, detector=detector)
        >>> trained.defended.actions.names
        ('identity', 'flip')

    Source:
        Jaswanth, Goud: Defense against Adversarial Magnification to Deceive Deepfake Detection
        through Super Resolution; `TrainDefenseConfig` has its values.
    """
    config = config or TrainDefenseConfig()
    chosen = create_attacks(config.attacks, device=config.device)
    if detector is None:
        detector = load_detector(config.detector, device=config.device, precision=config.precision)
    card: dict[str, Any] = {}
    if isinstance(data, FaceDataset):
        faces = data
    else:
        sources = [data] if isinstance(data, Path) else list(data)
        chooses = config.threshold == "validation" and validation is None
        splits = open_splits(
            sources,
            sorted({config.split, *["val"] * chooses}),
            size=config.size,
            subsample=config.subsample,
            strict=config.strict,
            on_skip=on_skip,
        )
        faces = splits[config.split]
        validation = splits["val"] if chooses else validation
        card = {"learned_from": config.split, RECORDED: provenance_of(sources)}
    if not isinstance(data, FaceDataset) or config.attacks:
        if log:
            log(_summary(faces, [attack.name for attack in chosen]))
        attacked = under_attacks(faces, chosen)
        faces = pooled(attacked)
        conditions = [name for name, part in attacked.items() for _ in range(len(part))]
        card = {"seen_attacks": [attack.name for attack in chosen], **card}
    known = None if conditions is None else np.asarray(conditions)
    held = faces_to_choose_on(validation, chosen) if config.threshold == "validation" else {}
    many = config.seeds > 1
    seeds = range(config.seed, config.seed + config.seeds)
    logits = output / "logits" if many else None
    trainings = {
        seed: _Training(
            config.agent(seed),
            detector,
            output / SEED_FOLDER.format(seed) if many else output,
            logits,
            held,
        )
        for seed in seeds
    }
    identity = [one.identity(faces, known) for one in trainings.values()]
    with track(tracker, output, identity, config, log=log) as tracking:
        trained = [
            one.run(
                faces, known, card, tracking.under(SEED_FOLDER.format(seed)) if many else tracking
            )
            for seed, one in trainings.items()
        ]
    if logits is not None:
        shutil.rmtree(logits, ignore_errors=True)
    return trained


def _summary(faces: FaceDataset, attacks: Sequence[str]) -> str:
    fakes = int(faces.labels.sum())
    return f"training: {len(faces) - fakes} real and {fakes} fake faces, each clean" + "".join(
        f" and under {name}" for name in attacks
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """One training, with one seed.

    Attributes:
        config: The settings.
        detector: The detector.
        output: Folder of the finished defence.
        logits: Folder of the logit table that several trainings share; None for one of its own.
        validation: Faces on which the threshold is chosen; empty for the detector's.
    """

    config: DefenseConfig
    detector: Detector
    output: Path
    logits: Path | None
    validation: Conditions

    def run(
        self,
        faces: FaceDataset,
        conditions: NDArray[np.str_] | None,
        card: Mapping[str, Any],
        tracking: Tracking,
    ) -> TrainedDefense:
        """Trains, or continues, or returns what is finished."""
        encoder = self._encoder()
        transforms = TransformSet.create(self.config.actions)

        def on_history(history: Sequence[CurvePoint]) -> None:
            tracking.points(point.point(transforms.names) for point in history)

        identity = self.identity(faces, conditions)
        if (self.output / artifacts.CARD).exists():
            card = artifacts.load(self.output, KIND).card
            check_same(card.get("identity"), identity, self.output)
            defended = DefendedDetector.load(self.output, detector=self.detector)
            copy = self.output / DETECTOR
            if copy.is_dir():  # ours is used here, but others will load the copy
                artifacts.load(copy, artifacts.kind_of(copy))
            history = [CurvePoint.from_json(point) for point in card["history"]]
            shutil.rmtree(self._unfinished, ignore_errors=True)
            on_history(history)
            return TrainedDefense(defended=defended, history=history)
        check_free(self.output, "defence")
        with claim(self._unfinished, identity, what="a training"):
            trained, threshold = self._train(faces, conditions, transforms, encoder, on_history)
        on_history(trained.history)
        defended = DefendedDetector(
            self.detector,
            transforms,
            encoder,
            trained.policy,
            input_size=faces.size,
            threshold=threshold,
        ).eval()
        fake = int(faces.labels.sum())
        content = {
            "training": self.config.model_dump(mode="json"),
            "identity": identity,
            "data": {"real": len(faces) - fake, "fake": fake, "size": faces.size},
            "history": [point.to_json() for point in trained.history],
            "demagnify": demagnify.__version__,
            **card,
        }
        defended.save(self.output, content)
        defended.card = content
        shutil.rmtree(self._unfinished, ignore_errors=True)
        return TrainedDefense(defended=defended, history=trained.history)

    @property
    def _unfinished(self) -> Path:
        return self.output.with_name(self.output.name + ".training")

    def _encoder(self) -> StateEncoder | None:
        learner = self.config.learner.name
        if self.config.state is not None:
            return states.create(self.config.state).bind(self.detector)
        if LEARNERS.get(learner).uses_state:
            raise BadConfigError(
                f"the learner {learner!r} needs a state", hint="set one, such as spectrum"
            )
        return None

    def _train(
        self,
        faces: FaceDataset,
        conditions: NDArray[np.str_] | None,
        transforms: TransformSet,
        encoder: StateEncoder | None,
        on_history: Callable[[Sequence[CurvePoint]], None],
    ) -> tuple[TrainedPolicy, float | None]:
        """Trains the policy, and chooses threshold and abstentions on held-out faces if asked."""
        abstain = self.config.abstain
        if abstain is None:
            trained = self._learn(self._table(faces, transforms), conditions, encoder, on_history)
            return trained, self._threshold(trained.policy, transforms, encoder)
        train, held = hold_out(
            faces.groups, abstain.held_out, seed=self.config.seed, purpose="abstain"
        )
        known = None if conditions is None else conditions[train]
        trained = self._learn(
            self._table(faces.subset(train), transforms), known, encoder, on_history
        )
        threshold = self._threshold(trained.policy, transforms, encoder)
        table = self._table(faces.subset(held), transforms)
        table.fill(self._unfinished / "held-out.safetensors")
        policy = with_abstention(trained.policy, table, encoder, abstain, threshold=threshold)
        return TrainedPolicy(policy=policy, history=trained.history), threshold

    def _threshold(
        self, policy: Policy, transforms: TransformSet, encoder: StateEncoder | None
    ) -> float | None:
        """Returns the threshold that validation faces choose; None for the detector's."""
        tables = [self._table(faces, transforms) for faces in self.validation.values()]
        return best_threshold(policy, encoder, tables) if tables else None

    def _learn(
        self,
        table: LogitTable,
        conditions: NDArray[np.str_] | None,
        encoder: StateEncoder | None,
        on_history: Callable[[Sequence[CurvePoint]], None],
    ) -> TrainedPolicy:
        learner = LEARNERS.get(self.config.learner.name)(self.config.learner)
        if learner.uses_state and (self.config.fill_table or learner.fills_table):
            table.fill(
                self._unfinished / "logits.safetensors"
                if self.logits is None
                else self.logits / f"{table.fingerprint()[:32]}.safetensors"
            )
        return learner.fit(
            table,
            cast("StateEncoder", encoder),  # a learner that needs one has one
            seed=self.config.seed,
            checkpoint=self._unfinished / "state.safetensors",
            conditions=conditions,
            on_history=on_history,
        )

    def _table(self, faces: FaceDataset, transforms: TransformSet) -> LogitTable:
        return LogitTable(faces, self.detector, transforms, batch_size=self.config.batch_size)

    def identity(self, faces: FaceDataset, conditions: NDArray[np.str_] | None) -> dict[str, Any]:
        """Returns everything on which the result depends; the keys are the words of messages."""
        labels = faces.labels.astype("<i8").tobytes()
        known = "" if conditions is None else "\n".join(conditions)
        pixels = faces.fingerprint().encode()
        return {
            "settings": self.config.model_dump(mode="json"),
            "faces": hashlib.sha256(pixels + labels + known.encode()).hexdigest(),
            "detector": self.detector.fingerprint(),
            "threshold": self.detector.threshold,
            **({"validation faces": mark_of(self.validation)} if self.validation else {}),
        }
