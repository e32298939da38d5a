"""What goes wrong is told in one line, with an exit code that means something."""

import os
import signal
import subprocess
import sys
import time

import pytest

from demagnify.core import assets
from demagnify.core.errors import AssetError, BadConfigError, DemagnifyError, UnknownNameError


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        AssetError("no network", hint="connect once"),
        BadConfigError("0 is no number of faces"),
        UnknownNameError("no asset is called 'yunett'", hint="did you mean yunet?"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_users_is_one_line_without_traceback(run, monkeypatch, error):
    monkeypatch.setattr(assets, "describe", failing(error))
    ended = run("assets")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"demagnify: {error}\n"


def test_an_error_that_has_a_code_of_its_own_ends_with_it(run, monkeypatch):
    error = DemagnifyError("odd")
    error.exit_code = 77
    monkeypatch.setattr(assets, "describe", failing(error))
    assert run("assets").code == 77


def test_a_fault_of_ours_keeps_its_traceback(run, monkeypatch):
    monkeypatch.setattr(assets, "describe", failing(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        run("assets")


def test_an_interrupted_command_ends_with_130_and_says_that_it_goes_on(run, monkeypatch):
    monkeypatch.setattr(assets, "describe", failing(KeyboardInterrupt()))
    ended = run("assets")
    assert ended.code == 130
    assert ended.complaints == ["demagnify: stopped; the same command goes on where it was"]


WAITING = """
import signal, sys, time
# A shell ignores it in what it starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["demagnify", "assets"]
from demagnify import cli
from demagnify.core import assets
def describe():
    print("ready", flush=True)
    time.sleep(60)
assets.describe = describe
cli.main()
"""


def test_ctrl_c_ends_a_process_with_130():
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "demagnify: stopped; the same command goes on where it was\n"


def test_a_reader_that_goes_away_gets_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    asked = [sys.executable, "-m", "demagnify", "attack", "--list"]
    ended = subprocess.run(asked, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert ended.stderr == ""
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train-defense", "--data", "{tmp}"], "no folders real and fake"),
        (["bench", "run", "x", "--data", "{tmp}/none", "--suite", "sr-v0"], "no suite 'sr-v0'"),
        (["train-defense", "--data", "{tmp}/none", "--attack", "srgan"], "did you mean srgan-x4"),
        (["evaluate", "x", "--data", "{tmp}", "--attack", "srgan"], "did you mean srgan-x4"),
        (["train-detector", "--data", "{tmp}/none", "--attack", "srgan"], "did you mean srgan-x4"),
        (["train-defense", "--data", "{tmp}/none"], "there is no such file or folder"),
        (["train-defense", "--data", "{tmp}", "--preset", "papper"], "no configuration 'papper'"),
        (["train-defense", "--data", "{tmp}", "--set", "defense.learnr.hidden=2"], "learner"),
        (["train-defense", "--data", "{tmp}", "--set", "defense.learner.hidden"], "key=value"),
        (["train-defense", "--data", "{tmp}", "--set", "defense.seed=-2"], "defense.seed"),
        (["train-defense", "--data", "{tmp}", "--detector", "lite"], "no detector 'lite'"),
        (["train-detector", "--data", "{tmp}", "--set", "detector.epochs=0"], "detector.epochs"),
        (["train-detector", "--data", "{tmp}"], "no folders real and fake"),
        (["evaluate", "--data", "{tmp}", "--defense", "{tmp}/none"], "there is no defence"),
        (["report", "{tmp}"], "results.json: there is no such file"),
        (["sample", "{tmp}/out", "--photos", "{tmp}/none"], "there is no such folder"),
        (["assets", "--fetch", "yunett"], "did you mean yunet?"),
    ],
)
def test_what_cannot_work_is_told_before_the_work(run, tmp_path, arguments, told):
    ended = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert ended.code == 1
    assert len(ended.complaints) == 1
    assert ended.err.startswith("demagnify: ")
    assert told in ended.err
    assert list(tmp_path.rglob("*")) == []


def test_a_misspelt_suite_is_told_without_importing_torch():
    code = (
        "import sys\nfrom demagnify.cli.app import app\n"
        "try:\n    app(['bench', 'run', 'x', '--data', 'x', '--suite', 'nosuch'])\n"
        "except Exception as error:\n    print(type(error).__name__, 'torch' in sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "BadConfigError False\n"


MISSPELT = {
    "train-defense x --data . --detector lihgt": "no detector 'lihgt'",
    "train-defense x --data . --attack bicubc-x2": "no transform is called 'bicubc-x2'",
    "evaluate x --data . --defense light --attack bicubc-x2": "is called 'bicubc-x2'",
    "harden x --data . --attack bicubc-x2": "no transform is called 'bicubc-x2'",
    "calibrate x --data . --attack bicubc-x2": "no transform is called 'bicubc-x2'",
}


def test_a_misspelt_name_is_told_before_the_slow_imports(tmp_path):
    code = (
        "import sys\nfrom demagnify.cli.app import app\n"
        "for command in sys.argv[1:]:\n"
        "    try:\n        app(command.split(), standalone_mode=False)\n"
        "    except Exception as error:\n"
        "        slow = {'timm', 'sklearn'} & {*sys.modules}\n"
        "        print(error, sorted(slow))\n"
    )
    asked = [sys.executable, "-c", code, *MISSPELT]  # in one process: all of them import torch
    ended = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = ended.stdout.splitlines()
    for line, told in zip(lines, MISSPELT.values(), strict=True):
        assert told in line
        assert line.endswith(" []")
    assert list(tmp_path.iterdir()) == []
