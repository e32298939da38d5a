"""What computed a result: processor, memory, device, versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

import psutil

import demagnify
from demagnify.evaluation.context import Machine, Versions

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
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
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
