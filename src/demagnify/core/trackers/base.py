"""The contract of trackers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from demagnify.core.extras import Extra
from demagnify.core.registry import Registry

Status = Literal["finished", "failed", "stopped"]


@dataclass(frozen=True)
class TrackedRun:
    """A run that is tracked.

    Attributes:
        name: The name of its output folder.
        key: Digits that are the same for the same settings and data only, so that a run that
            continues finds what it wrote.
        folder: The folder in which its output folder lies.
        settings: Its settings, by key with dots into sections.
    """

    name: str
    key: str
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


class Tracker(ABC):
    """Writes the figures of one run to a tracker.

    A new one is a subclass in one file: a module in `demagnify.core.trackers` with the decorator
    `@TRACKERS.register("name")`, or any module, named by an entry point of the group
    `demagnify.trackers` or as "package.module:Class". It takes two arguments:

    Args:
        run: The run.
        where: A folder or an address, as given after the tracker's name; empty for the usual one.

    Attributes:
        needs: The package that it imports. Where it is missing, a line says so.
        extra: The extra of demagnify that installs it; None for a package of its own.
    """

    needs: ClassVar[str] = ""
    extra: ClassVar[Extra | None] = None

    @abstractmethod
    def __init__(self, run: TrackedRun, where: str) -> None: ...

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the figures are, for the user."""

    def name_of(self, figure: str) -> str:
        """Returns the name under which a figure is written; some trackers refuse letters."""
        return figure

    @abstractmethod
    def written(self) -> Mapping[str, Collection[int]]:
        """Returns the steps at which each figure of the run has been written before."""

    @abstractmethod
    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Writes figures of one step; names are like "val_auc" or "test/none/auc"."""

    def close(self, status: Status) -> None:  # noqa: B027  there may be nothing to close
        """Ends the run, for now if it was stopped."""


TRACKERS: Final = Registry[type[Tracker]](
    "tracker", package="demagnify.core.trackers", group="demagnify.trackers", base=Tracker
)
