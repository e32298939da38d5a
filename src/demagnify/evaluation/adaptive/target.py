"""Whom the adaptive attacker attacks: a detector, or a defended one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.shipped import load_defended
from demagnify.core.devices import Precision
from demagnify.data import FaceDataset
from demagnify.detectors import Detector
from demagnify.evaluation.adaptive.answers import Answers
from demagnify.evaluation.adaptive.attacker import Adapted, adapt
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.settings import AdaptiveSettings
from demagnify.transforms.corrections import LEAVE


class Target(Protocol):
    """What the attacker asks; `Detector` and `DefendedDetector` are such."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def threshold(self) -> float:
        """A score above it is the verdict "fake"."""

    def logits(self, images: torch.Tensor, /, *, batch_size: int = 64) -> torch.Tensor:
        """Maps an image batch to finite scores, float32 (N,) on the CPU."""

    def fingerprint(self) -> str:
        """Returns what the scores depend on."""


def load_target(
    source: str | Path, *, device: str = "auto", precision: Precision = "auto"
) -> Detector | DefendedDetector:
    """Loads a detector or a defended detector; see `demagnify.agents.shipped.load_defended`.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
    """
    defended = load_defended(source, device=device, precision=precision)
    return defended.detector if list(defended.actions.names) == [LEAVE] else defended


def undefended_part(target: Target) -> Detector | None:
    """Returns the detector inside a defence; None if `target` is no defence."""
    return target.detector if isinstance(target, DefendedDetector) else None


def answers_of(target: Target, faces: FaceDataset, path: Path | None = None) -> Answers:
    """Returns what `target` says about faces under attacks, kept in `path`.

    Raises:
        BadArtifactError: If `path` holds what another detector said, or about other faces.
    """
    identity = f"{target.fingerprint()}\n{faces.fingerprint()}"
    return Answers(target.logits, identity=identity, count=len(faces), path=path)


def attack_target(
    target: Target,
    candidates: Candidates,
    settings: AdaptiveSettings,
    *,
    path: Path | None = None,
) -> Adapted:
    """Attacks `target` with the best of the candidates for each face; see `adapt`."""
    answers = answers_of(target, candidates.faces, path)
    return adapt(
        candidates, answers, threshold=target.threshold, settings=settings, name=target.name
    )
