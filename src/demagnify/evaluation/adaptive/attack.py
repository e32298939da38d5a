"""The adaptive attacker: for each face the best of many attacks against one detector."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.core import artifacts, progress
from demagnify.core.devices import Precision
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.data import FaceDataset
from demagnify.data.dataset import PixelSource
from demagnify.detectors import Detector
from demagnify.evaluation.adaptive.search import (
    ORIGINAL,
    AdaptiveSettings,
    Search,
    search,
    targets_of,
)
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import Conditions
from demagnify.laundering.quality import psnr
from demagnify.transforms import IDENTITY
from demagnify.transforms.base import Transform

SAVE_EVERY_SECONDS: Final = 20.0

Scores = NDArray[np.float32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Judge = Callable[[torch.Tensor], torch.Tensor]
"""Maps an image batch to one score per image, float32 (n,); higher means fake."""


class Answers:
    """The score of every (face, attack) that was asked for; none is asked for twice.

    Attacks are known by their fingerprints, so that more of them can be added to a kept file.

    Args:
        judge: The detector.
        identity: What the scores depend on beside the attacks: fingerprints of detector and faces.
        count: N, how many faces there are.
        path: Where to keep the scores; what is there already is read. None keeps nothing.
        batch_size: How many images the detector judges at once.

    Attributes:
        asked: How many images the detector has judged for this object.

    Raises:
        BadArtifactError: If `path` is damaged, or holds answers about other faces or of another
            detector.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        identity: str,
        count: int,
        path: Path | None = None,
        batch_size: int = 64,
    ) -> None:
        self._judge = judge
        self._identity = hashlib.sha256(f"{identity}\n{count}".encode()).hexdigest()
        self._count = count
        self._path = path
        self._batch_size = batch_size
        self._scores: dict[str, Scores] = {}
        self._saved = time.monotonic()
        self._changed = False
        self.asked = 0
        if path is not None and path.exists():
            self._restore(path)

    def ask(
        self, columns: Mapping[int, tuple[str, FaceDataset]], rows: Integers, attacks: Integers
    ) -> Scores:
        """Returns the scores of n pairs of a face and an attack, float32 (n,).

        Args:
            columns: Number of each attack -> its fingerprint, and all N faces under it.
            rows: int64 (n,), numbers of faces.
            attacks: int64 (n,), numbers of attacks.
        """
        table = {number: self._column(columns[number][0]) for number in np.unique(attacks).tolist()}
        pairs = list(zip(rows.tolist(), attacks.tolist(), strict=True))
        unknown = [pair for pair in dict.fromkeys(pairs) if np.isnan(table[pair[1]][pair[0]])]
        for start in range(0, len(unknown), self._batch_size):
            part = unknown[start : start + self._batch_size]
            images = _gather(columns, part)
            for (row, attack), score in zip(part, self._scored(images).tolist(), strict=True):
                table[attack][row] = score
            self._save_sometimes()
        return np.array([table[attack][row] for row, attack in pairs], dtype=np.float32)

    def save(self) -> None:
        """Writes what is known, in one step, if there is a place for it and anything new."""
        if self._path is None or not self._changed:
            return
        tensors = {name: torch.from_numpy(scores) for name, scores in self._scores.items()}
        artifacts.save_state(self._path, tensors, {"identity": self._identity})
        self._saved, self._changed = time.monotonic(), False

    def _column(self, fingerprint: str) -> Scores:
        key = hashlib.sha256(fingerprint.encode()).hexdigest()
        return self._scores.setdefault(key, np.full(self._count, np.nan, dtype=np.float32))

    def _scored(self, images: torch.Tensor) -> Scores:
        self.asked += len(images)
        self._changed = True
        scores: Scores = self._judge(images).detach().float().cpu().numpy()
        return scores

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved > SAVE_EVERY_SECONDS:
            self.save()

    def _restore(self, path: Path) -> None:
        tensors, state = artifacts.load_state(path)
        if state.get("identity") != self._identity:
            raise BadArtifactError(
                f"{path} holds the answers of another detector or about other faces",
                hint="choose another output folder",
            )
        self._scores = {name: tensor.numpy() for name, tensor in tensors.items()}


def _gather(
    columns: Mapping[int, tuple[str, FaceDataset]], pairs: list[tuple[int, int]]
) -> torch.Tensor:
    """Returns the images of pairs (face, attack), in their order: uint8 (n, 3, S, S)."""
    attacks = np.array([attack for _, attack in pairs])
    rows = np.array([row for row, _ in pairs])
    order = np.concatenate([np.flatnonzero(attacks == number) for number in np.unique(attacks)])
    parts = [
        columns[number][1].batch(rows[attacks == number]) for number in np.unique(attacks).tolist()
    ]
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


CHUNK: Final = 64

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
"""What the attacker chooses from unless told otherwise: at 224x224 each takes half a second of
a processor per face at most."""


