"""The detector's logit of every face after every transform, computed once.

A `LogitTable` is the only place that runs a detector on (face, transform) pairs and keeps the
results. It holds logits and nothing else: what a logit is worth is up to its reader, see
`demagnify.agents.rewards`. Its uses:

    table = LogitTable(faces, detector, transforms)   # nothing is computed yet
    table.fill(folder / "logits.safetensors")         # training, baselines, evaluation: all pairs
    table.lookup(rows, columns)                       # a learner or attacker: only these pairs
    table.select(["identity", "jpeg-75"])             # an ablation: some of the columns
    LogitTable.merge([clean, attacked])               # the faces of several tables, as one
    table.with_faces(part, table.logits[rows])        # folds, other labels: known logits

An attacker, or a table of attacks, has attacked faces already. They are the columns then. A file
of a table keeps the columns of other tables too:

    columns = [Column("none", "none", faces), Column(attack.name, attack.fingerprint(), attacked)]
    table = LogitTable(faces, detector, columns)
"""

from __future__ import annotations

import hashlib
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from demagnify.core import artifacts, progress
from demagnify.core.errors import BadArtifactError, DemagnifyWarning
from demagnify.core.parallel import prefetch
from demagnify.data.dataset import FaceDataset
from demagnify.transforms import TransformSet

