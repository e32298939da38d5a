"""What the command line says of itself, and how quickly."""

import subprocess
import sys

import click
import pytest

import demagnify
from demagnify.cli.app import app
from demagnify.cli.generate import Config, Verb
from demagnify.hardening.config import HardeningConfig

COMMANDS = [
    one
    for group in (app, app.commands["data"], app.commands["scores"])
    for one in group.commands.values()
    if isinstance(one, Verb)
]
OPTIONS = {
    name: [option for parameter in command.params for option in parameter.opts if "-" in option]
    for name, command in app.commands.items()
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
        [
            "adaptive-attack",
            "bench",
            "calibrate",
            "verify",
            "data",
            "harden",
            "join",
            "demo",
            "detect",
            "export",
            "serve",
            "ui",
            "train-enhancement",
            "reproduce",
            "assets",
            "plan",
            "scores",
            *loop,
        ]
    )


@pytest.mark.parametrize("verb", OPTIONS)
def test_a_verbs_help_names_its_options(run, verb):
    ended = run(verb, "--help")
    assert ended.code == 0
    assert ended.err == ""
    missing = [option for option in OPTIONS[verb] if option not in ended.out]
    assert missing == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_without_options_has_its_models_defaults(command):
    """Once not: harden trained 12 surrogate networks where the configuration had 15."""
    for one in (one for one in command.generated if isinstance(one, Config) and not one.section):
        values = dict.fromkeys(parameter.name for parameter in one.options())
        assert one.take({**values, "overrides": ()}) == one.type()


def test_options_and_overrides_change_what_they_name_only():
    harden = next(one for one in COMMANDS if one.name == "harden").generated[0]
    values = dict.fromkeys(parameter.name for parameter in harden.options())
    given = {**values, "surrogates__count": 3, "overrides": ("training.epochs=2", "rounds=7")}
    config, usual = harden.take(given), HardeningConfig()
    assert (config.surrogates.count, config.training.epochs, config.rounds) == (3, 2, 7)
    assert config.surrogates.steps == usual.surrogates.steps
    assert config.training.learning_rate == usual.training.learning_rate == 2e-4


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_fits_80_columns_and_breaks_no_name(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    groups = [one for one in app.commands.values() if hasattr(one, "commands")]
    words = [one.name for one in groups if command in one.commands.values()]
    shown = run(*words, command.name, "--help").out
    assert max(map(len, shown.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert not [line for line in shown.splitlines() if line.endswith("-")]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.text, parameter.name


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
        (["train-detector", "--data", "x", "--learning-rate", "0"], "--learning-rate"),
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
