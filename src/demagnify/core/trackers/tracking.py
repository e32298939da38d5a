"""Tracking of a run: what is written, and that nothing is written twice."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from demagnify.core.errors import BadConfigError, DemagnifyError, DemagnifyWarning
from demagnify.core.extras import install
from demagnify.core.imports import brief
from demagnify.core.trackers.base import TRACKERS, Status, TrackedRun, Tracker

Point = tuple[int, Mapping[str, float | None]]
"""A step, and figures by name; None for those without a value."""


@dataclass
class _Open:
    """A tracker at work, and the steps of each figure that it has."""

    tracker: Tracker
    written: defaultdict[str, set[int]]
    broken: bool = False


@dataclass(frozen=True)
class Tracking:
    """Takes the figures of a run.

    Each figure is written once per step: what a killed run has written, its continuation leaves
    out. So whole histories can be given again and again.

    Attributes:
        prefix: Put before each name.

    Example:
        >>> Tracking().points([(1, {"loss": 0.7})])  # no tracker: nothing happens
        >>> Tracking().under("round-1").prefix
        'round-1/'
    """

    prefix: str = ""
    _open: _Open | None = field(default=None, repr=False)

    def under(self, name: str) -> Tracking:
        """Returns the same tracking with names below `name`."""
        return replace(self, prefix=f"{self.prefix}{name}/")

    def points(self, points: Iterable[Point]) -> None:
        """Writes what is new of a history.

        A tracker that fails on the way stops no work: a warning says so once.
        """
        there = self._open
        if there is None or there.broken:
            return
        try:
            for step, figures in points:
                self._write(there, step, figures)
        except Exception as error:  # noqa: BLE001  a tracker's own code, or its server's
            there.broken = True
            warnings.warn(
                f"the run goes on, but is tracked no more: {brief(error)}",
                DemagnifyWarning,
                stacklevel=2,
            )

    def _write(self, there: _Open, step: int, figures: Mapping[str, float | None]) -> None:
        named = {
            there.tracker.name_of(f"{self.prefix}{name}"): value for name, value in figures.items()
        }
        new = {
            name: float(value)
            for name, value in named.items()
            if value is not None and math.isfinite(value) and step not in there.written[name]
        }
        if new:
            there.tracker.write(new, step)
        for name in new:
            there.written[name].add(step)


SILENT: Final = Tracking()


@contextmanager
def track(
    tracker: str | Tracking | None,
    output: Path,
    identity: object,
    settings: BaseModel | None = None,
    *,
    log: Any = None,  # noqa: ANN401  a function of one line, or None
) -> Iterator[Tracking]:
    """Opens a tracker for a run, and closes it with how the run ended.

    Args:
        tracker: "NAME" or "NAME:WHERE", as in "tensorboard:runs/board"; "package.module:Class"; or
            a tracking that is open, which stays open; None for none.
        output: The run's folder.
        identity: Everything on which the run depends, as JSON has it.
        settings: Its configuration.
        log: Gets a line that says where the figures are.

    Raises:
        UnknownNameError: If there is no such tracker.
        BadConfigError: If it is no tracker, its package is missing, or it cannot be opened.
    """
    if tracker is None or isinstance(tracker, Tracking):
        with nullcontext(tracker or SILENT) as given:
            yield given
        return
    text = json.dumps(identity, sort_keys=True, default=str)
    run = TrackedRun(
        name=output.name,
        key=hashlib.sha256(text.encode()).hexdigest()[:16],
        folder=output.parent,
        settings=_flat(settings.model_dump(mode="json")) if settings else {},
    )
    there = _open(tracker, run)
    if log:
        log(f"tracked in {there.tracker.place}")
    status: Status = "failed"
    try:
        yield Tracking(_open=there)
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    finally:
        try:
            there.tracker.close(status)
        except Exception as error:  # noqa: BLE001  a tracker's own code, or its server's
            warnings.warn(f"the tracker: {brief(error)}", DemagnifyWarning, stacklevel=3)


def check_tracker(spec: str) -> tuple[type[Tracker], str]:
    """Returns the class of a tracker and where it shall write, without opening it.

    Raises:
        UnknownNameError: If there is no such tracker.
        BadConfigError: If it is no tracker, or its package is missing.
    """
    name, _, where = spec.partition(":")
    if where and name not in TRACKERS:  # package.module:Class, and perhaps :WHERE
        rest, _, where = where.partition(":")
        name = f"{name}:{rest}"
    kind = TRACKERS.get(name)
    if kind.needs and find_spec(kind.needs) is None:
        raise BadConfigError(
            f"the tracker {name} needs {kind.needs}, which is not installed",
            hint=install(kind.extra) if kind.extra else f"pip install {kind.needs}",
        )
    return kind, where


def _open(spec: str, run: TrackedRun) -> _Open:
    kind, where = check_tracker(spec)
    try:
        tracker = kind(run, where)
        written = {figure: set(steps) for figure, steps in tracker.written().items()}
    except DemagnifyError:
        raise
    except Exception as error:
        raise BadConfigError(
            f"the tracker {spec} cannot be opened: {brief(error)}",
            hint="check its folder or address, or leave out --tracker",
        ) from error
    return _Open(tracker, defaultdict(set, written))


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        inside = isinstance(value, Mapping)
        found |= _flat(value, f"{before}{key}.") if inside else {f"{before}{key}": value}
    return found
