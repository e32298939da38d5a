"""An attack over many processes or machines: each unit attacks some of the photographs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from demagnify.core import engine
from demagnify.core.engine import ConfiguredTask, EngineOptions, Item, Result, Work
from demagnify.core.engine.inputs import absolute
from demagnify.core.errors import BadImageError
from demagnify.core.parallel import in_threads, prefetch
from demagnify.data.face_finding import FaceFinder
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.journal import FinishedPhotographs, PhotoRecord
from demagnify.laundering.photographs import (
    Batch,
    FindFaces,
    Job,
    Outcome,
    Reader,
    Writer,
    in_batches,
)
from demagnify.laundering.sources import Source, Sources, read_sources
from demagnify.transforms import create_attack
from demagnify.transforms.base import Transform

FOLDER: Final = ".units"
"""In the folder of the copies: the shards with the records of the finished photographs."""


def attack_sources(
    sources: Iterable[Source],
    transform: Transform,
    config: AttackConfig,
    reader: Callable[[Source], Job | Outcome],
    writer: Callable[[Job | Outcome], Outcome],
) -> Iterator[Outcome]:
    """Yields what came of each photograph: some threads read, this one attacks, others write."""
    ready = prefetch(in_batches(in_threads(reader, sources), config.batch_size))
    return in_threads(writer, _attacked(ready, transform))


def _attacked(
    ready: Iterable[Batch | Job | Outcome], transform: Transform
) -> Iterator[Job | Outcome]:
    for one in ready:
        yield from one.run(transform) if isinstance(one, Batch) else [one]


def load_transform(config: AttackConfig) -> Transform:
    """Returns the attack that a configuration names."""
    return create_attack(
        config.attack,
        scale=config.scale,
        device=config.device,
        precision=config.precision,
        variant=config.variant,
    )


def yunet() -> FindFaces:
    """Returns YuNet, which is fetched when the first photograph needs it."""
    finder = functools.cache(FaceFinder)
    return lambda pixels: finder().find(pixels)


def attack_in_units(
    source: Path,
    output: Path,
    sources: Sources,
    config: AttackConfig,
    options: EngineOptions,
    journal: FinishedPhotographs,
) -> dict[str, str]:
    """Attacks the photographs with an engine, and takes their records into the journal.

    Args:
        source: What `sources` was read from.
        output: The folder of the copies, held by the caller.
        sources: The photographs.
        config: The settings, with `content` known.
        options: Engine, workers, size of a unit.
        journal: Gets the record of each finished photograph.

    Returns:
        Why there is no copy, by the name of the photograph, of those without one.
    """
    named = Path(config.attack)
    if named.is_file():
        config = config.model_copy(update={"attack": absolute(config.attack)})
    task = AttackTask(Path(absolute(str(source))), Path(absolute(str(output))), config)
    summary = engine.run(task, (one.name for one in sources), output / FOLDER, options)
    problems: dict[str, str] = {}
    for row in engine.rows(summary.output, summary.units, ["input", "record", "problem"]):
        if row["record"] is not None:
            journal.add(PhotoRecord.model_validate_json(row["record"]))
        if row["problem"] is not None:
            problems[row["input"]] = row["problem"]
    return problems


@dataclass(frozen=True)
class AttackTask(ConfiguredTask):
    """`attack` as a task of the engine.

    Attributes:
        source: What is attacked.
        output: The folder of the copies.
        config: The settings.
    """

    source: Path
    output: Path
    config: AttackConfig
    name: ClassVar[str] = "attack"
    columns: ClassVar[Mapping[str, str]] = {"record": "string"}

    def identity(self) -> dict[str, Any]:
        """Returns nothing: the folder of the copies is held for attack and settings already."""
        return {}

    def open(self, _folder: Path) -> Work:
        """Loads the attack, and lists the photographs as the driver did."""
        config = self.config.model_copy(update={"strict": False})
        return _Attacking(
            config, self.output, read_sources(self.source, config), load_transform(config), yunet()
        )


@dataclass(frozen=True)
class _Attacking:
    config: AttackConfig
    output: Path
    sources: Sources
    transform: Transform
    find_faces: FindFaces

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        first = items[0].number
        chosen = list(itertools.islice(self.sources, first, first + len(items)))
        if [one.name for one in chosen] != [one.uri for one in items]:
            raise BadImageError("the photographs have changed since this run began")
        journal = _Records()
        reader = Reader(self.config, self.find_faces, self.output, journal, lambda _line: None)
        writer = Writer(self.config, self.output, journal)
        outcomes = attack_sources(chosen, self.transform, self.config, reader, writer)
        problems = {
            one.source.name: one.error.message.removeprefix(f"{one.source.path}: ")
            for one in outcomes
            if one.error is not None
        }
        return [self._result(one, journal, problems.get(one.name)) for one in chosen]

    @staticmethod
    def _result(source: Source, journal: _Records, problem: str | None) -> Result:
        record = journal.records.get(source.target)
        rows = [] if record is None else [{"record": record.model_dump_json()}]
        return Result(rows, problem)


@dataclass(frozen=True)
class _Records:
    """The finished photographs of one unit."""

    records: dict[str, PhotoRecord] = field(default_factory=dict)

    def find(self, _source: Source) -> None:
        """Returns nothing: a unit is done as a whole."""

    def add(self, record: PhotoRecord) -> None:
        """Keeps the record of a photograph whose copy is in place."""
        self.records[record.target] = record
