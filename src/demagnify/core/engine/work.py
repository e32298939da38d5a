"""A unit of work, as each worker process does it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from demagnify.core.engine import shards
from demagnify.core.engine.inputs import InputList, Item
from demagnify.core.engine.shards import Receipt
from demagnify.core.errors import BadImageError, BadOutputError
from demagnify.core.files import full_disk
from demagnify.core.settings import FileOptions

Json = Any
DEATHS: Final = 2
"""How often a process may die over one input, alone, before that is left out."""


@dataclass(frozen=True)
class Result:
    """The result for one input.

    Attributes:
        rows: Values by column; may be none.
        problem: Why there is no result, or only a part of it; None if all is well.
    """

    rows: Sequence[Mapping[str, Json]] = ()
    problem: str | None = None


Work = Callable[[Sequence[Item]], Sequence[Result]]


class Task(Protocol):
    """What is done with inputs; pickled into each worker process."""

    @property
    def name(self) -> str:
        """The verb, for people."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Column of the shards -> its Arrow type: "string", "double", "int32", "bool"."""

    @property
    def strict(self) -> bool:
        """Whether the first bad input ends the run."""

    @property
    def gpu(self) -> bool:
        """Whether each worker needs a GPU of its own."""

    def identity(self) -> Mapping[str, Json]:
        """Returns everything that the rows depend on, beside the inputs."""

    def open(self, folder: Path) -> Work:
        """Loads models, once per process, and returns the function from inputs to results.

        Args:
            folder: The run's folder, where a task may put files beside the shards.
        """


class ConfiguredTask:
    """Base of tasks with a configuration, which says how strict they are and where they run.

    Attributes:
        config: The settings.
    """

    config: FileOptions

    @property
    def strict(self) -> bool:
        """Whether the first bad input ends the run."""
        return self.config.strict

    @property
    def gpu(self) -> bool:
        """Whether each worker needs a GPU of its own."""
        return self.config.device.startswith("cuda")


@dataclass
class Units:
    """Does units in one process.

    Args:
        task: What is done.
        folder: The run's folder, which all processes see.
        unit: Inputs per unit.
    """

    task: Task
    folder: Path
    unit: int
    _work: Work | None = None
    _inputs: InputList | None = field(default=None, repr=False)

    def __call__(self, unit: int) -> Receipt:
        """Does a unit, unless its shard is there, and returns its receipt."""
        self._inputs = self._inputs or InputList(self.folder, self.unit)
        if receipt := shards.receipt_of(self.folder, unit, self._inputs.span(unit)):
            return receipt
        started = time.monotonic()
        self._work = self._work or self.task.open(self.folder)
        items = self._inputs.read(unit)
        tries = Tries(self.folder, unit)
        results = self._at_once(self._work, items, tries)
        results = self._one_by_one(self._work, items, tries) if results is None else results
        for item, result in zip(items, results, strict=True):
            if result.problem and self.task.strict:
                raise BadImageError(f"{item.uri}: {result.problem}")
        seconds = time.monotonic() - started
        receipt = shards.write(self.folder, unit, items, results, self.task.columns, seconds)
        tries.end()
        return receipt

    def _at_once(self, work: Work, items: Sequence[Item], tries: Tries) -> Sequence[Result] | None:
        """Returns the results of a first try; None if an input may be at fault."""
        if tries.deaths:
            return None
        tries.begin("all")
        try:
            return work(items)
        except Exception as error:
            if len(items) == 1 or _of_the_machine(error):
                raise
            return None  # what is wrong shows again, with the name of the input

    def _one_by_one(self, work: Work, items: Sequence[Item], tries: Tries) -> Sequence[Result]:
        results: list[Result] = []
        faults: list[Exception] = []
        for item in items:
            if tries.deaths[str(item.number)] >= DEATHS:
                results.append(Result(problem=f"left out: {DEATHS} worker processes died over it"))
                continue
            tries.begin(str(item.number))
            try:
                results += work([item])
            except Exception as error:
                if _of_the_machine(error):
                    raise
                faults.append(error)
                kind = type(error).__name__
                results.append(Result(problem=f"left out: {kind}: {' '.join(str(error).split())}"))
        if len(faults) == len(items):
            raise faults[0]  # no fault of an input
        return results


def _of_the_machine(error: Exception) -> bool:
    return isinstance(error, BadOutputError) or bool(full_disk(error))


class Tries:
    """Notes what a process is about to do, so that the next one knows over what it died.

    Args:
        folder: The run's folder.
        unit: The unit.
    """

    def __init__(self, folder: Path, unit: int) -> None:
        self._path = folder / "tries" / f"{unit:07d}"
        self.deaths: Counter[str] = Counter()
        if self._path.exists():
            self.deaths.update(self._path.read_text(encoding="ascii").split())

    def begin(self, what: str) -> None:
        """Notes "all", or the number of an input."""
        # The last line is taken back when the next one begins: it was survived.
        lines = [name for name, times in self.deaths.items() for _ in range(times)]
        self._path.parent.mkdir(exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text("\n".join([*lines, what]), encoding="ascii")
        temporary.replace(self._path)

    def end(self) -> None:
        """Forgets the unit: it is done."""
        self._path.unlink(missing_ok=True)

    @staticmethod
    def forget(folder: Path) -> None:
        """Forgets all: that a run was stopped is no fault of an input."""
        for path in (folder / "tries").glob("*"):
            path.unlink(missing_ok=True)
