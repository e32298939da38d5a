"""Processes that are started, joined, sent work, and lost."""

import os
import signal
import sys

import pytest
import torch

from demagnify.core import process_group
from demagnify.core.errors import BadConfigError
from demagnify.core.process_group import LostProcessError, ProcessGroup, together


class Add:
    """Both add up what they have, in several shapes."""

    def __call__(self, group):
        mine = torch.full((2, 3), float(group.rank + 1)), torch.tensor(10.0**group.rank)
        group.add_up(mine)
        return mine


class Die:
    def __call__(self, group):
        if not group.leads:
            os.kill(os.getpid(), signal.SIGKILL)
        group.add_up([torch.zeros(1)])


def test_alone_there_is_nothing_to_add_and_nobody_to_send_to():
    with together(1) as group:
        value = torch.ones(2)
        group.add_up([value])
        assert (group, value.tolist(), group.send("job")) == (ProcessGroup(), [1, 1], "job")


@pytest.mark.slow
def test_processes_add_up_and_a_lost_one_is_told_in_one_line():
    threads = torch.get_num_threads()
    with together(2) as group:
        group.send(Add())
        table, number = Add()(group)
        group.send(Die())
        with pytest.raises(LostProcessError, match="2 that train together is gone") as caught:
            Die()(group)
    assert table.tolist() == [[3.0] * 3] * 2
    assert number.item() == 11.0
    assert "the same command goes on" in str(caught.value)
    assert not torch.distributed.is_initialized()
    assert torch.get_num_threads() == threads


def test_launched_processes_and_the_setting_must_agree():
    token = process_group._JOINED.set(ProcessGroup(0, 4))
    try:
        with pytest.raises(BadConfigError, match="4 processes were launched, but processes is 2"):
            together(2).__enter__()
        with together(1) as group:
            assert group.size == 4
    finally:
        process_group._JOINED.reset(token)


def test_every_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(process_group, "pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert ProcessGroup(1, 2, place=1).device("cuda") == torch.device("cuda:1")
    with pytest.raises(BadConfigError, match="3 processes need a GPU each, and here are 2"):
        ProcessGroup(2, 3, place=2).device("cuda")
    assert ProcessGroup(2, 3, place=2).device("cpu") == torch.device("cpu")


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    import subprocess

    script = tmp_path / "script.py"
    script.write_text("from demagnify.core.process_group import together\ntogether(2).__enter__()")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
