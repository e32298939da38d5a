"""As many threads as this process may use, which wait without keeping a processor busy."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Final

_PASSIVE: Final = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_GROUPS: Final = Path("/sys/fs/cgroup")


def available() -> int:
    """Returns how many processors this process may use: its affinity mask and cgroup's quota.

    Example:
        >>> available() >= 1
        True
    """
    try:
        mask = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every system
        mask = os.cpu_count() or 1
    return max(1, min(mask, math.ceil(_quota())))


def _quota() -> float:
    """Processors that the container grants; infinite without a limit."""
    second = _numbers(_GROUPS / "cpu.max")
    if len(second) == 2:
        return second[0] / second[1]
    first = _numbers(_GROUPS / "cpu/cpu.cfs_quota_us") + _numbers(_GROUPS / "cpu/cpu.cfs_period_us")
    return first[0] / first[1] if len(first) == 2 and first[0] > 0 else sys.maxsize


def _numbers(path: Path) -> list[float]:
    try:
        words = path.read_text(encoding="ascii").split()
        return [float(word) for word in words if float(word) != 0]
    except (OSError, ValueError):  # no such group, or "max"
        return []


def prepare() -> None:
    """Sets how torch's threads wait, and how many there are; call it before torch is loaded.

    What the environment says already holds.
    """
    for name, value in _PASSIVE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("OMP_NUM_THREADS", str(available()))


def use(count: int) -> None:
    """Computes with `count` threads from now on, in torch and ONNX Runtime."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    if torch := sys.modules.get("torch"):  # it reads the variable where it is loaded later
        torch.set_num_threads(count)


def used() -> int:
    """Returns how many threads compute at present."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS", available()))
