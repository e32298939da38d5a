"""The self-improving loop: agent and detector train in turns.

Section 5 of the paper wants a "self-improving defense where the model is progressively exposed to
more challenging examples shaped by the agent's learned policy [...] without requiring predefined
attack examples". In each round the agent learns under which degradations the present detector
fails, and the detector is fine-tuned on faces degraded as the agent chose. The degradations are
filters and surrogate networks; published networks stay unseen unless they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from demagnify import detectors
from demagnify.core import artifacts
from demagnify.core.artifacts import check_same
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError
from demagnify.core.rng import generator
from demagnify.core.runs import check_free
from demagnify.core.trackers import SILENT, Tracking, track
from demagnify.data import Skipped
from demagnify.data.dataset import FaceDataset
from demagnify.data.provenance import RECORDED, SEEN, all_seen, all_sources
from demagnify.data.subsample import draw_by_group
from demagnify.detectors.config import TrainDetectorConfig
from demagnify.detectors.detector import Detector
from demagnify.detectors.loop import Targets
from demagnify.detectors.training import Data, open_training, train_detector
from demagnify.hardening.adversary import Adversary, Mixture
from demagnify.hardening.attack_pool import AttackPool, Integers, build_attack_pool
from demagnify.hardening.config import HardeningConfig
from demagnify.hardening.figure import draw_rounds
from demagnify.hardening.training_faces import TrainingFaces, gather
from demagnify.hardening.validation import (
    VALIDATION,
    Round,
    Validation,
    balanced_accuracy,
    best_mean,
)
from demagnify.laundering.attacked_faces import cached_faces
from demagnify.laundering.conditions import create_attacks
from demagnify.transforms.base import Transform, create
from demagnify.transforms.catalogue import DEGRADATIONS

FIGURE: Final = ".rounds.png"
"""Suffix of the figure beside the output folder."""


@dataclass(frozen=True)
class Hardened:
    """The result of the loop.

    Attributes:
        detector: The best of all, which may be the one before hardening.
        rounds: The result of each round, from round 0.
        averages: The results of means of the weights of round 0 and of the best round.
    """

    detector: Detector
    rounds: tuple[Round, ...]
    averages: tuple[Round, ...] = ()

    @property
    def best(self) -> Round:
        """The record of the best detector."""
        return _best([*self.rounds, *self.averages])


def harden(
    data: Data,
    output: Path | str,
    config: HardeningConfig | None = None,
    *,
    detector: Detector | None = None,
    attacks: Sequence[Transform] = (),
    about: Mapping[str, Any] | None = None,
    tracker: str | Tracking | None = None,
    log: Callable[[str], None] | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Hardened:
    """Lets agent and detector train in turns and writes the best detector to `output`.

    A killed loop continues when it is started again with the same arguments.

    Args:
        data: Manifests with the splits train and val; or training and validation faces, each a
            `FaceDataset` or a `DataLoader` of uint8 images and labels (0 real, 1 fake). Epochs,
            thresholds and the best round are chosen on validation faces.
        output: Folder for the hardened detector. Rounds are saved in `output`.rounds;
            `output`.rounds.png shows them.
        config: The settings of the loop.
        detector: The detector to start from, which stays as it is; the one that `config` names if
            None. Any module with one logit or two is one: `detectors.wrap(module, ...)`. Its
            weights are written to `output` by the names of its own `state_dict`.
        attacks: Attacks that the agent may choose beside those that `config` names; they count as
            seen afterwards.
        about: Further entries of the card.
        tracker: Where the figures of every round and epoch go as they come: "tensorboard",
            "mlflow", with ":" a folder or address, or `package.module:Class`; see
            `demagnify.core.trackers`.
        log: Gets a line about every round and epoch.
        on_skip: Gets each file or line that is left out.

    Returns:
        The detector of the best round, and every round with its validation figures.

    Raises:
        BadManifestError: If a data set cannot be used.
        UnknownNameError: If a degradation, attack or state is not registered.
        BadConfigError: If the detector cannot be trained.
        BadArtifactError: If `output` belongs to another loop.
        BadOutputError: If `output` holds other things.

    Example:
        >>> config = HardeningConfig(rounds=1, detector="light")
        >>> hardened = harden(["faces"], "runs/hard", config)  # doctest: +SKIP
        >>> hardened.best.degraded  # doctest: +SKIP
        0.81
    """
    config = config or HardeningConfig()
    output = Path(output)
    named = create_attacks(config.attacks, device=config.device, precision="auto")
    start = detector or detectors.load_detector(config.detector, device=config.device)
    pool = (*named, *attacks)
    train, val, sources = open_training(data, config, config.size, on_skip)
    card = {**_provenance(start, sources, pool), **(about or {})}
    say = log or (lambda _line: None)
    gathered = gather(train, config, sources=len(sources), log=say)
    loop = _Loop(gathered, train, val, config, start, output, pool, card, say)
    with track(tracker, output, loop.identity(), config, log=log) as loop.tracking:
        hardened = loop.finished() or loop.run()
        loop.tracking.points(map(Round.point, hardened.rounds))
        for mean in hardened.averages:
            loop.tracking.under(f"mean-{mean.share:g}").points([mean.point()])
    figure = output.with_name(output.name + FIGURE)
    draw_rounds(hardened.rounds, figure, averages=hardened.averages)
    return hardened


def _provenance(
    detector: Detector, sources: Sequence[Path], attacks: Sequence[Transform]
) -> dict[str, Any]:
    """Returns the card's entries on data and attacks: everything seen before stays seen."""
    seen = all_seen([detector.card], ("filters", *(one.name for one in attacks)))
    return {RECORDED: all_sources([detector.card], sources), SEEN: list(seen)}