SAVE_EVERY_SECONDS: Final = 20.0

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class DetectorLike(Protocol):
    """The part of a detector that a table needs; `detectors.wrap` makes one of any callable."""

    @property
    def threshold(self) -> float:
        """The threshold; a logit above it means fake."""

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None if it has no weights."""

    def logits(self, images: torch.Tensor, /, *, batch_size: int = 32) -> torch.Tensor:
        """Maps images to finite logits without gradients, float32 (N,) on the CPU."""

    def fingerprint(self) -> str:
        """Returns a text on which its logits depend; the threshold is not part of it."""


@dataclass(frozen=True, eq=False)
class Column:
    """Faces after one transform that are there already, such as cached attacked faces.

    Attributes:
        name: The name of the transform.
        fingerprint: A text on which the pixels depend, beside the original faces.
        faces: The transformed faces, in the order of the originals.
    """

    name: str
    fingerprint: str
    faces: FaceDataset


class LogitTable:
    """The logit of every (face, transform), computed when it is first needed.

    A one-step defence is decided by this table alone: N faces and A transforms give at most N x A
    pairs. Training, baselines, attackers and evaluation read it instead of running the detector
    again. Transforms that leave the pixels as they are share one column's logits.

    Args:
        faces: The N faces.
        detector: The detector.
        transforms: The A columns: transforms to apply, or faces that are transformed already.
        batch_size: The most images in one call of the detector.

    Attributes:
        logits: float32 (N, A); NaN where unknown.
        names: The names of the columns.

    Example:
        >>> from demagnify.detectors import wrap
        >>> faces = FaceDataset.from_arrays(np.full((2, 3, 32, 32), 51, dtype=np.uint8), [0, 1])
        >>> detector = wrap(lambda images: images.float().mean(dim=(1, 2, 3)), name="mean")
        >>> table = LogitTable(faces, detector, TransformSet.create(["identity", "mask-center"]))
        >>> table.lookup([0, 1], [0, 1]).round(3)
        array([51.   , 46.966], dtype=float32)
        >>> table.calls
        2
    """

    def __init__(
        self,
        faces: FaceDataset,
        detector: DetectorLike,
        transforms: TransformSet | Sequence[Column],
        *,
        batch_size: int = 32,
    ) -> None:
        self.faces = faces
        self.detector = detector
        self.batch_size = batch_size
        self.calls = 0
        self._columns: TransformSet | tuple[Column, ...]
        if isinstance(transforms, TransformSet):
            self._columns = transforms
            self.names = transforms.names
            # The column that each one shares its logits with; of its own where pixels change.
            self._origin = np.where(transforms.identity, 0, np.arange(len(transforms)))
        else:
            self._columns = tuple(transforms)
            self.names = tuple(column.name for column in transforms)
            self._origin = np.arange(len(self._columns))
        self.logits: Floats = np.full((len(faces), len(self.names)), np.nan, dtype=np.float32)
        self._others: dict[str, torch.Tensor] = {}

    @classmethod
    def merge(cls, tables: Sequence[LogitTable]) -> LogitTable:
        """Returns the faces of several tables as one table; no pixel is copied.

        Args:
            tables: At least one, with the same detector and transforms.

        Raises:
            ValueError: If their columns differ.
        """
        first = tables[0]
        if any(table.names != first.names for table in tables):
            raise ValueError("tables with different transforms cannot be merged")
        faces = FaceDataset.concatenate([table.faces for table in tables])
        return first.with_faces(faces, np.concatenate([table.logits for table in tables]))

    @property
    def transforms(self) -> TransformSet:
        """The transforms.

        Raises:
            ValueError: If the columns are transformed faces.
        """
        if not isinstance(self._columns, TransformSet):
            raise ValueError("the columns of this table are transformed faces")
        return self._columns

    @property
    def labels(self) -> Integers:
        """The labels of the faces, int64 (N,): 0 real and 1 fake."""
        return self.faces.labels

    @property
    def threshold(self) -> float:
        """The detector's threshold; a logit above it means fake."""
        return float(self.detector.threshold)

    @property
    def device(self) -> torch.device:
        """Where the detector computes."""
        return self.detector.device or torch.device("cpu")

    @property
    def filled(self) -> bool:
        """Whether every logit is known."""
        return not bool(np.isnan(self.logits).any())

    def select(self, names: Sequence[str]) -> LogitTable:
        """Returns a table of some of the columns with the logits that are known.

        Args:
            names: Names of columns, in any order; of transforms the identity is the first.

        Raises:
            ValueError: If a name is not among the columns.
        """
        places = [self.names.index(name) for name in names]
        chosen: TransformSet | list[Column]
        if isinstance(self._columns, TransformSet):
            chosen = TransformSet([self._columns[place] for place in places])
        else:
            chosen = [self._columns[place] for place in places]
        part = LogitTable(self.faces, self.detector, chosen, batch_size=self.batch_size)
        part.update(self.logits[:, places])
        return part

    def with_faces(self, faces: FaceDataset, logits: Floats) -> LogitTable:
        """Returns a table of other faces with known logits, for the same transforms.

        Args:
            faces: The faces.
            logits: float32 (n, A), NaN where unknown.
        """
        table = LogitTable(faces, self.detector, self.transforms, batch_size=self.batch_size)
        table.update(logits)
        return table

    def update(self, logits: Floats) -> None:
        """Takes over the known entries of `logits`, float32 (N, A) with NaN for unknown."""
        self.logits[:] = np.where(np.isnan(logits), self.logits, logits)

    def lookup(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Returns the logits of faces after their transforms, float32 (n,); computes unknown ones.

        A pair that comes twice in the request is computed once. The detector gets all unknown
        pairs of a request in one batch, of at most `batch_size`.

        Args:
            rows: n numbers of faces.
            columns: n numbers of transforms.
        """
        pairs = np.ravel_multi_index((np.asarray(rows), np.asarray(columns)), self.logits.shape)
        known = self.logits.reshape(-1)
        unknown = np.unique(pairs[np.isnan(known[pairs])])
        faces, numbers = np.divmod(unknown, len(self.names))
        wanted = np.unique(faces * len(self.names) + self._origin[numbers])
        wanted = wanted[np.isnan(known[wanted])]
        for start in range(0, len(wanted), self.batch_size):
            chunk = wanted[start : start + self.batch_size]
            known[chunk] = self.logits_of(self._images(*np.divmod(chunk, len(self.names))))
        self._share(np.unique(faces))
        found: Floats = known[pairs]
        return found

    def logits_of(self, images: torch.Tensor) -> Floats:
        """Returns the logits of images that the table does not hold, float32 (n,)."""
        self.calls += len(images)
        logits: Floats = self.detector.logits(images, batch_size=max(1, len(images))).numpy()
        return logits

    def fill(self, path: Path | None = None) -> None:
        """Computes every unknown logit, in large batches, with progress.

        While the detector classifies a batch, a thread prepares the next one.

        Args:
            path: Where to keep the table. A file that is there is read first. The table is saved
                every 20 seconds and at the end, so that a killed filling continues.

        Raises:
            BadArtifactError: If `path` holds the table of other faces or another detector.
        """
        if path is not None:
            self.load(path)
        if self.filled:
            return
        saved = time.monotonic()
        self._share(np.arange(len(self.faces)))
        own = np.unique(self._origin)
        missing = int(np.isnan(self.logits[:, own]).sum())
        with progress.bar("running the detector", missing) as advance:
            for rows, column, images in prefetch(self._batches(own), depth=1):
                self.logits[rows, column] = self.logits_of(images)
                advance(len(rows))
                if path is not None and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self.save(path)
                    saved = time.monotonic()
        self._share(np.arange(len(self.faces)))
        if path is not None:
            self.save(path)

    def fingerprint(self) -> str:
        """Returns a text on which the logits depend, as 64 hexadecimal digits.

        Its parts are the detector's weights and settings without its threshold, the transforms
        with their settings, and the pixels.
        """
        return _digest(self._identity(), *self._fingerprints())

    def save(self, path: Path) -> None:
        """Writes the known logits to a file, in one step; columns of other tables stay in it."""
        columns = {
            key: torch.from_numpy(self.logits[:, place].copy())
            for key, place in self._keys().items()
        }
        tensors = {**self._others, **columns}
        checksums = {key: _checksum(tensor) for key, tensor in tensors.items()}
        artifacts.save_state(path, tensors, {"identity": self._identity(), "crc32": checksums})

    def load(self, path: Path) -> None:
        """Takes over the logits of a saved table, if there is one.

        A file may hold further columns; tables with other transforms can share it.

        Raises:
            BadArtifactError: If it is of other faces or another detector.

        Warns:
            DemagnifyWarning: If it is damaged; damaged columns are computed again.
        """
        if not path.exists():
            return
        try:
            tensors, state = artifacts.load_state(path, verify=False)
        except BadArtifactError:
            _warn(path)
            return
        if state.get("identity") != self._identity():
            raise BadArtifactError(
                f"{path} is the logit table of other faces or another detector",
                hint="delete it, or choose another output folder",
            )
        checksums = state.get("crc32", {})
        damaged = [key for key, one in tensors.items() if checksums.get(key) != _checksum(one)]
        if damaged:
            _warn(path)
        tensors = {key: tensor for key, tensor in tensors.items() if key not in damaged}
        known = np.full_like(self.logits, np.nan)
        for key, place in self._keys().items():
            if key in tensors:
                known[:, place] = tensors.pop(key).numpy()
        self._others = tensors
        self.update(known)

    def _identity(self) -> str:
        return _digest(self.detector.fingerprint(), self.faces.fingerprint(), str(len(self.faces)))

    def _fingerprints(self) -> list[str]:
        if isinstance(self._columns, TransformSet):
            return [transform.fingerprint() for transform in self._columns]
        return [column.fingerprint for column in self._columns]

    def _keys(self) -> dict[str, int]:
        """Returns the number of each column by its name in a file."""
        return {_digest(text): place for place, text in enumerate(self._fingerprints())}

    def _images(self, rows: Integers, columns: Integers) -> torch.Tensor:
        """Returns the faces at `rows` after their transforms, on the detector's device."""
        if isinstance(self._columns, TransformSet):
            images = self.faces.batch(rows).to(self.device)
            return self._columns.apply(images, torch.from_numpy(columns))
        images = torch.empty((len(rows), *self.faces.images.shape[1:]), dtype=torch.uint8)
        for number in np.unique(columns):
            chosen = columns == number
            images[torch.from_numpy(chosen)] = self._columns[number].faces.batch(rows[chosen])
        return images.to(self.device)

    def _batches(self, own: Integers) -> Iterator[tuple[Integers, int, torch.Tensor]]:
        """Yields the unknown pairs, `batch_size` faces and one column at a time."""
        for start in range(0, len(self.faces), self.batch_size):
            unknown = np.isnan(self.logits[start : start + self.batch_size])
            if not unknown.any():
                continue
            rows = np.arange(start, start + len(unknown), dtype=np.int64)
            images = None
            for column in own.tolist():
                wanted = unknown[:, column]
                if not wanted.any():
                    continue
                if not isinstance(self._columns, TransformSet):
                    numbers = np.full(int(wanted.sum()), column)
                    yield (rows[wanted], column, self._images(rows[wanted], numbers))
                    continue
                images = self.faces.batch(rows).to(self.device) if images is None else images
                some = images if wanted.all() else images[torch.from_numpy(wanted)]
                yield (rows[wanted], column, self._columns[column](some))

    def _share(self, rows: Integers) -> None:
        """Copies, in these rows, the logits of the identity to transforms that change nothing."""
        columns = np.flatnonzero(self._origin != np.arange(len(self._origin)))
        self.logits[np.ix_(rows, columns)] = self.logits[np.ix_(rows, self._origin[columns])]


class LiveLogits(LogitTable):
    """A table that stores nothing: it runs the detector for every pair."""

    def lookup(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Returns the logit of each face after its transform, float32 (n,)."""
        images = self._images(np.asarray(rows), np.asarray(columns, dtype=np.int64))
        return self.logits_of(images)


def _checksum(logits: torch.Tensor) -> int:
    return zlib.crc32(logits.numpy().tobytes())


def _warn(path: Path) -> None:
    warnings.warn(f"{path} is damaged; it is computed again", DemagnifyWarning, stacklevel=3)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
