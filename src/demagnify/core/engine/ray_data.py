"""Ray Data: units as a batch map over actors, which Ray restarts where one or its node is lost."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from demagnify.core import threads
from demagnify.core.engine.local import attempt
from demagnify.core.engine.shards import Receipt
from demagnify.core.engine.work import Units
from demagnify.core.errors import BadConfigError, first_line
from demagnify.core.extras import need

_BLOCKS: Final = 10_000


class _Actor:
    """Lives in a worker of Ray; the models are loaded by its first unit."""

    def __init__(self, units: Units, thread_count: int) -> None:
        threads.use(thread_count)
        self._units = units

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Does the units of a batch."""
        found = [attempt(self._units, int(unit)) for unit in batch["unit"]]
        return {"answer": [pickle.dumps(one) for one in found]}


def run(units: Units, todo: Sequence[int], workers: int | None) -> Iterator[Receipt]:
    """Does units on the cluster of RAY_ADDRESS, or on one that is started here.

    The folder of `units` must be the same place on every node.

    Args:
        units: Does one.
        todo: Their numbers.
        workers: How many actors; one per processor of the cluster if None.

    Raises:
        BadConfigError: If Ray is not installed, or its cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    need("ray", "ray", "pandas", what="--engine ray needs")
    import_module("ray.data")
    ray: Any = import_module("ray")
    ours = not ray.is_initialized()
    if ours:
        _start(ray, workers)
    try:
        count = workers or int(ray.cluster_resources().get("CPU", 1))
        yield from _map(ray, units, todo, count)
    finally:
        if ours:
            ray.shutdown()


def _start(ray: Any, workers: int | None) -> None:  # noqa: ANN401
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(**quiet)
        else:
            count = workers or threads.available()
            ray.init(num_cpus=count, include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadConfigError(
            f"the cluster of Ray cannot be reached: {first_line(error)}", hint="check RAY_ADDRESS"
        ) from error


def _map(ray: Any, units: Units, todo: Sequence[int], count: int) -> Iterator[Receipt]:  # noqa: ANN401
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    needs = {"num_cpus": 1, "num_gpus": 1} if units.task.gpu else {"num_cpus": 1}
    source = ray.data.from_items(
        [{"unit": unit} for unit in todo], override_num_blocks=min(len(todo), _BLOCKS)
    )
    answers = source.map_batches(
        _Actor,
        fn_constructor_args=(units, max(1, threads.available() // count)),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(count, len(todo))),
        **needs,
    )
    for row in answers.iter_rows():
        found = pickle.loads(row["answer"])  # noqa: S301  from our own actors
        if isinstance(found, BaseException):
            raise found
        yield found
