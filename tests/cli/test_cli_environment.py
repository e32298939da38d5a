"""Broken streams, no home folder, odd encodings: one line or silence, never a traceback."""

import os
import subprocess
import sys

import pytest

from demagnify.core import assets, threads


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of a shell in which $D is demagnify."""
    kept = {key: value for key, value in os.environ.items() if environment.get(key) != ""}
    given = {key: value for key, value in environment.items() if value}
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **given, "D": f"{sys.executable} -m demagnify"},
    )


def test_a_full_stdout_is_told_in_one_line():
    ended = shell("$D assets >/dev/full")
    assert ended.returncode == 1
    assert ended.stderr.startswith("demagnify: cannot write")
    assert ended.stderr.count("\n") == 1


def test_streams_that_are_full_or_closed_stop_no_work():
    ended = shell("$D assets --json 2>&- <&- | grep -c yunet; echo ${PIPESTATUS[0]}")
    assert ended.stdout.split() == ["1", "0"] or ended.stdout.split()[-1] == "0"
    assert shell("$D no-such-verb 2>/dev/full").returncode == 2


def test_a_broken_pipe_ends_quietly():
    ended = shell("set -o pipefail; $D assets | true; $D assets --json | head -c 1 >/dev/null")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("Could not determine home directory."), "set HOME"),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device", "/x"), "cannot write /x: No space left"),
        (FileNotFoundError(2, "No such file or directory", "/a\x1b[31m"), r"/a\x1b[31m: No such"),
    ],
)
def test_a_fault_of_the_machine_ends_a_command_in_one_line(run, monkeypatch, error, said):
    def fail():
        raise error

    monkeypatch.setattr(assets, "describe", fail)
    ended = run("assets")
    assert ended.code == 1
    assert len(ended.complaints) == 1
    assert said in ended.err
    assert "\x1b" not in ended.err


def test_what_click_refuses_is_escaped_too(run):
    ended = run("detect", "x", "--no\x1b[31m")
    assert ended.code == 2
    assert "\x1b" not in ended.err


def test_threads_are_settable_for_every_command(run, monkeypatch):
    chosen = []
    monkeypatch.setattr(threads, "use", chosen.append)
    monkeypatch.setattr(assets, "describe", list)
    run("assets", "--threads", 3)
    assert chosen == [3]


def test_threads_follow_the_mask_and_the_quota_of_a_container(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_GROUPS", tmp_path)
    assert threads.available() == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads.available() == 8
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert threads.available() == 3


def test_threads_wait_without_keeping_a_processor_busy(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "5"})
    threads.prepare()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert os.environ["KMP_BLOCKTIME"] == "0"
    assert os.environ["OMP_NUM_THREADS"] == "5"
