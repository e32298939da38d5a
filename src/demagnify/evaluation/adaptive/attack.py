"""The adaptive attacker: for each face the best of many attacks against one detector.

The detector is a black box to the attacker, who sees logits and no gradients. A defended detector
is attacked in the same way as a bare one: by queries. Croce et al., "Evaluating the Adversarial
Robustness of Adaptive Test-time Defenses" (arXiv 2202.13711), explain why a defence has to be
evaluated against such an attacker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.core import progress
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import Detector
from demagnify.evaluation.adaptive.search import (
    Floats,
    Integers,
    Scores,
    Search,
    SearchConfig,
    search,
)
from demagnify.evaluation.methods import is_bare
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, Conditions, is_attacked
from demagnify.laundering.quality import psnr
from demagnify.scores import Column, LogitTable
from demagnify.transforms.base import Transform

CHUNK: Final = 64
SAVE_EVERY_SECONDS: Final = 20.0
PREFIX: Final = "adaptive-vs-"

FAST_ATTACKS: Final = (
    "bicubic-x2",
    "bicubic-x3",
    "bicubic-x4",
    "realesr-compact-x2",
    "realesr-compact-x3",
    "realesr-compact-x4",
    "realesr-compact-x4@k2",
    "waifu2x-photo-x2",
    "srmd-x3",
    "srmd-x4",
    "srresnet-x4",
    "srgan-x4",
    "realesr-compact-x2+jpeg-75",
    "srgan-x4+jpeg-75",
    "realesr-compact-x2+srgan-x4",
)
"""The default attacks: at 224x224 each takes half a second of a processor per face at most."""


Target = Detector | DefendedDetector
"""The attacked model."""


def load_target(
    source: str | Path, *, device: str = "auto", precision: Precision = "auto"
) -> Target:
    """Loads a detector or a defended detector; see `demagnify.agents.loading.load_defense`.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
    """
    defended = load_defense(source, device=device, precision=precision)
    return defended.detector if is_bare(defended) else defended


class Candidates:
    """The same faces under each of M attacks, and clean; the attacker computes them beforehand.

    Args:
        faces: The originals, N of them.
        attacks: The attacks; none of them is the identity.
        cache: Where attacked faces are cached.

    Attributes:
        names: The names of the attacks.
        columns: The attacked faces, then the originals: number -1.

    Raises:
        BadConfigError: If there is no attack, or two have one name.
        BadOutputError: If `cache` cannot be written to.
    """

    def __init__(self, faces: FaceDataset, attacks: Sequence[Transform], *, cache: Path) -> None:
        self.names = [attack.name for attack in attacks]
        if not attacks:
            raise BadConfigError("there is no attack to choose from")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise BadConfigError(f"several attacks are called {', '.join(twice)}")
        self.faces = faces
        attacked = [
            Column(
                attack.name,
                attack.fingerprint(),
                attacked_faces(faces, attack, cache=cache, in_memory=False),
            )
            for attack in attacks
        ]
        self.columns = (*attacked, Column(CLEAN, CLEAN, faces))

    def table(self, target: Target, *, batch_size: int = 32) -> LogitTable:
        """Returns the logit table of a target over all candidates; nothing is computed yet."""
        return LogitTable(self.faces, target, self.columns, batch_size=batch_size)

    @cached_property
    def psnr(self) -> Floats:
        """PSNR in dB of every face after every attack, float64 (N, M); infinite if unchanged."""
        values = np.empty((len(self.faces), len(self.names)))
        for rows, originals in self.faces.batches(CHUNK):
            for number in range(len(self.names)):
                values[rows, number] = psnr(originals, self.columns[number].faces.batch(rows))
        return values

    def published(self, winner: Integers) -> FaceDataset:
        """Returns each face under its own attack; pixels are copied only when they are read.

        Args:
            winner: int64 (N,), the number of each face's attack; -1 for the original.
        """
        versions = [column.faces for column in self.columns]
        return FaceDataset.choose(versions, winner % len(versions))  # the original is number -1


@dataclass(frozen=True, slots=True)
class Adapted:
    """Faces after the adaptive attack on one target.

    Attributes:
        search: The outcome, face by face.
        faces: The published faces: the winners, and the originals of all other faces.
        before: float32 (N,), the logit of every original, attacked or not.
        after: float32 (N,), the logit of every published face.
        threshold: A logit above it is the verdict "fake"; a float32 number.
        calls: How many images the target classified in this run; logits known from an earlier run
            and faces that are not attacked make it differ from the sum of `search.queries`.
    """

    search: Search
    faces: FaceDataset
    before: Scores
    after: Scores
    threshold: float
    calls: int


def attack_target(
    target: Target,
    candidates: Candidates,
    config: SearchConfig,
    *,
    path: Path | None = None,
    batch_size: int = 32,
) -> Adapted:
    """Attacks a target with the best of the candidates for each face.

    A query is counted when the attacker makes it, whether or not its logit is known from an
    earlier run, so that a killed run that continues counts the same.

    Args:
        target: The detector, or defended detector.
        candidates: The faces and the attacks.
        config: Budget, order and the rest.
        path: Where logits are kept; None keeps nothing.
        batch_size: The most images in one call of the target.

    Raises:
        BadArtifactError: If `path` holds the logits of another target, or of other faces.
    """
    faces = candidates.faces
    table = candidates.table(target, batch_size=batch_size)
    if path is not None:
        table.load(path)
    saved = time.monotonic()

    def ask(rows: Integers, attacks: Integers) -> Scores:
        nonlocal saved
        logits = table.lookup(rows, attacks % len(table.names))  # the original is number -1
        if path is not None and time.monotonic() - saved > SAVE_EVERY_SECONDS:
            table.save(path)
            saved = time.monotonic()
        return logits

    total = int(is_attacked(faces.labels, config.targets).sum())
    everyone = np.arange(len(faces))
    try:
        with progress.bar(f"attacking {target.name}", total) as advance:
            found = search(
                faces.labels,
                candidates.psnr,
                ask,
                threshold=target.threshold,
                config=config,
                advance=advance,
            )
        before = ask(everyone, np.full_like(everyone, -1))
    finally:
        if path is not None:
            table.save(path)
    return Adapted(
        search=found,
        faces=candidates.published(found.winner),
        before=before,
        after=np.where(found.targeted, found.after, before),
        threshold=float(np.float32(target.threshold)),
        calls=table.calls,
    )


def adaptive_conditions(
    candidates: Candidates, targets: Mapping[str, Target], config: SearchConfig | None = None
) -> Conditions:
    """Returns the published faces of one attacker per target, as conditions for `evaluate_tables`.

    An adaptive attacker makes other faces for each defence, whereas all methods of an evaluation
    need the same faces. So each target brings a condition of its own: in "adaptive-vs-learned" the
    figure of the defence "learned" is that against an attacker who knows it; the figures of all
    other methods show how far that attack transfers to them.

    Args:
        candidates: The faces and the attacks.
        targets: Name of each method in the tables -> the defended detector, or the detector.
        config: Budget, order and the rest; defaults if None.

    Returns:
        "adaptive-vs-NAME" -> faces, in the order of `targets`.
    """
    chosen = config or SearchConfig()
    return {
        f"{PREFIX}{name}": attack_target(target, candidates, chosen).faces
        for name, target in targets.items()
    }
