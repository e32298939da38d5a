"""What the detector says about every face after every action, asked for once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from demagnify.core import artifacts, progress
from demagnify.core.errors import BadArtifactError
from demagnify.core.parallel import prefetch
from demagnify.data.dataset import FaceDataset
from demagnify.transforms import TransformSet

SAVE_EVERY_SECONDS: Final = 20.0

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class DetectorLike(Protocol):
    """What is asked of a detector; `demagnify.detectors.Detector` is one.

    Any other callable becomes one with `demagnify.detectors.wrap`.
    """

    threshold: float

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None if it has no weights."""

    def logits(self, images: torch.Tensor, /, *, batch_size: int = 64) -> torch.Tensor:
        """Maps images to finite logits without gradients, float32 (N,) on the CPU."""

    def fingerprint(self) -> str:
        """Returns what its logits depend on; the threshold is not part of it."""


class RewardSource(Protocol):
    """Where rewards come from: a `LogitTable`, or a detector asked anew each time."""

    faces: FaceDataset
    actions: TransformSet
    threshold: float

    @property
    def detector(self) -> DetectorLike:
        """Who judges."""

    @property
    def device(self) -> torch.device:
        """Where the detector computes."""

    def lookup(self, indices: ArrayLike, actions: ArrayLike) -> Floats:
        """Returns the logit for each face after its action, with the action's shift, float32."""

    def judge(self, images: torch.Tensor) -> Floats:
        """Returns the detector's own logits for an image batch, float32 (n,)."""


def rewards_of(logits: ArrayLike, labels: ArrayLike, threshold: float) -> Floats:
    """Returns +1 where the verdict is right and -1 where it is wrong, float32.

    Args:
        logits: The detector's logits; above `threshold` the verdict is fake.
        labels: 0 real, 1 fake; broadcast against `logits`.
        threshold: The detector's threshold.
    """
    fake = np.asarray(logits) > np.float32(threshold)
    right = fake == (np.asarray(labels) == 1)
    return np.where(right, np.float32(1.0), np.float32(-1.0))


class LiveRewards:
    """Asks the detector anew about every face and action.

    Args:
        faces: The faces.
        detector: Who judges.
        actions: What can be done to a face.

    Attributes:
        calls: How many images the detector has judged so far.
    """

    def __init__(self, faces: FaceDataset, detector: DetectorLike, actions: TransformSet) -> None:
        self.faces = faces
        self.detector = detector
        self.actions = actions
        self.threshold = float(detector.threshold)
        self.calls = 0

    @property
    def device(self) -> torch.device:
        """Where the detector computes."""
        return self.detector.device or torch.device("cpu")

    def lookup(self, indices: ArrayLike, actions: ArrayLike) -> Floats:
        """Returns the logit for each face after its transform, float32 (n,).

        Args:
            indices: n numbers of faces.
            actions: n numbers of actions.
        """
        numbers = np.asarray(actions, dtype=np.int64)
        images = self.faces.batch(indices).to(self.device)
        corrected = self.actions.apply(images, torch.from_numpy(numbers))
        return self.judge(corrected)

    def judge(self, images: torch.Tensor) -> Floats:
        """Returns the detector's logits for an image batch, float32 (n,)."""
        self.calls += len(images)
        logits: Floats = self.detector.logits(images, batch_size=max(1, len(images))).numpy()
        return logits


