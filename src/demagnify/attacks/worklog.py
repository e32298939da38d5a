"""What an attack on a folder has done already, so that a stopped run goes on.

`attack.json` in the output folder holds the settings, `attack.jsonl` one line per finished image.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from demagnify.attacks.base import Attack
from demagnify.attacks.sources import Source
from demagnify.errors import BadOutputError
from demagnify.files import write_text

SETTINGS: Final = "attack.json"
DONE: Final = "attack.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    """One finished image: its file, what the source was like, and how close the copy is."""

    target: str
    stamp: str
    psnr: float
    ssim: float


class WorkLog:
    """The finished images of one output folder.

    Args:
        output: The folder; made if missing.
        attack: The attack, which must be the one that an earlier run used.

    Raises:
        BadOutputError: If the folder holds something else, or cannot be written to.
    """

    def __init__(self, output: Path, attack: Attack) -> None:
        self._output = output
        settings = {"attack": attack.name, "fingerprint": attack.fingerprint()}
        text = json.dumps(settings, indent=2) + "\n"
        path = output / SETTINGS
        if path.is_file():
            if path.read_text(encoding="utf-8") != text:
                raise BadOutputError(
                    f"{output} holds images of another attack than {attack.name}, or of other "
                    "settings",
                    hint="choose another output folder",
                )
        elif output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise BadOutputError(
                f"{output} is not empty, and not made by an attack",
                hint="choose another output folder",
            )
        else:
            write_text(path, text)
        self._done = {done.target: done for done in self._read()}

    def find(self, source: Source) -> Done | None:
        """Returns what is known of an image; None if it, or its copy, is to be made again."""
        done = self._done.get(source.target)
        if done is None or done.stamp != source.stamp():
            return None
        return done if (self._output / source.target).is_file() else None

    def add(self, done: Done) -> None:
        """Notes that an image is finished; its copy is in place."""
        self._done[done.target] = done
        with (self._output / DONE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done)) + "\n")

    def _read(self) -> list[Done]:
        """Reads the lines of earlier runs; the last one may be cut off by the end of the run."""
        path = self._output / DONE
        if not path.is_file():
            return []
        *lines, rest = path.read_text(encoding="utf-8").split("\n")
        if rest:
            write_text(path, "".join(f"{line}\n" for line in lines))
        return [Done(**json.loads(line)) for line in lines]
