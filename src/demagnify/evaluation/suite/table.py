"""The scores of a row: one line per face, condition and method, without pictures."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core.errors import BadArtifactError
from demagnify.core.files import check_regular, write_bytes
from demagnify.data.labels import NAMES

COLUMNS: Final = ("face", "group", "label", "condition", "method", "logit")
_MOST_BYTES: Final = 2**28
Key = tuple[str, str]
"""Condition and method."""


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The logits of faces under conditions, by each method.

    Attributes:
        faces: The name of each of the N faces.
        groups: The group of each.
        labels: int64 (N,), 0 real and 1 fake.
        logits: (condition, method) -> float32 (N,).
    """

    faces: tuple[str, ...]
    groups: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: Mapping[Key, NDArray[np.float32]]

    def __len__(self) -> int:
        """Returns the number of lines."""
        return len(self.faces) * len(self.logits)

    def save(self, path: Path) -> None:
        """Writes gzipped CSV, with the same bytes for the same content."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        labels = [NAMES[label] for label in self.labels.tolist()]
        for key, logits in self.logits.items():
            values = map(str, logits.astype(np.float32))
            for face, group, label, logit in zip(
                self.faces, self.groups, labels, values, strict=True
            ):
                writer.writerow((face, group, label, *key, logit))
        packed = gzip.compress(text.getvalue().encode(), mtime=0)
        write_bytes(path, packed)

    @classmethod
    def load(cls, path: Path) -> ScoreTable:
        """Reads what `save` wrote.

        Raises:
            BadArtifactError: If it cannot be read, a face lacks a score, or has two of a kind.
        """
        try:
            check_regular(path, most=_MOST_BYTES)
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                return cls._of(_rows(csv.reader(file)))
        except FileNotFoundError as error:
            raise BadArtifactError(f"{path}: there is no such file") from error
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            raise BadArtifactError(f"{path} cannot be used: {error}") from error

    @classmethod
    def _of(cls, rows: Iterable[tuple[str, ...]]) -> ScoreTable:
        known: dict[str, tuple[str, str]] = {}
        found: dict[Key, dict[str, np.float32]] = {}
        for face, group, label, condition, method, logit in rows:
            if known.setdefault(face, (group, label)) != (group, label):
                raise ValueError(f"the face {face!r} has two labels or groups")
            scores = found.setdefault((condition, method), {})
            if face in scores:
                raise ValueError(f"{face!r} has two scores under {condition}, {method}")
            scores[face] = np.float32(logit)
        for (condition, method), scores in found.items():
            if len(scores) < len(known):
                face = next(one for one in known if one not in scores)
                raise ValueError(f"{face!r} has no score under {condition}, {method}")
            if not np.isfinite(list(scores.values())).all():
                raise ValueError(f"a score under {condition}, {method} is not finite")
        if not known:
            raise ValueError("there is no score")
        labels = [NAMES.index(label) for _, label in known.values()]
        logits = {
            key: np.array([scores[face] for face in known], dtype=np.float32)
            for key, scores in found.items()
        }
        groups = tuple(group for group, _ in known.values())
        return cls(tuple(known), groups, np.array(labels, dtype=np.int64), logits)


def _rows(lines: Iterator[list[str]]) -> Iterator[tuple[str, ...]]:
    if tuple(next(lines, ())) != COLUMNS:
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(COLUMNS):
            raise ValueError(f"line {number} has {len(line)} columns, not {len(COLUMNS)}")
        yield tuple(line)
