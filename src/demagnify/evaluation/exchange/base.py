"""A format of exchange for scores, known by a name."""

from __future__ import annotations

import csv
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from demagnify.core.errors import BadArtifactError
from demagnify.core.registry import Registry
from demagnify.evaluation.exchange.runs import is_run, load_run
from demagnify.evaluation.exchange.scored import ScoredRun


class ScoreFormat(ABC):
    """A way in which another tool keeps scores.

    A new one is a subclass in one file: a module in `demagnify.evaluation.exchange` with the
    decorator `@SCORE_FORMATS.register("name")`, or any module, named by an entry point of the
    group `demagnify.score_formats` or as "package.module:Class".

    Attributes:
        name: What it is called on the command line.
        summary: One line: what it writes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def write(self, run: ScoredRun, output: Path) -> list[Path]:
        """Writes the scores of a run.

        Args:
            run: What is written.
            output: The file or folder; the format says which.

        Returns:
            The files.

        Raises:
            BadConfigError: If `output` has a name that the format does not know.
            BadOutputError: If the place cannot be written to.
        """

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file that exists looks like this format, told by its name or first line."""

    @abstractmethod
    def read(self, path: Path) -> ScoredRun:
        """Reads the scores of a file, those of other writers too.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it cannot be used; the message says what is wrong, in one line.
        """


SCORE_FORMATS: Final = Registry[type[ScoreFormat]](
    "score format",
    package="demagnify.evaluation.exchange",
    group="demagnify.score_formats",
    base=ScoreFormat,
)


def create(name: str) -> ScoreFormat:
    """Returns the format of a name, or of a class as "package.module:Class".

    Raises:
        UnknownNameError: If there is no such format.
        BadConfigError: If the name stands for something else.

    Example:
        >>> create("deepsafe-bench").summary
        "one CSV file, deepsafe-bench's prediction matrix: a line per face and condition"
    """
    return SCORE_FORMATS.get(name)()


def load_scores(path: Path, *, split: str = "test") -> ScoredRun:
    """Reads scores: of a run of demagnify, or of a file in any of the registered formats.

    Args:
        path: What `evaluate` or `bench run` wrote, or a file of scores.
        split: Which split of an evaluation.

    Raises:
        BadArtifactError: If it is none of these, or damaged.
    """
    if not path.exists():
        raise BadArtifactError(f"{path}: there is no such file or folder")
    if is_run(path):
        return load_run(path, split=split)
    known = [create(name) for name in SCORE_FORMATS]
    try:
        kind = next((one for one in known if one.recognises(path)), None)
        if kind is None:
            raise ValueError("it is no run and no file of scores")
        run = kind.read(path)
        if not run.columns:
            raise ValueError("there is no score in it")
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        hint = f"known are runs, {', '.join(one.name for one in known)}"
        raise BadArtifactError(f"{path} cannot be used: {error}", hint=hint) from error
    return run
