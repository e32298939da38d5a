"""Hours and memory of a large run, from measured times per input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from demagnify.core.errors import BadArtifactError, BadConfigError, first_finding
from demagnify.core.sealed import ANEW, read_sealed
from demagnify.core.settings import Frozen

FILE: Final = "costs.json"
DRIVER_MIB: Final = 200
"""Resident memory of the process that hands out the units; `benchmarks/scale.py engine`."""


class Cost(Frozen):
    """The cost of one verb on one kind of device.

    Attributes:
        seconds: Per input, of one core or one GPU.
        low: Lower end of its 95 % interval, bootstrapped over chunks of inputs.
        high: Upper end.
        inputs: How many inputs were measured.
        start_seconds: To load models, once per worker.
        memory_mib: Peak resident memory of a worker.
    """

    seconds: float
    low: float
    high: float
    inputs: int
    start_seconds: float
    memory_mib: float


class Costs(Frozen):
    """Measured costs.

    Attributes:
        machine: The processor.
        date: When they were measured.
        command: How.
        verbs: Verb -> device ("cpu" or "cuda") -> its cost.
    """

    machine: str
    date: str
    command: str
    verbs: dict[str, dict[str, Cost]]

    @classmethod
    def load(cls, path: Path | None = None) -> Costs:
        """Reads a file that `benchmarks/scale.py rates` wrote; that of demagnify if None.

        Raises:
            BadArtifactError: If it is no such file.
        """
        place = path or resources.files("demagnify.core.engine") / FILE
        try:
            return cls.model_validate(read_sealed(Path(str(place))))
        except OSError as error:
            raise BadArtifactError(f"{path}: {error.strerror or error}") from error
        except ValidationError as error:
            raise BadArtifactError(f"{path}: {first_finding(error)}") from error
        except ValueError as error:
            raise BadArtifactError(f"{place}: {error}", hint=f"{ANEW} {place}") from error


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        seconds: Wall time.
        low: The same for the lower end of the measured interval.
        high: For the upper end.
        memory_gib: Resident memory of all workers and the driver.
        per_second: Inputs per second and worker.
    """

    seconds: float
    low: float
    high: float
    memory_gib: float
    per_second: float


def plan(costs: Costs, *, images: float, cores: int, gpus: int = 0) -> dict[str, Estimate]:
    """Estimates each verb's time and memory, with one worker per core, or per GPU if there are any.

    Args:
        costs: What was measured.
        images: How many inputs.
        cores: How many cores like the measured one.
        gpus: How many GPUs like the measured one; cores then only feed them.

    Returns:
        The estimates by verb.

    Raises:
        BadConfigError: If GPUs are asked for and none was measured.

    Example:
        >>> cost = Cost(seconds=0.1, low=0.09, high=0.11, inputs=9, start_seconds=2, memory_mib=512)
        >>> costs = Costs(machine="m", date="d", command="c", verbs={"detect": {"cpu": cost}})
        >>> round(plan(costs, images=1e6, cores=64)["detect"].seconds / 3600, 2)
        0.43
    """
    device, workers = ("cuda", gpus) if gpus else ("cpu", cores)
    chosen = {verb: kinds[device] for verb, kinds in costs.verbs.items() if device in kinds}
    if not chosen:
        raise BadConfigError(
            "no time of a GPU was measured",
            hint="run benchmarks/scale.py rates --device cuda, and give its file as --costs",
        )
    return {verb: _estimate(cost, images, workers) for verb, cost in chosen.items()}


def _estimate(cost: Cost, images: float, workers: int) -> Estimate:
    each = math.ceil(images / workers)  # the worker that gets most
    mean, low, high = (
        cost.start_seconds + each * one for one in (cost.seconds, cost.low, cost.high)
    )
    memory = (DRIVER_MIB + min(workers, images) * cost.memory_mib) / 1024
    return Estimate(mean, low, high, memory, 1 / cost.seconds)
