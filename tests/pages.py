"""Pages of the documentation: their fenced blocks, their commands, and running them."""

import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import demagnify
from demagnify.cli import main
from demagnify.cli.app import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TOUR = ROOT / "docs" / "guides" / "tour.md"
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
RESULTS = sorted((ROOT / "docs" / "results").glob("*.md"))
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *RESULTS, *GUIDES]
REASONS = {"installing", "make", "needs your own data"}
RUN = ("bash", "python")

VERBS = app.commands
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


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(one["language"], one["text"], one["reason"]) for one in BLOCK.finditer(text)]


def commands_of(shell: str) -> Iterator[list[str]]:
    """Yields the words of each demagnify command in a shell script."""
    for line in shell.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for place, word in enumerate(words):
            if Path(word).name == "demagnify" and (place == 0 or words[place - 1] in "$&&;|"):
                end = next((p for p, w in enumerate(words) if p > place and w in "&&;|>"), None)
                yield words[place + 1 : end]


def commands(page: Path) -> Iterator[tuple[list[str], bool]]:
    """Yields the words of each demagnify command of a page, and whether it is a whole one."""
    for block in blocks(page):
        if block.language in ("bash", "sh", "console"):
            yield from ((words, True) for words in commands_of(block.text))
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for span in INLINE.findall(prose):
        yield shlex.split(span)[1:], False


def verb_of(words: list[str]) -> tuple[str, Any, list[str]]:
    """Returns the name of a verb, its command or None, and the words that follow it."""
    name, command, rest = words[0], VERBS.get(words[0]), words[1:]
    while rest and hasattr(command, "commands"):  # such as `data prepare`
        name, command, rest = f"{name} {rest[0]}", command.commands.get(rest[0]), rest[1:]
    return name, command, rest


def complaint(words: list[str], *, whole: bool) -> str:
    """What is wrong with a command, or nothing."""
    if not words or words[0].isupper() or words[0].startswith("-"):
        return ""
    name, command, rest = verb_of(words)
    if command is None:
        return f"no verb {name!r}"
    known = {one for option in command.params for one in (*option.opts, *option.secondary_opts)}
    known |= {"--help", "-h"}
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in known:
            return f"{name} has no option {word!r}"
    if whole and "--help" not in rest:
        try:
            command.make_context(name, rest)
        except Exception as error:  # noqa: BLE001
            return f"{name}: {error}"
    return ""


def names_nothing(page: Path) -> list[str]:
    """Returns what a page names in code type and what does not exist.

    Options are those of the commands and of the scripts of the repository; paths are those of the
    repository and of the package; Python names those that can be imported.
    """
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    if page.name == "history.md":  # its first column is of another time
        prose = re.sub(r"^\|[^|]*\|", "|", prose, flags=re.MULTILINE)
    return [span for span in re.findall(r"`([^`\n]+)`", prose) if not _is_there(span)]


def _is_there(span: str) -> bool:
    if any(one not in _options() for one in re.findall(r"(?:^|\s)(--[a-z][\w-]*)", span)):
        return False
    if re.fullmatch(r"demagnify(\.\w+)+", span):
        return span in _groups() or _imports(span)
    package = Path(demagnify.__file__).parent
    if re.fullmatch(r"[\w-]+(/[\w.-]*)+", span):
        ours = (ROOT / span.split("/")[0]).is_dir() or (package / span.split("/")[0]).is_dir()
        return not ours or (ROOT / span).exists() or (package / span).exists()
    return True


@cache
def _options() -> set[str]:
    def every(command: Any) -> Iterator[Any]:
        for one in getattr(command, "commands", {}).values():
            yield from every(one)
        yield from command.params

    scripts = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in scripts)
    known = {one for option in every(app) for one in (*option.opts, *option.secondary_opts)}
    return known | {"--help"} | set(re.findall(r"\"(--[a-z][\w-]*)\"", text))


@cache
def _groups() -> set[str]:
    toys = ROOT / "tests" / "plugins" / "demagnify_toys" / "pyproject.toml"
    return set(tomllib.loads(toys.read_text(encoding="utf-8"))["project"]["entry-points"])


def _imports(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def leads_somewhere(page: Path, link: str, anchor: str) -> bool:
    """Returns whether a page links to a file, and to a heading in it if it names one."""
    target = page.parent / link if link else page
    if not anchor or not target.is_file():
        return target.exists() and not anchor
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    # As GitHub does: lower case, no punctuation, a hyphen for every blank.
    anchors = (re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings)
    return anchor in anchors


def environment(shims: Path) -> dict[str, str]:
    """Returns an environment in which `demagnify` and `python` are those of these tests.

    Args:
        shims: An empty folder, for a `demagnify` where none is installed beside this Python.
    """
    folders = [Path(sys.executable).parent]
    if not (folders[0] / "demagnify").exists():
        shim = shims / "demagnify"
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m demagnify "$@"\n')
        shim.chmod(0o755)
        folders.insert(0, shims)
    source = Path(demagnify.__file__).parents[1]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]),
    }


def runnable(page: Path) -> list[Block]:
    """Returns the blocks of a page that a reader can run as they stand."""
    return [one for one in blocks(page) if one.reason is None and one.language in RUN]


def run(page: Path, shims: Path) -> None:
    """Runs a page in the current directory: shell and Python in order, Python as one session."""
    session: dict[str, object] = {"__name__": "__main__"}
    variables = environment(shims)
    for block in runnable(page):
        sys.stdout.write(f"--- {block.language}\n{block.text}\n")
        if block.language == "python":
            exec(compile(block.text, page.name, "exec"), session)
            continue
        for step in steps(block.text):
            if isinstance(step, list):
                run_here(step)
                continue
            command = ["bash", "-euo", "pipefail", "-c", step]
            ended = subprocess.run(
                command, env=variables, capture_output=True, text=True, check=False
            )
            assert ended.returncode == 0, f"{step}\n{ended.stdout}\n{ended.stderr}"
            sys.stdout.write(f"{ended.stdout}{ended.stderr}")


def steps(shell: str) -> Iterator[list[str] | str]:
    """Yields a script line by line: the words after `demagnify` where it is a plain command.

    Lines that need a shell or start processes are for bash, and a script whose lines belong
    together is one step.
    """
    if "<<" in shell or re.search(r"^\s*(cd|export|for|if|while|\w+=)\b", shell, re.MULTILINE):
        yield shell
        return
    for line in shell.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        plain = words[:1] == ["demagnify"] and not re.search(r"[|&;<>$*?`()]", line)
        if plain and not set(words) & {"--workers", "--processes", "--engine"}:
            yield words[1:]
        elif words:
            yield line


def run_here(words: list[str]) -> None:
    """Runs a command in this process: to import torch takes longer than most commands do."""
    with warnings.catch_warnings(), mock.patch.object(sys, "argv", ["demagnify", *words]):
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code, shlex.join(words)
