"""Shards: one Parquet file per unit, written in one step, with its receipt inside."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from demagnify.core.engine.inputs import Item
from demagnify.core.files import atomic_path, write_bytes
from demagnify.core.printing import storable

if TYPE_CHECKING:
    from demagnify.core.engine.work import Result

FOLDER: Final = "shards"
_COLUMNS: Final = {"item": "int64", "input": "string"}
_PROBLEM: Final = {"problem": "string"}
_KEY: Final = b"demagnify"
_SEAL: Final = b"sha256"
_UNSEALED: Final = b"0" * 64


@dataclass(frozen=True)
class Receipt:
    """What a unit came to.

    Attributes:
        unit: Its number.
        items: Inputs in it.
        rows: All rows.
        results: Those with a result: an input without one has a row, too.
        problems: Inputs with a problem, by its text.
        seconds: How long it took.
    """

    unit: int
    items: int
    rows: int
    results: int
    problems: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def shard_path(folder: Path, unit: int) -> Path:
    """Returns where the shard of a unit stands."""
    return folder / FOLDER / f"{unit:07d}.parquet"


def write(
    folder: Path,
    unit: int,
    items: Sequence[Item],
    results: Sequence[Result],
    columns: Mapping[str, str],
    seconds: float,
) -> Receipt:
    """Writes the shard of a unit, and returns its receipt.

    An input without a row has one that holds nothing but its problem.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    for item, result in zip(items, results, strict=True):
        common = {"item": item.number, "input": storable(item.uri)}
        problem = None if result.problem is None else storable(result.problem)
        rows += [{**one, **common, "problem": problem} for one in result.rows or ({},)]
    receipt = Receipt(
        unit,
        len(items),
        len(rows),
        sum(len(result.rows) for result in results),
        dict(Counter(storable(result.problem) for result in results if result.problem is not None)),
        round(seconds, 3),
    )
    schema = pa.schema(
        [
            pa.field(name, pa.type_for_alias(kind))
            for name, kind in (_COLUMNS | dict(columns) | _PROBLEM).items()
        ],
        metadata={_KEY: json.dumps(asdict(receipt)).encode()},
    )
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        writer.add_key_value_metadata({_SEAL: _UNSEALED.decode()})
    write_bytes(shard_path(folder, unit), _sealed(buffer.getvalue()))
    return receipt


def _sealed(content: bytes) -> bytes:
    """Returns a shard with the SHA-256 of its bytes, in which zeros stand in for it."""
    before, _, after = content.rpartition(_UNSEALED)
    return before + hashlib.sha256(content).hexdigest().encode() + after


def _is_whole(content: bytes, seal: bytes) -> bool:
    before, _, after = content.rpartition(seal)
    return len(seal) == len(_UNSEALED) and _sealed(before + _UNSEALED + after) == content


def receipt_of(folder: Path, unit: int, span: range) -> Receipt | None:
    """Returns the receipt of a unit; None if its shard is missing, damaged, or not complete.

    Args:
        folder: The run's folder.
        unit: Its number.
        span: The numbers of its inputs: the shard holds each, and no other.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with suppress(OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        file = shard_path(folder, unit)
        if not file.exists():
            return None
        content = file.read_bytes()
        shard = parquet.ParquetFile(io.BytesIO(content))
        table = shard.read()
        # In the order of the inputs, so that one set of rows per input follows another.
        seen = list(dict.fromkeys(table.column("item").to_pylist()))
        receipt = Receipt(**json.loads(table.schema.metadata[_KEY]))
        whole = _is_whole(content, shard.metadata.metadata[_SEAL])
        if whole and seen == list(span) and receipt.unit == unit:
            return receipt
    return None


def rows(folder: Path, units: int, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields some columns of all rows of a finished run, in the order of its inputs.

    Args:
        folder: The run's folder.
        units: How many units it has.
        columns: Their names.
    """
    from pyarrow import parquet

    for unit in range(units):
        yield from parquet.read_table(shard_path(folder, unit), columns=list(columns)).to_pylist()


def write_skipped(folder: Path, units: Sequence[int], more: Sequence[tuple[str, str]]) -> Path:
    """Writes `skipped.csv`: what was left out, and why.

    Args:
        folder: The run's folder.
        units: Those with problems.
        more: Files that were no inputs, with the reason.
    """
    path = folder / "skipped.csv"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("input", "reason"))
        writer.writerows((storable(name), storable(reason)) for name, reason in more)
        for unit in units:
            writer.writerows(_problems(folder, unit))
    return path


def _problems(folder: Path, unit: int) -> Iterator[tuple[str, str]]:
    from pyarrow import parquet

    table = parquet.read_table(shard_path(folder, unit), columns=["input", "item", "problem"])
    found = {row["item"]: row for row in table.to_pylist() if row["problem"] is not None}
    yield from ((row["input"], row["problem"]) for row in found.values())
