"""One run: inputs, units, workers, checks, and a summary."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from demagnify.core import extras, progress, threads
from demagnify.core.engine import local, shards
from demagnify.core.engine.inputs import InputList
from demagnify.core.engine.options import EngineOptions
from demagnify.core.engine.shards import Receipt
from demagnify.core.engine.work import Task, Tries, Units
from demagnify.core.errors import BadOutputError
from demagnify.core.files import sweep_temporaries, write_text
from demagnify.core.runs import claim

_METRICS_SECONDS: Final = 5.0
_KINDS: Final = 20


@dataclass
class Summary:
    """What a run came to.

    Attributes:
        output: Its folder: `shards/`, `skipped.csv`, `summary.json`, `metrics.prom`.
        items: Inputs.
        rows: All rows.
        results: Rows with a result, such as a face; an input without one has a row, too.
        skipped: Inputs with a problem, and files that were no inputs.
        reasons: The most frequent problems, with their counts.
        found: Units that were done before.
        units: All units.
        lost: Worker processes that died.
        seconds: How long this command took.
    """

    output: Path
    items: int = 0
    rows: int = 0
    results: int = 0
    skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    found: int = 0
    units: int = 0
    lost: int = 0
    seconds: float = 0.0


def run(
    task: Task,
    uris: Iterable[str],
    output: Path,
    options: EngineOptions | None = None,
    *,
    left_out: Iterable[tuple[str, str]] = (),
) -> Summary:
    """Does a task on all inputs, in units; a run that was stopped goes on.

    Args:
        task: What is done.
        uris: The inputs, absolute, in an order that is always the same.
        output: The run's folder; on a cluster, every node sees it at the same place.
        options: Engine, workers, and size of a unit.
        left_out: Files that are no inputs, and why; read after the inputs were.

    Returns:
        Counts; each input is in exactly one shard.

    Raises:
        BadOutputError: If the folder holds another run, or the inputs have changed.
        DemagnifyError: Whatever a strict task raises.
    """
    extras.need("data", "pyarrow", what="sharded output needs")  # before anything is written
    options = options or EngineOptions()
    output = output.resolve()
    identity = {"task": task.name, "unit": options.unit, **task.identity()}
    started = time.monotonic()
    with claim(output, identity, what=f"a {task.name} run") as folder:
        inputs = InputList.keep(folder, uris, options.unit)
        (folder / shards.FOLDER).mkdir(exist_ok=True)
        sweep_temporaries(folder / shards.FOLDER)
        Tries.forget(folder)
        summary = Summary(output, inputs.count, units=inputs.units)
        meter = _Meter(folder, task.name, inputs.count)
        todo = [unit for unit in range(inputs.units) if not _found(folder, unit, inputs, meter)]
        summary.found = inputs.units - len(todo)
        before = sum(len(inputs.span(unit)) for unit in todo)
        with progress.bar(f"{task.name}: inputs", before) as advance:
            for receipt in _receipts(Units(task, folder, options.unit), todo, options):
                summary.lost += receipt is None
                if receipt is not None:
                    advance(receipt.items)
                meter.take(receipt)
        sweep_temporaries(folder / shards.FOLDER)
        _collect(summary, folder, inputs, list(left_out))
        summary.seconds = round(time.monotonic() - started, 3)
        meter.write()
        text = json.dumps({**asdict(summary), "output": str(output)}, indent=2)
        write_text(folder / "summary.json", text + "\n")
    return summary


def _receipts(units: Units, todo: list[int], options: EngineOptions) -> Iterator[Receipt | None]:
    if not todo:
        return iter(())
    if options.engine == "ray":
        from demagnify.core.engine import ray_data

        return ray_data.run(units, todo, options.workers)
    workers = threads.available() if options.workers is None else options.workers
    return local.run(units, todo, workers)


def _found(folder: Path, unit: int, inputs: InputList, meter: _Meter) -> bool:
    """Whether a unit is done, and counted; a damaged shard is deleted."""
    if receipt := shards.receipt_of(folder, unit, inputs.span(unit)):
        meter.count(receipt)
        return True
    shards.shard_path(folder, unit).unlink(missing_ok=True)
    return False


def _collect(
    summary: Summary, folder: Path, inputs: InputList, left_out: list[tuple[str, str]]
) -> None:
    """Reads all shards once more: no input is missing, and none is there twice."""
    reasons: Counter[str] = Counter(reason for _, reason in left_out)
    with_problems: list[int] = []
    for unit in range(inputs.units):
        receipt = shards.receipt_of(folder, unit, inputs.span(unit))
        if receipt is None:
            raise BadOutputError(
                f"{shards.shard_path(folder, unit)} is missing or damaged",
                hint="run the same command again",
            )
        summary.rows += receipt.rows
        summary.results += receipt.results
        reasons.update(receipt.problems)
        with_problems += [unit] if receipt.problems else []
    summary.skipped = reasons.total()
    summary.reasons = dict(reasons.most_common(_KINDS))
    shards.write_skipped(folder, with_problems, left_out)


class _Meter:
    """Writes `metrics.prom`, which Prometheus reads through the textfile collector."""

    def __init__(self, folder: Path, name: str, total: int) -> None:
        self._path, self._name = folder / "metrics.prom", name
        self._started = self._last = time.monotonic()
        self._counts = Counter(items=total)

    def count(self, receipt: Receipt) -> None:
        """Counts a unit that is done."""
        self._counts["items_done"] += receipt.items
        self._counts["items_skipped"] += sum(receipt.problems.values())
        self._counts["rows"] += receipt.rows
        self._counts["units"] += 1

    def take(self, receipt: Receipt | None) -> None:
        """Counts a receipt, or a process that died; writes every few seconds."""
        if receipt is None:
            self._counts["workers_lost"] += 1
        else:
            self.count(receipt)
        if time.monotonic() - self._last >= _METRICS_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the file."""
        self._last = time.monotonic()
        names = ("items", "items_done", "items_skipped", "rows", "units", "workers_lost")
        figures: dict[str, float] = {name: self._counts[name] for name in names}
        figures["seconds"] = round(self._last - self._started, 3)
        lines = [
            f'# TYPE demagnify_{name} gauge\ndemagnify_{name}{{task="{self._name}"}} {value}'
            for name, value in figures.items()
        ]
        write_text(self._path, "\n".join(lines) + "\n")