class Candidates:
    """The same faces under each of M attacks; the attacker makes them on a machine of its own.

    Args:
        faces: The originals, N of them.
        attacks: The attacks; none of them does nothing.
        cache: Where attacked faces are kept, so that none is made twice.
        batch_size: How many faces a network sees at once.

    Attributes:
        names: What tables call the attacks.
        columns: Number of each attack -> its fingerprint and all faces under it; the number of
            the originals is -1.

    Raises:
        BadConfigError: If there is no attack, or two have one name.
        BadOutputError: If `cache` cannot be written to.
    """

    def __init__(
        self, faces: FaceDataset, attacks: Sequence[Transform], *, cache: Path, batch_size: int = 16
    ) -> None:
        self.names = [attack.name for attack in attacks]
        if not attacks:
            raise BadConfigError("there is no attack to choose from")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise BadConfigError(f"several attacks are called {', '.join(twice)}")
        self.faces = faces
        self.columns: dict[int, tuple[str, FaceDataset]] = {ORIGINAL: ("none", faces)}
        for number, attack in enumerate(attacks):
            attacked = attacked_faces(
                faces, attack, cache=cache, batch_size=batch_size, in_memory=False
            )
            self.columns[number] = (attack.fingerprint(), attacked)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def psnr(self) -> Floats:
        """PSNR in dB of every face after every attack, float64 (N, M); infinite if unchanged."""
        values = np.empty((len(self.faces), len(self)))
        for rows, originals in self.faces.batches(CHUNK):
            for number in range(len(self)):
                values[rows, number] = psnr(originals, self.columns[number][1].batch(rows))
        return values

    def published(self, winner: Integers) -> FaceDataset:
        """Returns each face under its own attack; pixels are copied only when they are asked for.

        Args:
            winner: int64 (N,), the number of each face's attack; -1 for the original.
        """
        sources = {number: faces.images for number, (_, faces) in self.columns.items()}
        clean = self.faces
        return FaceDataset(
            _Chosen(sources, winner), clean.labels, clean.groups, clean.names, clean.skipped
        )


class _Chosen:
    """Of several sources of the same images, for each image the one that was chosen."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, sources: dict[int, PixelSource], choice: Integers) -> None:
        self._sources = sources
        self._choice = choice

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._sources[ORIGINAL].shape[1:])

    @property
    def nbytes(self) -> int:
        return self._sources[ORIGINAL].nbytes

    def __len__(self) -> int:
        return len(self._choice)

    def __getitem__(self, key: slice | Integers, /) -> NDArray[np.uint8]:
        rows = np.arange(len(self))[key]
        pixels = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for number in np.unique(self._choice[rows]).tolist():
            mine = self._choice[rows] == number
            pixels[mine] = self._sources[number][rows[mine]]
        return pixels


@dataclass(frozen=True, slots=True)
class Adapted:
    """Faces after the adaptive attack on one detector.

    Attributes:
        search: What came of it, face by face.
        faces: What the attacker publishes: the winners, and the originals of all other faces.
        before: float32 (N,), the detector's score of every original, target or not.
        after: float32 (N,), its score of every published face.
        threshold: A score above it is the verdict "fake"; a float32 number.
        asked: How many images the detector judged in this run; those known from an earlier run
            and faces that are no target make it differ from the sum of `search.queries`.
    """

    search: Search
    faces: FaceDataset
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    threshold: float
    asked: int


def adapt(
    candidates: Candidates,
    answers: Answers,
    *,
    threshold: float,
    settings: AdaptiveSettings,
    name: str = "the detector",
) -> Adapted:
    """Attacks a detector with the best of the candidates for each face.

    Args:
        candidates: The faces and the attacks.
        answers: The detector, asked through what it is known to have said.
        threshold: A score above it is the verdict "fake".
        settings: Budget, order and the rest.
        name: What to call the detector while the work goes on.

    Returns:
        The published faces, the scores, and how they were found. A query is counted when the
        attacker makes it, whether or not its answer is known from an earlier run, so that a run
        that was stopped and goes on counts the same.
    """
    faces, columns = candidates.faces, candidates.columns
    total = int(targets_of(faces.labels, settings.targets).sum())
    with progress.bar(f"attacking {name}", total) as advance:
        found = search(
            faces.labels,
            candidates.psnr,
            lambda rows, attacks: answers.ask(columns, rows, attacks),
            threshold=threshold,
            settings=settings,
            advance=advance,
        )
    everyone = np.arange(len(faces))
    before = answers.ask(columns, everyone, np.full_like(everyone, ORIGINAL))
    answers.save()
    return Adapted(
        search=found,
        faces=candidates.published(found.winner),
        before=before,
        after=np.where(found.targeted, found.after, before),
        threshold=float(np.float32(threshold)),
        asked=answers.asked,
    )


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
    """Loads a detector or a defended detector; see `demagnify.agents.loading.load_defended`.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
    """
    defended = load_defense(source, device=device, precision=precision)
    return defended.detector if list(defended.actions.names) == [IDENTITY] else defended


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


PREFIX = "adaptive-vs-"


def adaptive_conditions(
    candidates: Candidates,
    targets: Mapping[str, Target],
    settings: AdaptiveSettings | None = None,
) -> Conditions:
    """Returns the published faces of one attacker per target, as rows for `evaluate`.

    An attacker who adapts makes other faces for each defence, whereas all defences of an evaluation
    are judged on the same faces. So each target brings a row of its own: in the row
    "adaptive-vs-learned" the figure of the defence "learned" is what an attacker who knows it
    reaches; the figures of all others there say how far that attack carries over to them.

    Args:
        candidates: The faces and the attacks.
        targets: Name of each defence in the tables -> the defended detector, or the detector.
        settings: Budget, order and the rest; defaults if None.

    Returns:
        "adaptive-vs-NAME" -> faces, in the order of `targets`.
    """
    chosen = settings or AdaptiveSettings()
    return {
        f"{PREFIX}{name}": attack_target(target, candidates, chosen).faces
        for name, target in targets.items()
    }