class LogitTable:
    """The logit for every (face, action), filled as it is asked for.

    It is the detector's for the transformed face; for identities it is asked once. A one-step
    defence is decided by this table alone: with A actions there are at most N x A questions, so
    training, baselines and evaluation read it instead of asking again.

    Args:
        faces: The N faces.
        detector: Who judges.
        actions: The A actions.
        batch_size: The most images that the detector is asked about at once.

    Attributes:
        logits: float32 (N, A); NaN where the detector has not been asked yet.
        labels: int64 (N,), 0 real and 1 fake.
        threshold: The detector's; a logit above it means fake.
    """

    def __init__(
        self,
        faces: FaceDataset,
        detector: DetectorLike,
        actions: TransformSet,
        *,
        batch_size: int = 64,
    ) -> None:
        self._live = LiveRewards(faces, detector, actions)
        self.detector = detector
        self.faces = faces
        self.actions = actions
        self.labels: Integers = faces.labels
        self.threshold = self._live.threshold
        self.batch_size = batch_size
        self.logits: Floats = np.full((len(faces), len(actions)), np.nan, dtype=np.float32)

    @property
    def device(self) -> torch.device:
        """Where the detector computes."""
        return self._live.device

    @property
    def calls(self) -> int:
        """How many images the detector has judged so far."""
        return self._live.calls

    @property
    def filled(self) -> bool:
        """Whether every answer is known."""
        return not bool(np.isnan(self.logits).any())

    def lookup(self, indices: ArrayLike, actions: ArrayLike) -> Floats:
        """Returns the logit for each face after its action; asks only for unknown ones.

        A pair that comes twice in the request is asked for once, and the detector gets all
        questions of a request in one batch (of at most `batch_size`).

        Args:
            indices: n numbers of faces.
            actions: n numbers of actions.

        Returns:
            float32 (n,).
        """
        pairs = np.ravel_multi_index((np.asarray(indices), np.asarray(actions)), self.logits.shape)
        known = self.logits.reshape(-1)
        unknown = np.unique(pairs[np.isnan(known[pairs])])
        rows, numbers = np.divmod(unknown, len(self.actions))
        # Of pixels that are left as they are the detector is asked once: about action 0.
        asked = np.unique(unknown - np.where(self.actions.identity[numbers], numbers, 0))
        asked = asked[np.isnan(known[asked])]
        for start in range(0, len(asked), self.batch_size):
            chunk = asked[start : start + self.batch_size]
            known[chunk] = self._live.lookup(*np.divmod(chunk, len(self.actions)))
        self._fill_identity(np.unique(rows))
        answers: Floats = known[pairs]
        return answers

    def _fill_identity(self, rows: Integers) -> None:
        """Fills in what follows, in these rows, from the answers about untouched faces."""
        columns = np.flatnonzero(self.actions.identity)
        self.logits[np.ix_(rows, columns)] = self.logits[rows, :1]

    def judge(self, images: torch.Tensor) -> Floats:
        """Returns the detector's logits for images that the table does not hold."""
        return self._live.judge(images)

    def fill(self, path: Path | None = None) -> None:
        """Asks for everything that is not known yet, in large batches, with progress.

        While the detector judges a batch, the next one is made ready.

        Args:
            path: Where to keep the table; what is there already is read first, and what is
                known is saved every 20 seconds and at the end, so that a killed filling goes on.

        Raises:
            BadArtifactError: If `path` holds the table of other faces, actions or detector.
        """
        if path is not None and path.exists():
            self.restore(path)
        if self.filled:
            return
        saved = time.monotonic()
        self._fill_identity(np.arange(len(self.faces)))
        asked = ~self.actions.identity
        asked[0] = True  # the logits of other identities follow from its answers
        missing = int(np.isnan(self.logits[:, asked]).sum())
        with progress.bar("asking the detector", missing) as advance:
            for question in prefetch(self._questions(), depth=1):
                self._answer(question)
                advance(len(question.rows))
                if path is not None and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self.save(path)
                    saved = time.monotonic()
        if path is not None:
            self.save(path)

    def _questions(self) -> Iterator[_Question]:
        """Yields what is not known, `batch_size` faces and one action at a time."""
        for start in range(0, len(self.faces), self.batch_size):
            unknown = np.isnan(self.logits[start : start + self.batch_size])
            if not unknown.any():
                continue
            rows = np.arange(start, start + len(unknown), dtype=np.int64)
            images = self.faces.batch(rows).to(self.device)
            for number, action in enumerate(self.actions):
                wanted = unknown[:, number]
                if wanted.any() and not (number and self.actions.identity[number]):
                    some = images if wanted.all() else images[torch.from_numpy(wanted)]
                    yield _Question(rows[wanted], number, action(some))

    def _answer(self, question: _Question) -> None:
        rows, number, images = question
        self.logits[rows, number] = self._live.judge(images)
        if number == 0:
            self._fill_identity(rows)

    def rewards(self) -> Floats:
        """Returns the reward of every action on every face, float32 (N, A) of +1 and -1.

        Raises:
            ValueError: If the table is not filled.
        """
        if not self.filled:
            raise ValueError("not every answer is known; call fill() first")
        return rewards_of(self.logits, self.labels[:, None], self.threshold)

    def fingerprint(self) -> str:
        """Returns what the logits depend on, as 64 hexadecimal digits.

        That is the detector's weights and settings without its threshold, the actions with their
        settings, and the pixels.
        """
        parts = [
            self._live.detector.fingerprint(),
            [repr(action) for action in self.actions],
            self.faces.fingerprint(),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes what is known to a file, in one step."""
        state = {"fingerprint": self.fingerprint(), "actions": self.actions.names}
        artifacts.save_state(path, {"logits": torch.from_numpy(self.logits)}, state)

    def restore(self, path: Path) -> None:
        """Takes over what a saved table knows.

        Raises:
            BadArtifactError: If it is damaged, or of other faces, actions or another detector.
        """
        tensors, state = artifacts.load_state(path)
        if state.get("fingerprint") != self.fingerprint():
            raise BadArtifactError(
                f"{path} is the reward table of other faces, actions or another detector",
                hint="delete it, or choose another output folder",
            )
        self.adopt(tensors["logits"])

    def adopt(self, logits: torch.Tensor) -> None:
        """Takes over the known entries of `logits`, float32 (N, A) with NaN for unknown."""
        known = logits.numpy()
        self.logits[:] = np.where(np.isnan(known), self.logits, known)


class _Question(NamedTuple):
    """Some faces after one action, ready for the detector."""

    rows: Integers
    action: int
    images: torch.Tensor
