"""Freed memory is kept by the command, unless the user has told the allocator otherwise."""

import os
import subprocess
import sys

import pytest

from demagnify.core import memory

_PROBE = "from demagnify.core.memory import keep_freed_memory; print(keep_freed_memory())"


def run(code, **environment):
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_what_the_user_told_the_allocator_holds():
    assert run(_PROBE, MALLOC_TRIM_THRESHOLD_="131072") == "False"


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_is_kept_once_it_is_asked_for():
    code = """
import numpy as np
from pathlib import Path
from demagnify.core import memory

def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096

def after():
    before = resident()
    for _ in range(3):
        np.ones(40 * 2**20, np.uint8)
    return resident() - before

given = after()
kept = after() if memory.keep_freed_memory() else None
print(given, kept)
"""
    given, kept = run(code).split()
    if kept == "None":
        pytest.skip("no glibc here")
    assert int(given) < 20 * 2**20
    assert int(kept) > 30 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_holes_are_given_back_where_the_process_grows():
    code = """
import time
import numpy as np
from demagnify.core import memory

if memory.keep_freed_memory():
    before = memory.resident()
    arrays = [np.ones(40 * 2**20, np.uint8) for _ in range(20)]
    del arrays[::2]  # holes of 40 MiB, too small for what follows
    arrays += [np.ones(60 * 2**20, np.uint8) for _ in range(10)]
    deadline = time.monotonic() + 20
    while memory.resident() > before + 1150 * 2**20 and time.monotonic() < deadline:
        time.sleep(0.05)
    print((memory.resident() - before) // 2**20)
"""
    ran = run(code)
    if not ran:
        pytest.skip("no glibc here")
    assert int(ran) < 1150
