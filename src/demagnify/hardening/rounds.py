"""The self-improving loop: agent and detector in turns.

Section 5 of the paper wants a "self-improving defense where the model is progressively exposed to
more challenging examples shaped by the agent's learned policy [...] without requiring predefined
attack examples". In each round the agent learns which degradations the present detector cannot
stand, and the detector is fine-tuned on faces degraded as the agent chose. The degradations are
filters and networks that the loop trains for itself; published networks stay unseen unless given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demagnify.core import artifacts
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError, BadOutputError
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import KIND, Detector
from demagnify.detectors.state import check_same
from demagnify.detectors.training import train_detector
from demagnify.hardening.adversary import Adversary, Mixture
from demagnify.hardening.averaging import best_between
from demagnify.hardening.config import Hardening
from demagnify.hardening.drawing import drawn_by_group
from demagnify.hardening.judge import JUDGED, Judge, Round, balanced
from demagnify.hardening.opponents import Opponents, gather_opponents
from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.degradations import Degrader, registered


@dataclass(frozen=True)
class Hardened:
    """The result of the loop.

    Attributes:
        detector: The best of all, which may be the one that it came with.
        rounds: What each round brought, from round 0.
        averages: What the means of the weights of round 0 and of the best round reach.
    """

    detector: Detector
    rounds: tuple[Round, ...]
    averages: tuple[Round, ...] = ()

    @property
    def best(self) -> Round:
        """The record of the detector that was kept."""
        return _best([*self.rounds, *self.averages])


def harden(
    train: FaceDataset,
    val: FaceDataset,
    config: Hardening,
    *,
    detector: Detector,
    output: Path,
    attacks: Sequence[Attack] = (),
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
    about: Mapping[str, Any] | None = None,
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
        attacks: What the agent may choose beside filters and sparring networks; they count as seen
            afterwards.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about every round and epoch.
        about: What else the card shall say.

    Raises:
        UnknownNameError: If a degradation or state is not registered.
        BadConfigError: If the detector cannot be trained here.
        BadArtifactError: If `output` belongs to another loop.
        BadOutputError: If `output` holds other things.
    """
    say = tell or (lambda _line: None)
    loop = _Loop(train, val, config, detector, output, tuple(attacks), device, say, about or {})
    return loop.finished() or loop.run()


