"""Faces cut out over many processes or machines: each unit opens some of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from demagnify.core import engine, threads
from demagnify.core.engine import EngineOptions, Item, Result, Work
from demagnify.core.errors import BadImageError
from demagnify.core.parallel import in_threads
from demagnify.core.runs import Journal
from demagnify.data.manifest import Manifest
from demagnify.data.prepare.cutting import Cutter, Finder, Outcome, PrepareConfig
from demagnify.data.prepare.sources import Source, Sources

FOLDER: Final = ".units"
"""In the folder of the crops: the shards with the outcomes of the finished files."""


def finished_item(source: Source, outcome: Outcome) -> dict[str, Any]:
    """Returns what the journal keeps of a source."""
    return {"digest": source.digest(), **asdict(outcome)}


def prepare_in_units(
    manifest: Manifest,
    output: Path,
    config: PrepareConfig,
    finder: Finder,
    options: EngineOptions,
    journal: Journal,
    *,
    strict: bool,
) -> dict[str, str]:
    """Cuts faces out with an engine, and takes the outcomes into the journal.

    Args:
        manifest: The data set.
        output: The folder of the crops, held by the caller.
        config: How they are cut.
        finder: Finds faces; sent to the workers.
        options: Engine, workers, size of a unit.
        journal: Gets the outcome of each finished file that it does not have.
        strict: Whether a bad file or box ends the work.

    Returns:
        Why no worker could finish a file, by its name.
    """
    root = Path(os.path.abspath(manifest.root))  # noqa: PTH100  without following links
    there = Manifest.from_table(manifest.table, root=root)
    place = Path(os.path.abspath(output))  # noqa: PTH100
    strict = strict or config.no_face == "fail"
    task = PrepareTask(there, place, config, finder, strict)
    names = (source.name for source in Sources(there))
    summary = engine.run(task, names, output / FOLDER, options)
    problems: dict[str, str] = {}
    for row in engine.rows(summary.output, summary.units, ["input", "outcome", "problem"]):
        if row["outcome"] is None:
            problems[row["input"]] = row["problem"]
        elif journal.find(row["input"]) is None:
            journal.add(row["input"], json.loads(row["outcome"]))
    return problems


@dataclass(frozen=True)
class PrepareTask:
    """`data prepare` as a task of the engine.

    Attributes:
        manifest: The data set.
        output: The folder of the crops.
        config: How they are cut.
        finder: Finds faces.
        strict: Whether a bad file or box, or a photograph without a face, ends the run.
    """

    manifest: Manifest
    output: Path
    config: PrepareConfig
    finder: Finder
    strict: bool
    name: ClassVar[str] = "data prepare"
    gpu: ClassVar[bool] = False
    columns: ClassVar[Mapping[str, str]] = {"outcome": "string"}

    def identity(self) -> dict[str, Any]:
        """Returns nothing: the folder of the crops is held for data set and settings already."""
        return {}

    def open(self, _folder: Path) -> Work:
        """Lists the files as the driver did."""
        cutter = Cutter(self.output, self.config, self.finder, strict=self.strict)
        return _Preparing(Sources(self.manifest), cutter)


@dataclass(frozen=True)
class _Preparing:
    sources: Sources
    cutter: Cutter

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        chosen = [self.sources[item.number] for item in items]
        return list(in_threads(self._cut, chosen, workers=threads.used()))

    def _cut(self, source: Source) -> Result:
        try:
            outcome = self.cutter.cut(source)
        except BadImageError as error:  # only where that ends the run
            return Result(problem=str(error).removeprefix(str(source.path)).lstrip(":, "))
        return Result([{"outcome": json.dumps(finished_item(source, outcome))}])
