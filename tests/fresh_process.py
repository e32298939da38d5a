"""Python code in a process of its own that need not import torch: it is forked from one that has.

To import torch takes seconds, and tests that kill a training start several processes.
"""

import os
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["torch", "timm"])


def start(code: str, *arguments: object, output: Path | None = None) -> BaseProcess:
    """Starts `python -c CODE ARGUMENTS`, in this environment.

    Args:
        code: Python code, which may start no process itself.
        arguments: What stands in `sys.argv[1:]`.
        output: Gets what is printed; stderr is the one of the tests.
    """
    words = ["-c", *map(str, arguments)]
    settings = (code, words, dict(os.environ), str(Path.cwd()), output)
    process = _CONTEXT.Process(target=_run, args=settings, daemon=True)
    process.start()
    return process


def ended(process: BaseProcess, timeout: float = 300) -> int:
    """Waits until a process ends, and returns its exit code: -9 where it was killed."""
    process.join(timeout)
    assert process.exitcode is not None, "the process does not end"
    return process.exitcode


def _run(
    code: str, words: list[str], environment: dict[str, str], folder: str, output: Path | None
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = words
    if output is not None:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
    exec(compile(code, "<fresh process>", "exec"), {"__name__": "__main__"})
