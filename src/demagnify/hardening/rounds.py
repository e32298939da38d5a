"""The self-improving loop: agent and detector in turns, without any super-resolution network.

Section 5 of the paper wants a "self-improving defense where the model is progressively exposed to
more challenging examples shaped by the agent's learned policy [...] without requiring predefined
attack examples". In each round the agent learns which degradations the present detector cannot
stand, and the detector is fine-tuned on faces degraded as the agent chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from demagnify import artifacts
from demagnify.data.faces import Faces
from demagnify.defense.holdout import hold_out
from demagnify.defense.reward_table import RewardTable, rewards_of
from demagnify.degradations import DEGRADATIONS, Degrader
from demagnify.detectors.detector import KIND, Detector
from demagnify.detectors.state import check_same
from demagnify.detectors.training import train_detector
from demagnify.errors import BadConfigError, BadOutputError
from demagnify.hardening.adversary import Adversary, Mixture, degrading
from demagnify.hardening.config import Hardening
from demagnify.randomness import generator

_JUDGED: Final = 10**6
"""The round number under which validation faces are degraded: drawn apart from all training."""


class Round(BaseModel):
    """What a round brought, on validation faces.

    Round 0 is the detector as it came.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=0, description="0 before the first turn")
    clean: float = Field(description="Balanced accuracy on untouched faces")
    degraded: float = Field(description="Mean balanced accuracy over the degradations")
    worst: float = Field(description="Balanced accuracy under the worst degradation")
    kinds: dict[str, float] = Field(description="Balanced accuracy under each degradation")
    agent: float | None = Field(
        default=None,
        description="Balanced accuracy that the agent's choices left the detector before the turn",
    )
    choices: dict[str, float] = Field(
        default_factory=dict, description="Share of the training faces for which it chose what"
    )

    @property
    def score(self) -> float:
        """What the best round is chosen by: clean and degraded faces count alike."""
        return (self.clean + self.degraded) / 2


@dataclass(frozen=True)
class Hardened:
    """The result of the loop.

    Attributes:
        detector: Of the best round, which may be the one that it came with.
        rounds: What each round brought, from round 0.
    """

    detector: Detector
    rounds: tuple[Round, ...]


def harden(
    train: Faces,
    val: Faces,
    config: Hardening,
    *,
    detector: Detector,
    output: Path,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
) -> Hardened:
    """Lets agent and detector train in turns and writes the best detector to `output`.

    A killed loop continues when it is started again with the same arguments.

    Args:
        train: Faces to learn from.
        val: Faces to choose epochs, threshold and the best round by.
        config: The settings.
        detector: Where to start from; it is not changed.
        output: Folder for the finished detector; what belongs to the rounds lies in
            `output`.rounds until it is finished.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about every round and epoch.

    Raises:
        UnknownNameError: If a degradation or state is not registered.
        BadConfigError: If the detector cannot be trained here.
        BadArtifactError: If `output` belongs to another loop.
        BadOutputError: If `output` holds other things.
    """
    loop = _Loop(train, val, config, detector, output, device, tell or (lambda _line: None))
    return loop.finished() or loop.run()