@dataclass(eq=False)
class _Loop:
    """One run of the loop; see `harden`."""

    gathered: TrainingFaces
    clean: FaceDataset  # the training faces of the data sets
    val: FaceDataset
    config: HardeningConfig
    detector: Detector
    output: Path
    attacks: tuple[Transform, ...]
    card: Mapping[str, Any]
    log: Callable[[str], None]
    tracking: Tracking = SILENT

    def __post_init__(self) -> None:
        if not self.detector.trainable:
            raise BadConfigError(
                f"the detector {self.detector.name!r} cannot be trained here, so it cannot be "
                "hardened",
                hint="harden one that train-detector made, or wrap a torch.nn.Module",
            )
        filters = [create(name).name for name in self.config.degradations or DEGRADATIONS]
        self.config = self.config.model_copy(update={"degradations": tuple(filters)})
        self.train = self.gathered.faces
        self.rounds_folder = self.output.with_name(self.output.name + ".rounds")

    def run(self) -> Hardened:
        """Runs the rounds and writes the best detector."""
        check_free(self.output, "hardened detector")
        rounds = [self.validation(self.detector, 0)]
        best = current = self.detector
        self.log(_line(rounds[0]))
        for number in range(1, self.config.rounds + 1):
            chosen, entries = self._train_adversary(current, number)
            current = self._train_detector(current, chosen, number)
            record = self.validation(current, number).model_copy(update=entries)
            if record.score > max(earlier.score for earlier in rounds):
                best = current
            rounds.append(record)
            self.log(_line(record))
            self.tracking.points(map(Round.point, rounds))
            if number - _best(rounds).number >= self.config.patience:
                break
        hardened = self._average(best, rounds)
        self._save(hardened)
        return hardened

    @cached_property
    def pool(self) -> AttackPool:
        """The attack pool; surrogate networks are trained on first use."""
        return build_attack_pool(
            self.train,
            self.config,
            self.attacks,
            folder=self.rounds_folder / "surrogates",
            device=pick_device(self.config.device),
            log=self.log,
        )

    @cached_property
    def validation(self) -> Validation:
        """Scores every round."""
        # Older than the present words, these purposes of random numbers decide on the results.
        chosen = draw_by_group(self.val, self.config.validation_faces, self.config.seed, "judged")
        faces = self.val.subset(chosen)
        return Validation(faces, self.pool, self.config.seed, self.rounds_folder)

    @cached_property
    def targets(self) -> Targets | None:
        """The training targets in place of labels; None for the labels."""
        cache = self.rounds_folder / "targets.safetensors"
        return self.gathered.targets(self.detector, self.clean, self.config.consistency, cache)

    @cached_property
    def degraded_val(self) -> FaceDataset:
        """Validation faces, clean and each under one random degradation, for the training."""
        rng = generator(self.config.seed, "hardening", VALIDATION)
        numbers = self.pool.draw(rng, len(self.val))
        degraded = cached_faces(
            self.val,
            lambda indices: self.pool.degrade(
                self.val.batch(indices),
                numbers[indices],
                indices,
                seed=self.config.seed,
                epoch=VALIDATION,
            ),
            cache=self.rounds_folder / "validation",
            key="\n".join(
                [self.val.fingerprint(), str(self.config.seed)]
                + [one.fingerprint() for one in self.pool.transforms]
            ),
            what="degrading validation faces",
            about={"faces": self.val.fingerprint()},
            batch_size=256,
        )
        names = [f"{name} (degraded)" for name in self.val.names]
        return FaceDataset.concatenate([self.val, degraded.renamed(names)])

    def _train_adversary(self, detector: Detector, number: int) -> tuple[Integers, dict[str, Any]]:
        """Trains the agent against the detector and lets it choose for every training face."""
        if self.config.explore == 1:
            return np.zeros(len(self.train), dtype=np.int64), {}
        some = draw_by_group(self.train, self.config.agent_faces, self.config.seed, "probe")
        adversary = Adversary.train(
            self.train.subset(some),
            detector,
            self.config,
            self.pool,
            round_=number,
            folder=self.rounds_folder / f"{number}",
        )
        table = self.validation.table(detector, f"{number - 1}")
        under_agent = balanced_accuracy(table, adversary.choose(self.validation.faces))
        chosen = adversary.choose(self.train)
        names = ("identity", *self.pool.names)
        counts = np.bincount(chosen, minlength=len(names)) / len(chosen)
        shares = dict(zip(names, counts.round(4).tolist(), strict=True))
        return chosen, {"agent": under_agent, "choices": shares}

    def _train_detector(self, detector: Detector, chosen: Integers, number: int) -> Detector:
        """Fine-tunes a copy of the detector on faces degraded as the agent chose."""
        training = self.config.training.model_dump() | {"seed": self.config.seed + number}
        return train_detector(
            (self.train, self.degraded_val),
            self.rounds_folder / f"{number}" / "detector",
            TrainDetectorConfig(**training, device=self.config.device),
            detector=deepcopy(detector),  # training changes a detector in place
            transform=Mixture(chosen, self.config, self.pool, number),
            targets=self.targets,
            tracker=self.tracking.under(f"round-{number}"),
            log=self.log,
        ).detector

    def _average(self, tuned: Detector, rounds: list[Round]) -> Hardened:
        """Returns the best of all rounds and of the means of its weights and those of round 0."""
        hardened = Hardened(tuned, tuple(rounds))
        number = hardened.best.number
        if not number:
            return hardened
        mean, averages = best_mean(self.detector, tuned, number, self.validation)
        for record in averages:
            self.log(_line(record))
        hardened = replace(hardened, averages=tuple(averages))
        return replace(hardened, detector=mean) if hardened.best in averages else hardened

    def finished(self) -> Hardened | None:
        """Returns the result of an earlier run; None if there is none."""
        if not (self.output / artifacts.CARD).exists():
            return None
        card = artifacts.load_card(self.output)
        check_same(card.get("hardening", {}).get("identity"), self.identity(), self.output)
        rounds, averages = (
            tuple(Round.model_validate(one) for one in card["hardening"][part])
            for part in ("rounds", "averages")
        )
        return Hardened(self.detector.restored(self.output), rounds, averages)

    def _save(self, hardened: Hardened) -> None:
        detector, best = hardened.detector, hardened.best
        record = {
            "identity": self.identity(),
            "settings": self.config.identity(),
            "best": best.number,
            "share": best.share,
            "rounds": [one.model_dump(mode="json") for one in hardened.rounds],
            "averages": [one.model_dump(mode="json") for one in hardened.averages],
        }
        if "hardening" in self.detector.card:
            record["earlier"] = self.detector.card["hardening"]
        card = {**detector.card, **self.card, "hardening": record}
        detector.save(self.output, card)
        detector.card = card

    def identity(self) -> dict[str, Any]:
        """Returns everything on which the result depends; messages name the keys that differ."""
        return {
            "settings": self.config.identity(),
            "training faces": self.train.fingerprint(),
            "validation faces": self.val.fingerprint(),
            "start weights": self.detector.fingerprint(),
            "attacks": [attack.fingerprint() for attack in self.attacks],
        }


def _best(rounds: Sequence[Round]) -> Round:
    return max(rounds, key=lambda one: one.score)


def _line(record: Round) -> str:
    agent = "" if record.agent is None else f"; {record.agent:.3f} under the agent's choices before"
    whole = f"round {record.number}"
    name = whole if record.share == 1 else f"{record.share:.0%} of {whole}'s weights"
    return (
        f"{name}: balanced accuracy {record.clean:.3f} clean, "
        f"{record.degraded:.3f} degraded, {record.worst:.3f} at worst{agent}"
    )
