"""Processes that train together: torch.distributed, behind the few calls that a loop needs.

The first process (rank 0) runs the command. The others get from it what they take part in, and
need no command line, no data set and no output folder of their own. They are started here, or all
of them by `torchrun`, on one machine or several.

Accelerate and DistributedDataParallel are not used. They regroup the gradients after their first
step, so that a resumed training would add in another order, and end in other bits.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

from demagnify.core import threads
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.core.orphans import end_with_parent, start
from demagnify.core.pickling import pickled

if TYPE_CHECKING:
    import torch
    from torch._C._distributed_c10d import TCPStore

_HOST: Final = "127.0.0.1"
_TIMEOUT: Final = timedelta(days=1)
"""The others wait while rank 0 reads its data; a process that is gone is noticed at once."""


class LostProcessError(DemagnifyError):
    """A process of the group is gone."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together, as one of them sees them; this one alone by default.

    Attributes:
        rank: The number of this process, from 0.
        size: How many there are.
        place: Its number among those of its machine, and that of its GPU.
    """

    rank: int = 0
    size: int = 1
    place: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that runs the command."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Returns where this process computes, if the command names a device; a GPU of its own.

        Raises:
            BadConfigError: If there are fewer GPUs than processes.
        """
        import torch

        device = pick_device(name)
        if device.type == "cpu" or self.size == 1:
            return device
        if self.place >= torch.cuda.device_count():
            raise BadConfigError(
                f"{self.size} processes need a GPU each, and here are {torch.cuda.device_count()}",
                hint="take fewer processes, or --device cpu",
            )
        return torch.device("cuda", self.place)

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replaces float32 tensors by their sums over all processes, in one message.

        Raises:
            LostProcessError: If a process is gone.
        """
        import torch
        from torch import distributed

        if self.size == 1:
            return
        whole = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._watched():
            distributed.all_reduce(whole)
        parts = torch.split(whole, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def send(self, thing: Any = None) -> Any:  # noqa: ANN401  whatever can be pickled
        """Returns rank 0's `thing`, in every process; files that are mapped go by their names.

        Raises:
            BadConfigError: If it cannot be pickled.
            LostProcessError: If a process is gone.
        """
        import torch
        from torch import distributed

        if self.size == 1:
            return thing
        content = bytearray(pickled(thing) if self.leads else b"")
        size = torch.tensor([len(content)])
        with self._watched():
            distributed.broadcast(size, 0)
            content = content or bytearray(int(size))
            distributed.broadcast(torch.frombuffer(content, dtype=torch.uint8), 0)
        return thing if self.leads else pickle.loads(content)  # noqa: S301  from rank 0

    def follow(self) -> None:
        """Does what rank 0 sends, `Job` after `Job`, until it sends None."""
        try:
            while (job := self.send()) is not None:
                job(self)
        except DemagnifyError as error:  # rank 0 has the same fault, or is gone, and tells
            raise SystemExit(error.exit_code) from error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # whatever a backend raises of a broken connection
            raise LostProcessError(
                f"a process of the {self.size} that train together is gone",
                hint="the same command goes on where it was",
            ) from error


Job = Callable[[ProcessGroup], Any]
"""What the other processes do with rank 0; pickled."""

_JOINED: Final = ContextVar[ProcessGroup | None]("joined", default=None)


@contextmanager
def leading() -> Iterator[bool]:
    """Joins the processes that `torchrun` started, if it did.

    Returns:
        Whether this process goes on: it is rank 0, or alone. The others have taken part in all
        that rank 0 did, and have nothing left to do.

    Example:
        >>> with leading() as leads:
        ...     leads
        True
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield True
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    group = ProcessGroup(rank, size, int(os.environ.get("LOCAL_RANK", rank)))
    _initialize(group)
    if not group.leads:
        group.follow()
        yield False
        return
    token = _JOINED.set(group)
    try:
        yield True
        group.send()
    finally:
        _JOINED.reset(token)


@contextmanager
def together(processes: int) -> Iterator[ProcessGroup]:
    """Yields the group of processes that a training runs in; the others wait for a `Job`.

    It is the one of `leading`, if there is one, or this process and others that are started here.

    Args:
        processes: How many.

    Raises:
        BadConfigError: If another number of processes was launched, or they cannot be started.
    """
    joined = _JOINED.get()
    if joined is not None:
        if processes not in (1, joined.size):
            raise BadConfigError(
                f"{joined.size} processes were launched, but processes is {processes}",
                hint="leave processes away",
            )
        yield joined
    elif processes == 1:
        yield ProcessGroup()
    else:
        with _started(processes) as group:
            yield group


@contextmanager
def _started(processes: int) -> Iterator[ProcessGroup]:
    from torch import distributed
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    if distributed.is_initialized():
        raise BadConfigError(
            "torch.distributed is in use in this process already", hint="leave processes away"
        )
    store = TCPStore(_HOST, 0, processes, is_master=True, wait_for_workers=False)
    each, before = max(1, threads.available() // processes), threads.used()
    context = get_context("spawn")
    others = [
        context.Process(target=_serve, args=(rank, processes, store.port, each), daemon=True)
        for rank in range(1, processes)
    ]
    threads.use(each)
    try:
        for one in others:
            start(one)
        while not all(store.check([_here(rank)]) for rank in range(1, processes)):
            if not all(one.is_alive() for one in others):
                raise BadConfigError(
                    f"{processes} processes cannot be started: one died at once",
                    hint='a script that trains starts with: if __name__ == "__main__":',
                )
            time.sleep(0.02)
        group = ProcessGroup(0, processes)
        _initialize(group, store)
        yield group
    finally:  # the others have nothing left to do
        for one in others:
            if one.pid is not None:
                one.kill()
                one.join()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        threads.use(before)


def _serve(rank: int, size: int, port: int, thread_count: int) -> None:
    """Is one of the other processes that `_started` starts."""
    from torch import distributed
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 ends this process
    threads.use(thread_count)
    store = TCPStore(_HOST, port, size, is_master=False)
    store.set(_here(rank), "")
    group = ProcessGroup(rank, size, rank)
    with suppress(RuntimeError):  # rank 0 is gone
        _initialize(group, store)
        group.follow()
        distributed.destroy_process_group()


def _here(rank: int) -> str:
    return f"here/{rank}"


def _initialize(group: ProcessGroup, store: TCPStore | None = None) -> None:
    """Connects the processes: at `store`, or as the environment says."""
    import torch
    from torch import distributed

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if store is None:
        distributed.init_process_group(backend, timeout=_TIMEOUT)
    else:
        distributed.init_process_group(
            backend, store=store, rank=group.rank, world_size=group.size, timeout=_TIMEOUT
        )
