"""Worker processes and the signals of a terminal."""

from importlib import import_module
from multiprocessing import get_context

from demagnify.core.orphans import start

MODULE = """
import os, signal
from multiprocessing import current_process
if current_process().name != "MainProcess":
    # A shell ignores it in what it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGINT)  # a terminal sends it to all processes
def done():
    pass
"""


def test_ctrl_c_does_not_reach_a_worker_that_is_importing(tmp_path, monkeypatch):
    (tmp_path / "interrupted_work.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    process = get_context("spawn").Process(target=import_module("interrupted_work").done)
    start(process)
    process.join(60)
    assert process.exitcode == 0
