"""Worker processes on this machine; one that dies is replaced."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from demagnify.core import threads
from demagnify.core.engine.shards import Receipt
from demagnify.core.engine.work import Units
from demagnify.core.errors import DemagnifyError
from demagnify.core.orphans import end_with_parent, start

_START_DEATHS: Final = 5
"""How many processes may die before the first unit is done."""


class WorkerError(RuntimeError):
    """A fault of ours in a worker process, with its traceback."""


class _Worker:
    """A process and the unit that it has in hand."""

    def __init__(self, units: Units, thread_count: int) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.unit: int | None = None
        self.process: BaseProcess = context.Process(
            target=_serve, args=(units, theirs, thread_count), daemon=True
        )
        start(self.process)
        theirs.close()

    def begin(self, unit: int) -> None:
        """Hands over a unit; of a dead process, `answer` says so."""
        self.unit = unit
        with suppress(OSError):
            self.pipe.send(unit)

    def answer(self) -> Any:  # noqa: ANN401  a receipt, an error, or None from the dead
        """Returns what came of the unit; None if the process died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def stop(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run(units: Units, todo: Iterable[int], workers: int) -> Iterator[Receipt | None]:
    """Does units, and yields the receipt of each, or None for a process that died.

    Args:
        units: Does one.
        todo: Their numbers.
        workers: How many processes; none if 0.
    """
    if workers == 0:
        yield from map(units, todo)
        return
    waiting = deque(todo)
    each = max(1, threads.available() // workers)
    crew = [_Worker(units, each) for _ in range(min(workers, len(waiting)))]
    deaths, done = 0, 0
    try:
        for one in crew:
            one.begin(waiting.popleft())
        while busy := {one.pipe: one for one in crew if one.unit is not None}:
            for pipe in wait(list(busy)):
                one = busy[pipe]  # type: ignore[index]  # the pipes are all connections
                found = one.answer()
                if isinstance(found, BaseException):
                    raise found
                if found is None:
                    deaths += 1
                    if not done and deaths >= _START_DEATHS:
                        raise DemagnifyError(
                            f"{deaths} worker processes died before they did anything",
                            hint="try --workers 0, or fewer --workers if memory is short",
                        )
                    waiting.appendleft(_unit_of(one))
                    crew.remove(one)
                    one.stop()
                    one = _Worker(units, each)
                    crew.append(one)
                else:
                    done += 1
                one.unit = None
                yield found
                if waiting:
                    one.begin(waiting.popleft())
    finally:
        for one in crew:
            one.stop()


def _unit_of(one: _Worker) -> int:
    assert one.unit is not None  # noqa: S101  only busy ones are waited for
    return one.unit


def _serve(units: Units, pipe: Connection[Any, Any], thread_count: int) -> None:
    """Does what comes through the pipe, until the driver is gone."""
    import signal

    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends this process
    threads.use(thread_count)
    with suppress(EOFError, ConnectionError):  # the driver is gone, perhaps killed
        while True:
            pipe.send(attempt(units, pipe.recv()))


def attempt(units: Units, unit: int) -> Receipt | Exception:
    """Returns the receipt of a unit, or the error that ended it, as another process can read it."""
    try:
        return units(unit)
    except (DemagnifyError, OSError, MemoryError, ModuleNotFoundError) as error:
        return error
    except Exception:  # noqa: BLE001  the driver raises it, with the traceback
        return WorkerError(traceback.format_exc())
