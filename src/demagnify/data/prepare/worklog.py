"""Which files have been cut already, so that a stopped run goes on.

`prepare.json` in the output folder holds the settings, `prepare.jsonl` one line per finished file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final

from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_text
from demagnify.data.prepare.cutting import Cut, Outcome, PrepareConfig
from demagnify.data.prepare.sources import Source

SETTINGS: Final = "prepare.json"
DONE: Final = "prepare.jsonl"


class WorkLog:
    """The finished files of one output folder.

    Args:
        output: The folder; made if missing.
        root: The folder that the files come from.
        config: How they are cut; must be those that an earlier run used.

    Raises:
        BadOutputError: If the folder holds something else, or cannot be written to.
    """

    def __init__(self, output: Path, root: Path, config: PrepareConfig) -> None:
        self._output = output
        origin = os.path.abspath(root)  # noqa: PTH100  without following links
        text = json.dumps({"root": origin, "settings": config.model_dump()}, indent=2) + "\n"
        path = output / SETTINGS
        if path.is_file():
            if _read_text(path) != text:
                raise BadOutputError(
                    f"{output} holds faces of another data set, or cut with other settings",
                    hint="choose another output folder",
                )
        elif output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise BadOutputError(
                f"{output} is not empty, and not made by demagnify data prepare",
                hint="choose another output folder",
            )
        else:
            write_text(path, text)
        self._done = dict(self._read())

    def find(self, source: Source) -> Outcome | None:
        """Returns what became of a file; None if it, or one of its crops, is to be made again."""
        digest, outcome = self._done.get(source.name, ("", None))
        if outcome is None or digest != source.digest():
            return None
        whole = all((self._output / cut.file_name).is_file() for cut in outcome.cuts)
        return outcome if whole else None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Yields what notes finished files.

        Raises:
            BadOutputError: If they cannot be noted.
        """
        path = self._output / DONE
        try:
            file = path.open("ab", buffering=0)  # so that closing has nothing left to write
        except OSError as error:
            raise _refused(path, error) from error
        with file:
            yield Writer(path, file)

    def _read(self) -> Iterator[tuple[str, tuple[str, Outcome]]]:
        """Reads the lines of earlier runs.

        A line may be cut off by the end of a run, or damaged: its file is cut again.
        """
        path = self._output / DONE
        if not path.is_file():
            return
        *lines, rest = _read_text(path).split("\n")
        if rest:
            write_text(path, "".join(f"{line}\n" for line in lines))
        for line in lines:
            try:
                item = json.loads(line)
                problems = [(where, reason) for where, reason in item["problems"]]
                outcome = Outcome([Cut(**cut) for cut in item["cuts"]], problems)
                yield item["name"], (item["digest"], outcome)
            except (ValueError, TypeError, KeyError):
                continue


class Writer:
    """Notes finished files, a line each.

    Args:
        path: Where they are noted, for messages.
        file: The same, open.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def add(self, source: Source, outcome: Outcome) -> None:
        """Notes that a file is finished; its crops are in place.

        Raises:
            BadOutputError: If that cannot be written.
        """
        line = {"name": source.name, "digest": source.digest(), **asdict(outcome)}
        try:
            self._file.write(f"{json.dumps(line)}\n".encode())
        except OSError as error:
            raise _refused(self._path, error) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadOutputError(
            f"{path}: cannot be read: {error.strerror or error}",
            hint="choose another output folder",
        ) from error


def _refused(path: Path, error: OSError) -> BadOutputError:
    return BadOutputError(
        f"cannot write {path}: {error.strerror or error}", hint="choose another output folder"
    )
