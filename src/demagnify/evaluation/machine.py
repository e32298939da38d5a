"""The machine and the software behind a result, and the time of each action."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from pydantic import Field, TypeAdapter

import demagnify
from demagnify.agents.defended import DefendedDetector
from demagnify.core.sealed import read_sealed, write_sealed
from demagnify.data import FaceDataset
from demagnify.evaluation.results import Machine, Versions

_PACKAGES: Final = (
    "torch",
    "torchvision",
    "timm",
    "spandrel",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-learn",
    "gymnasium",
)


def describe_machine(device: str) -> Machine:
    """Returns the machine that this runs on; `device` is where the networks ran."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        device=device,
        system=f"{platform.system()} {platform.release()}",
    )


def describe_versions() -> Versions:
    """Returns the versions of Python, demagnify and what the figures depend on."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return Versions(
        demagnify=demagnify.__version__, python=platform.python_version(), packages=packages
    )


def _processor() -> str:
    """The processor's marketing name, which `platform` does not know on Linux."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


_Costs: Final = TypeAdapter(dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]])
_FACES: Final = 16
_REPEATS: Final = 3


def action_costs(faces: FaceDataset, defended: DefendedDetector, path: Path) -> dict[str, float]:
    """Returns the time of each action, in passes of the detector over the same 16 faces.

    The figures are cached in `path`, so that they stay what they were.
    """
    try:
        kept = _Costs.validate_python(read_sealed(path), strict=False)
    except (OSError, ValueError):  # missing or damaged: measured again
        kept = {}
    if set(kept) == set(defended.actions.names):
        return kept
    costs = _measured(faces, defended)
    write_sealed(path, costs, indent=1)
    return costs


def _measured(faces: FaceDataset, defended: DefendedDetector) -> dict[str, float]:
    images = faces.batch(np.arange(min(_FACES, len(faces)))).to(defended.device or "cpu")
    one = _seconds(partial(defended.detector.logits, images))
    times = {
        action.name: 0.0 if action.is_identity else _seconds(partial(action, images))
        for action in defended.actions
    }
    return {name: round(seconds / one, 4) for name, seconds in times.items()}


def _seconds(task: Callable[[], object]) -> float:
    """The shortest of a few runs."""
    taken = []
    for _ in range(_REPEATS):
        _wait()
        start = time.perf_counter()
        task()
        _wait()
        taken.append(time.perf_counter() - start)
    return min(taken)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
