"""What the command line says of itself, and how quickly."""

import subprocess
import sys

import pytest
import typer

import demagnify
from demagnify.cli.app import app
from demagnify.hardening.config import HardeningConfig

GROUP = typer.main.get_command(app)
OPTIONS = {
    name: [option for parameter in command.params for option in parameter.opts if "-" in option]
    for name, command in GROUP.commands.items()
}
HEAVY = ("torch", "torchvision", "timm", "cv2", "matplotlib", "numpy", "sklearn", "PIL", "pydantic")
WATCHED = f"""
import sys
sys.argv = ["demagnify", *sys.argv[1:]]
from demagnify.cli import main
try:
    main()
finally:
    print("imported:", *sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)
"""


def test_help_imports_nothing_heavy():
    watched = subprocess.run(
        [sys.executable, "-c", WATCHED, "--help"], capture_output=True, text=True, check=True
    )
    assert watched.stderr == "imported:\n"
    for verb in OPTIONS:
        assert verb in watched.stdout


def test_every_verb_of_the_issue_is_there():
    loop = ["sample", "train-detector", "attack", "train-defense", "evaluate", "report"]
    assert sorted(OPTIONS) == sorted(
        ["adaptive-attack", "data", "harden", "demo", "detect", "assets", *loop]
    )


@pytest.mark.parametrize("verb", OPTIONS)
def test_a_verbs_help_names_its_options(run, verb):
    ended = run(verb, "--help")
    assert ended.code == 0
    assert ended.err == ""
    missing = [option for option in OPTIONS[verb] if option not in ended.out]
    assert missing == []


def test_harden_defaults_to_its_configuration():
    """Once not: the command trained 12 surrogate networks where the configuration had 15."""
    given = {one.name: one.default for one in GROUP.commands["harden"].params}
    config = HardeningConfig()
    assert given["rounds"] == config.rounds
    assert (given["clean"], given["explore"]) == (config.clean, config.explore)
    assert given["surrogates"] == config.surrogates.count
    assert given["surrogate_steps"] == config.surrogates.steps
    assert given["epochs"] == config.training.epochs
    assert given["learning_rate"] == config.training.learning_rate


def test_no_arguments_show_the_help(run):
    ended = run()
    assert "detect" in ended.out + ended.err
    assert ended.code in (0, 2)


def test_the_version_is_the_packages(run):
    assert run("--version").out == f"demagnify {demagnify.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["detekt", "photo.jpg"], "detekt"),
        (["detect"], "PHOTO"),
        (["detect", "photo.jpg", "--sav", "out"], "--sav"),
        (["train-defense"], "--data"),
        (["attack", "--scale", "two"], "--scale"),
        (["attack", "--scale", "0"], "--scale"),
        (["sample", "--seed", "-1"], "--seed"),
        (["detect", "photo.jpg", "--precision", "int4"], "--precision"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(run, arguments, named):
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert named in ended.err
    assert "Traceback" not in ended.err


def test_the_module_is_the_command():
    asked = [sys.executable, "-m", "demagnify", "--version"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert told == f"demagnify {demagnify.__version__}\n"
