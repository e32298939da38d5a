"""One thread owns the model and classifies the faces of all waiting requests together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, NamedTuple

import numpy as np

from demagnify.core.errors import DemagnifyError
from demagnify.core.images import Pixels
from demagnify.inference.runtime import Decided, Runtime

FACES_AT_ONCE: Final = 32


class _Job(NamedTuple):
    """Crops that wait, and where their decisions go."""

    crops: Pixels
    future: Future[Decided]


class BatchingRuntime:
    """A runtime for many threads: crops that wait at the same time become one batch.

    Nothing waits for a batch to fill: the thread takes what is there.

    Args:
        runtime: Classifies; it is called from one thread only.
        most: The most faces of a batch, if no single call has more.
        on_batch: Gets the size of each batch.

    Example:
        >>> from demagnify.inference import load_runtime
        >>> batching = BatchingRuntime(load_runtime("light"))
        >>> batching.decide(np.zeros((2, 224, 224, 3), np.uint8)).logits.shape
        (2,)
        >>> batching.close()
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        most: int = FACES_AT_ONCE,
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self.name, self.fingerprint = runtime.name, runtime.fingerprint
        self.input_size, self.threshold = runtime.input_size, runtime.threshold
        self.actions, self.views = runtime.actions, runtime.views
        self._runtime, self._most, self._on_batch = runtime, most, on_batch
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="demagnify-model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether crops are classified."""
        return self._thread.is_alive() and not self._closed

    def decide(self, crops: Pixels) -> Decided:
        """See `Runtime.decide`; may be called from any thread.

        Raises:
            DemagnifyError: If it was closed.
        """
        job = _Job(crops, Future())
        with self._changed:
            if self._closed:
                raise DemagnifyError("the service is stopping")
            self._jobs.append(job)
            self._changed.notify()
        return job.future.result()

    def close(self) -> None:
        """Answers what waits, and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._take():
            self._answer(batch)

    def _take(self) -> list[_Job]:
        """Waits for crops, and returns the oldest that fit into a batch; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            batch: list[_Job] = []
            size = 0
            while self._jobs and (not batch or size + len(self._jobs[0].crops) <= self._most):
                job = self._jobs.popleft()
                batch.append(job)
                size += len(job.crops)
            return batch

    def _answer(self, batch: list[_Job]) -> None:
        self._on_batch(sum(len(job.crops) for job in batch))
        try:
            found = self._runtime.decide(np.concatenate([job.crops for job in batch]))
        except Exception as error:  # noqa: BLE001  the thread that waits raises it
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            for job in batch:  # the fault of one is not that of the others
                self._answer([job])
            return
        start = 0
        for job in batch:
            end = start + len(job.crops)
            job.future.set_result(_rows(found, slice(start, end)))
            start = end


def _rows(found: Decided, rows: slice) -> Decided:
    return Decided(
        logits=found.logits[rows],
        actions=found.actions[rows],
        uncertainty=None if found.uncertainty is None else found.uncertainty[rows],
        abstained=None if found.abstained is None else found.abstained[rows],
    )