class _Loop:
    """One run of the loop; see `harden`."""

    def __init__(
        self,
        train: FaceDataset,
        val: FaceDataset,
        config: Hardening,
        detector: Detector,
        output: Path,
        attacks: tuple[Attack, ...],
        device: str,
        tell: Callable[[str], None],
        about: Mapping[str, Any],
    ) -> None:
        if not detector.backbone:
            raise BadConfigError(
                f"the detector {detector.name!r} cannot be trained here, so it cannot be hardened",
                hint="harden one that train-detector made",
            )
        self.config = config.model_copy(update={"kinds": tuple(registered(config.kinds or None))})
        self.train, self.val = train, val
        self.detector, self.output, self.attacks = detector, output, attacks
        self.device, self.tell, self.about = device, tell, about
        self.rounds_folder = output.with_name(output.name + ".rounds")

    @cached_property
    def opponents(self) -> Opponents:
        """What the agent chooses from; sparring networks are trained when first asked for."""
        return gather_opponents(
            self.train,
            self.config,
            self.attacks,
            folder=self.rounds_folder / "sparring",
            device=pick_device(self.device),
            tell=self.tell,
        )

    @cached_property
    def judge(self) -> Judge:
        """Who judges every round."""
        judged = drawn_by_group(self.val, self.config.judged, self.config.seed, "judged")
        faces = self.val.subset(judged)
        return Judge(faces, self.opponents.kinds, self.config.seed, self.rounds_folder)

    def run(self) -> Hardened:
        """Plays the rounds and writes the best detector."""
        if self.output.exists() and (not self.output.is_dir() or any(self.output.iterdir())):
            raise BadOutputError(
                f"{self.output} exists and is no hardened detector", hint="choose a new folder"
            )
        validation = FaceDataset.concatenate([self.val, self._degraded(self.val)])
        rounds = [self.judge(self.detector, 0)]
        best, current = self.detector, self.detector
        self.tell(_line(rounds[0]))
        for number in range(1, self.config.rounds + 1):
            current, record = self._turn(current, number, validation)
            if record.score > max(earlier.score for earlier in rounds):
                best = current
            rounds.append(record)
            self.tell(_line(record))
            if number - _best(rounds).number >= self.config.patience:
                break
        mean, averages = self._average(best, rounds)
        hardened = Hardened(best, tuple(rounds), tuple(averages))
        if hardened.best in averages:
            hardened = replace(hardened, detector=mean)
        self._save(hardened)
        return hardened

    def _average(self, tuned: Detector, rounds: list[Round]) -> tuple[Detector, list[Round]]:
        number = _best(rounds).number
        if not number:
            return tuned, []
        mean, averages = best_between(
            self.detector, tuned, number, self.judge, folder=self.rounds_folder
        )
        for record in averages:
            self.tell(_line(record))
        return mean, averages

    def finished(self) -> Hardened | None:
        """Returns what an earlier run has finished; None if there is nothing."""
        if not (self.output / artifacts.CARD).exists():
            return None
        card = artifacts.load(self.output, KIND).card
        check_same(card.get("hardening", {}).get("identity"), self._identity(), self.output)
        rounds, averages = (
            tuple(Round.model_validate(one) for one in card["hardening"][part])
            for part in ("rounds", "averages")
        )
        detector = Detector.load(self.output, device=self.device, precision=self.detector.precision)
        return Hardened(detector, rounds, averages)

    def _turn(
        self, detector: Detector, number: int, validation: FaceDataset
    ) -> tuple[Detector, Round]:
        """Trains the agent against the detector, then the detector on what the agent chose."""
        folder = self.rounds_folder / f"{number}"
        chosen, found = self._choose(detector, number, folder)
        trained = train_detector(
            self.train,
            validation,
            self.config.detector.model_copy(update={"seed": self.config.seed + number}),
            detector=_copy(detector, self.rounds_folder / f"{number}-start", self.device),
            output=folder / "detector",
            alteration=Mixture(chosen, self.config, self.opponents, number),
            device=self.device,
            tell=self.tell,
        ).detector
        return trained, self.judge(trained, number).model_copy(update=found)

    def _choose(
        self, detector: Detector, number: int, folder: Path
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Trains the agent and lets it choose for every training face.

        Returns:
            int64 (N,), and what the record of the round says of it. All zeros and nothing where
            everything is drawn at random.
        """
        if self.config.explore == 1:
            return np.zeros(len(self.train), dtype=np.int64), {}
        probe = drawn_by_group(self.train, self.config.probe, self.config.seed, "probe")
        adversary = Adversary.train(
            self.train.subset(probe),
            detector,
            self.config,
            self.opponents,
            round_=number,
            folder=folder,
        )
        left = self._under(adversary, detector, number - 1)
        chosen = adversary.choose(self.train)
        names = ("leave", *self.opponents.names)
        counts = np.bincount(chosen, minlength=len(names)) / len(chosen)
        shares = dict(zip(names, counts.round(4).tolist(), strict=True))
        return chosen, {"agent": left, "choices": shares}

    def _under(self, adversary: Adversary, detector: Detector, number: int) -> float:
        """Returns the detector's balanced accuracy on validation faces degraded by choice."""
        table = self.judge.table(detector, f"{number}")
        return balanced(table, adversary.choose(self.judge.faces))

    def _degraded(self, faces: FaceDataset) -> FaceDataset:
        """Returns the faces, each under one random degradation."""
        degrader = Degrader(self.opponents.kinds, seed=self.config.seed)
        dice = generator(self.config.seed, "hardening", JUDGED)
        numbers = self.opponents.draw(dice, len(faces))
        pixels = np.empty((len(faces), *faces.images.shape[1:]), dtype=np.uint8)
        for indices, images in faces.batches(256):
            part = degrader(images, numbers[indices], indices, epoch=JUDGED)
            pixels[indices] = part.numpy()
        degraded = faces.with_images(pixels)
        return degraded.renamed([f"{name} (degraded)" for name in faces.names])

    def _save(self, hardened: Hardened) -> None:
        detector, best = hardened.detector, hardened.best
        story = {
            "identity": self._identity(),
            "settings": self.config.model_dump(mode="json"),
            "best": best.number,
            "share": best.share,
            "rounds": [one.model_dump(mode="json") for one in hardened.rounds],
            "averages": [one.model_dump(mode="json") for one in hardened.averages],
        }
        if "hardening" in self.detector.card:
            story["earlier"] = self.detector.card["hardening"]
        card = {**detector.card, **self.about, "hardening": story}
        detector.save(self.output, card)
        detector.card = card

    def _identity(self) -> dict[str, Any]:
        """What the result depends on; the keys are the words in which a difference is told."""
        return {
            "settings": self.config.model_dump(mode="json"),
            "training faces": self.train.fingerprint(),
            "validation faces": self.val.fingerprint(),
            "start weights": self.detector.fingerprint(),
            "attacks": [attack.fingerprint() for attack in self.attacks],
        }


def _copy(detector: Detector, folder: Path, device: str) -> Detector:
    """Returns the same detector once more, as training changes it in place."""
    detector.save(folder, detector.card)
    return Detector.load(folder, device=device, precision=detector.precision)


def _best(rounds: Sequence[Round]) -> Round:
    return max(rounds, key=lambda one: one.score)


def _line(record: Round) -> str:
    agent = "" if record.agent is None else f"; the agent had brought it to {record.agent:.3f}"
    whole = f"round {record.number}"
    name = whole if record.share == 1 else f"{record.share:.0%} of {whole}'s weights"
    return (
        f"{name}: balanced accuracy {record.clean:.3f} clean, "
        f"{record.degraded:.3f} degraded, {record.worst:.3f} at worst{agent}"
    )
