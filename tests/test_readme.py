"""The README and the docs do what they say: their commands exist, and their examples run."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import demagnify
from demagnify.cli.app import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
REASONS = {"installing", "make", "needs your own data"}
RUN = ("bash", "python")

VERBS = typer.main.get_command(app).commands
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.*?) -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`(demagnify [^`]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and why it is not run, if so."""

    language: str
    text: str
    reason: str | None


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [Block(one["language"], one["text"], one["reason"]) for one in BLOCK.finditer(text)]


def commands_of(shell):
    """Yields the words of each demagnify command in a shell script."""
    for line in shell.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for place, word in enumerate(words):
            if Path(word).name == "demagnify" and (place == 0 or words[place - 1] in "$&&;|"):
                end = next((p for p, w in enumerate(words) if p > place and w in "&&;|>"), None)
                yield words[place + 1 : end]


def commands(page):
    """Yields the words of each demagnify command of a page, and whether it is a whole one."""
    for block in blocks(page):
        if block.language in ("bash", "sh", "console"):
            yield from ((words, True) for words in commands_of(block.text))
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for span in INLINE.findall(prose):
        yield shlex.split(span)[1:], False


def complaint(words, *, whole):
    """What is wrong with a command, or nothing."""
    if not words or words[0].isupper() or words[0].startswith("-"):
        return ""
    if words[0] not in VERBS:
        return f"no verb {words[0]!r}"
    command = VERBS[words[0]]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    known |= {"--help", "-h"}
    for word in words[1:]:
        if word.startswith("-") and word.partition("=")[0] not in known:
            return f"{words[0]} has no option {word!r}"
    if whole and "--help" not in words:
        try:
            command.make_context(words[0], words[1:])
        except Exception as error:  # noqa: BLE001  Typer exports no common base
            return f"{words[0]}: {error}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_verbs_and_options_that_exist(page):
    wrong = [
        f"demagnify {shlex.join(words)}: {said}"
        for words, whole in commands(page)
        if (said := complaint(words, whole=whole))
    ]
    assert wrong == []


def test_the_readme_shows_the_whole_loop():
    shown = {words[0] for words, whole in commands(README) if whole and words}
    assert {"sample", "train-detector", "attack", "train-defense", "evaluate", "detect"} <= shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detekt", "a.jpg"], "no verb 'detekt'"),
        (["detect", "a.jpg", "--sav", "x"], "detect has no option '--sav'"),
        (["attack", "faces", "out", "--scale", "two"], "attack: "),
        (["train-defense", "out"], "train-defense: "),
        (["detect", "a.jpg", "--save", "x"], ""),
        (["VERB", "--help"], ""),
    ],
)
def test_wrong_commands_would_be_found(words, said):
    assert complaint(words, whole=True).startswith(said)
    assert bool(complaint(words, whole=True)) == bool(said)


def test_commands_are_found_in_a_script():
    script = (
        "cd x && demagnify detect a.jpg \\\n  --json | head  # demagnify nothing\ndemagnify demo\n"
    )
    assert list(commands_of(script)) == [["detect", "a.jpg", "--json"], ["demo"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_python_of_the_data_page_runs(capsys):
    places: dict[str, object] = {}
    for block in blocks(ROOT / "docs" / "data.md"):
        if block.language == "python":
            exec(compile(block.text, "docs/data.md", "exec"), places)
    assert "torch.Size([4, 3, 224, 224])" in capsys.readouterr().out


def test_what_is_not_run_says_why():
    reasons = [block.reason for block in blocks(README) if block.reason is not None]
    assert set(reasons) <= REASONS
    assert "not run" not in BLOCK.sub("", README.read_text(encoding="utf-8"))
    assert [block for block in blocks(README) if block.reason is None and block.language in RUN]


@pytest.fixture
def environment(tmp_path):
    """An environment in which `demagnify` and `python` are those of these tests."""
    folders = [Path(sys.executable).parent]
    if not (folders[0] / "demagnify").exists():
        shim = tmp_path / "bin" / "demagnify"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m demagnify "$@"\n')
        shim.chmod(0o755)
        folders.insert(0, shim.parent)
    source = Path(demagnify.__file__).parents[1]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.mark.assets
@pytest.mark.slow
def test_the_readme_runs(asset, environment, tmp_path, monkeypatch):
    for name in ("yunet", "celeba-999", "efficientnet-lite0", "realesr-compact-x4"):
        asset(name)
    folder = tmp_path / "tour"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for block in blocks(README):
        if block.reason is not None or block.language not in RUN:
            continue
        if block.language == "python":
            exec(compile(block.text, "README.md", "exec"), {"__name__": "readme"})
            continue
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{block.text}\n{ended.stdout}\n{ended.stderr}"
