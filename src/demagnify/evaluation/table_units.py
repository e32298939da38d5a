"""A logit table filled by many processes or machines: each unit holds some of the faces."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from demagnify.core import engine
from demagnify.core.engine import EngineOptions, Item, Result, Work
from demagnify.core.pickling import pickled
from demagnify.scores import LogitTable

_SUFFIX: Final = ".units"


def fill_table(table: LogitTable, path: Path, options: EngineOptions | None = None) -> None:
    """Computes every unknown logit of a table: here, or shared among workers.

    Args:
        table: The table; its columns are transforms.
        path: Where it is kept; see `LogitTable.fill`.
        options: Engine, workers, size of a unit, which is rounded up to whole batches: the
            detector gets the same batches as without workers.

    Raises:
        BadArtifactError: If `path` holds the table of other faces or another detector.
        BadImageError: If worker processes die over a face: no face may be left out.
    """
    if options is None:
        table.fill(path)
        return
    table.load(path)
    if table.filled:
        return
    batches = -(-options.unit // table.batch_size)
    options = options.model_copy(update={"unit": batches * table.batch_size})
    gpu = table.device.type == "cuda"
    task = TableTask(table.fingerprint(), pickled(table), gpu)
    folder = path.with_suffix(_SUFFIX)
    summary = engine.run(task, table.faces.names, folder, options)
    rows = engine.rows(summary.output, summary.units, ["logits"])
    table.update(_matrix(row["logits"] for row in rows).reshape(table.logits.shape))
    table.save(path)
    shutil.rmtree(folder, ignore_errors=True)


def _matrix(rows: Iterable[bytes]) -> np.typing.NDArray[np.float32]:
    return np.frombuffer(b"".join(rows), dtype="<f4").astype(np.float32)


@dataclass(frozen=True)
class TableTask:
    """The filling of a logit table as a task of the engine; its inputs are the faces.

    Attributes:
        fingerprint: Of faces, detector and transforms.
        table: The table with the logits that are known, pickled.
        gpu: Whether each worker needs a GPU of its own.
    """

    fingerprint: str
    table: bytes
    gpu: bool
    name: ClassVar[str] = "logit table"
    strict: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = {"logits": "binary"}

    def identity(self) -> dict[str, Any]:
        """Returns the fingerprint of the table."""
        return {"table": self.fingerprint}

    def open(self, _folder: Path) -> Work:
        """Reads faces, detector and transforms."""
        return _Filling(pickle.loads(self.table))  # noqa: S301  from the driver


@dataclass(frozen=True)
class _Filling:
    table: LogitTable

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        rows = [item.number for item in items]
        faces = self.table.faces.subset(rows, copy=False)
        part = self.table.with_faces(faces, self.table.logits[rows])
        part.fill()
        return [Result([{"logits": row.astype("<f4").tobytes()}]) for row in part.logits]