class _Loop:
    """One run of the loop; see `harden`."""

    def __init__(
        self,
        train: Faces,
        val: Faces,
        config: Hardening,
        detector: Detector,
        output: Path,
        device: str,
        tell: Callable[[str], None],
    ) -> None:
        if not detector.backbone:
            raise BadConfigError(
                f"the detector {detector.name!r} cannot be trained here, so it cannot be hardened",
                hint="harden one that train-detector made",
            )
        self.config = config.model_copy(update={"kinds": config.kinds or tuple(DEGRADATIONS)})
        self.train, self.val = train, val
        self.detector, self.output = detector, output
        self.device, self.tell = device, tell
        self.rounds_folder = output.with_name(output.name + ".rounds")
        self.judged = val.subset(_some(val, self.config.judged, self.config.seed, "judged"))
        self.probe = train.subset(_some(train, self.config.probe, self.config.seed, "probe"))

    def run(self) -> Hardened:
        """Plays the rounds and writes the best detector."""
        if self.output.exists() and (not self.output.is_dir() or any(self.output.iterdir())):
            raise BadOutputError(
                f"{self.output} exists and is no hardened detector", hint="choose a new folder"
            )
        validation = Faces.concatenate([self.val, self._degraded(self.val)])
        rounds = [self._judge(self.detector, 0)]
        best, current = self.detector, self.detector
        self.tell(_line(rounds[0]))
        for number in range(1, self.config.rounds + 1):
            current, record = self._turn(current, number, validation)
            if record.score > max(earlier.score for earlier in rounds):
                best = current
            rounds.append(record)
            self.tell(_line(record))
            if number - _best(rounds) >= self.config.patience:
                break
        self._save(best, rounds)
        return Hardened(detector=best, rounds=tuple(rounds))

    def finished(self) -> Hardened | None:
        """Returns what an earlier run has finished; None if there is nothing."""
        if not (self.output / artifacts.CARD).exists():
            return None
        card = artifacts.load(self.output, KIND).card
        check_same(card.get("hardening", {}).get("identity"), self._identity(), self.output)
        rounds = tuple(Round.model_validate(one) for one in card["hardening"]["rounds"])
        detector = Detector.load(self.output, device=self.device, precision=self.detector.precision)
        return Hardened(detector=detector, rounds=rounds)

    def _turn(self, detector: Detector, number: int, validation: Faces) -> tuple[Detector, Round]:
        """Trains the agent against the detector, then the detector on what the agent chose."""
        folder = self.rounds_folder / f"{number}"
        adversary = Adversary.train(self.probe, detector, self.config, round_=number, folder=folder)
        left = self._under(adversary, detector, number - 1)
        chosen = adversary.choose(self.train)
        trained = train_detector(
            self.train,
            validation,
            self.config.detector.model_copy(update={"seed": self.config.seed + number}),
            detector=_copy(detector, self.rounds_folder / f"{number}-start", self.device),
            output=folder / "detector",
            alteration=Mixture(chosen, self.config, number),
            device=self.device,
            tell=self.tell,
        ).detector
        counts = np.bincount(chosen, minlength=len(self.config.kinds) + 1) / len(chosen)
        shares = dict(zip(("leave", *self.config.kinds), counts.round(4).tolist(), strict=True))
        record = self._judge(trained, number)
        return trained, record.model_copy(update={"agent": left, "choices": shares})

    def _judge(self, detector: Detector, number: int) -> Round:
        """Judges some validation faces, clean and under each degradation."""
        table = self._table(detector, number)
        figures = [_balanced(table, np.full(len(table.labels), a)) for a in range(len(self))]
        return Round(
            number=number,
            clean=figures[0],
            degraded=float(np.mean(figures[1:])),
            worst=min(figures[1:]),
            kinds=dict(zip(self.config.kinds, figures[1:], strict=True)),
        )

    def _under(self, adversary: Adversary, detector: Detector, number: int) -> float:
        """Returns the detector's balanced accuracy on validation faces degraded by choice."""
        return _balanced(self._table(detector, number), adversary.choose(self.judged))

    def _table(self, detector: Detector, number: int) -> RewardTable:
        actions = degrading(self.config.kinds, seed=self.config.seed, round_=_JUDGED)
        table = RewardTable(self.judged, detector, actions)
        table.fill(self.rounds_folder / f"{number}" / "validation.safetensors")
        return table

    def _degraded(self, faces: Faces) -> Faces:
        """Returns the faces, each under one random degradation."""
        degrader = Degrader(self.config.kinds, seed=self.config.seed)
        dice = generator(self.config.seed, "hardening", _JUDGED)
        numbers = dice.integers(1, len(self), len(faces))
        pixels = np.empty((len(faces), *faces.images.shape[1:]), dtype=np.uint8)
        for indices, images in faces.batches(256):
            part = degrader(images, numbers[indices], indices, epoch=_JUDGED)
            pixels[indices] = part.numpy()
        degraded = faces.with_images(pixels)
        return degraded.renamed([f"{name} (degraded)" for name in faces.names])

    def _save(self, detector: Detector, rounds: list[Round]) -> None:
        story = {
            "identity": self._identity(),
            "settings": self.config.model_dump(mode="json"),
            "best": _best(rounds),
            "rounds": [one.model_dump(mode="json") for one in rounds],
        }
        card = {**detector.card, "hardening": story}
        detector.save(self.output, card)
        detector.card = card

    def _identity(self) -> dict[str, Any]:
        """What the result depends on; the keys are the words in which a difference is told."""
        return {
            "settings": self.config.model_dump(mode="json"),
            "training faces": self.train.fingerprint(),
            "validation faces": self.val.fingerprint(),
            "start weights": self.detector.fingerprint(),
        }

    def __len__(self) -> int:
        """How many things may be done to a face, leaving it among them."""
        return len(self.config.kinds) + 1


def _some(faces: Faces, count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Returns about `count` faces, in order, drawn by group; all where there are no more."""
    if len(faces) <= count:
        return np.arange(len(faces), dtype=np.int64)
    share = max(count / len(faces), 1.5 / len(np.unique(faces.groups)))
    _, chosen = hold_out(faces.groups, share, seed=seed, purpose=purpose)
    return chosen


def _copy(detector: Detector, folder: Path, device: str) -> Detector:
    """Returns the same detector once more, as training changes it in place."""
    detector.save(folder, detector.card)
    return Detector.load(folder, device=device, precision=detector.precision)


def _balanced(table: RewardTable, actions: NDArray[np.int64]) -> float:
    logits = table.logits[np.arange(len(actions)), actions]
    right = rewards_of(logits, table.labels, table.threshold) > 0
    return float(np.mean([right[table.labels == label].mean() for label in (0, 1)]))


def _best(rounds: list[Round]) -> int:
    return int(np.argmax([one.score for one in rounds]))


def _line(record: Round) -> str:
    agent = "" if record.agent is None else f"; the agent had brought it to {record.agent:.3f}"
    return (
        f"round {record.number}: balanced accuracy {record.clean:.3f} clean, "
        f"{record.degraded:.3f} degraded, {record.worst:.3f} at worst{agent}"
    )
