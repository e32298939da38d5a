"""Work that can be killed: claimed folders, and journals of finished items.

Everything that is read again carries a checksum. A part that does not match is made again.

    with claim(output, {"attack": "srgan-x4", "fingerprint": "..."}, what="an attack") as folder:
        with Journal(folder / "finished.jsonl") as journal:
            for name in names:
                if journal.find(name) is None:
                    journal.add(name, work(name))
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from filelock import FileLock, Timeout

from demagnify.core.documents import parse_json, read_json
from demagnify.core.errors import BadOutputError
from demagnify.core.files import is_temporary, sweep_temporaries, write_text, writing_to

Json = Any

IDENTITY: Final = "run.json"
LOCK: Final = "run.lock"


@contextmanager
def claim(
    folder: Path, identity: Mapping[str, Json], *, what: str, wait: float = 1.0
) -> Iterator[Path]:
    """Holds an output folder for one run, and refuses the folder of another.

    `run.json` in the folder holds the identity. Temporary files that killed runs left are removed.

    Args:
        folder: The output folder; made if missing.
        identity: Everything that the result depends on, as JSON can hold it.
        what: What writes there, for messages: "an attack".
        wait: Seconds to wait for another process that holds the folder.

    Raises:
        BadOutputError: If the folder holds something else or the result of other settings, if
            another process holds it, or if it cannot be written to.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "run"
        >>> with claim(place, {"seed": 1}, what="an example") as folder:
        ...     sorted(path.name for path in folder.iterdir())
        ['run.json', 'run.lock']
    """
    path = folder / IDENTITY
    text = json.dumps(identity, indent=2, ensure_ascii=False) + "\n"
    if path.is_file():
        _check_identity(path, identity, what)
    elif folder.exists() and (not folder.is_dir() or any(_content(folder))):
        raise BadOutputError(
            f"{folder} is not empty, and not made by {what}", hint="choose another output folder"
        )
    else:
        write_text(path, text)
    with hold(folder / LOCK, wait=wait):
        sweep_temporaries(folder)
        yield folder


def check_free(output: Path, noun: str) -> None:
    """Refuses an output folder that holds anything.

    Raises:
        BadOutputError: If it does, or is a file.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadOutputError(
            f"{output} exists and is no {noun}", hint=f"choose a new folder for the {noun}"
        )


def _content(folder: Path) -> Iterator[Path]:
    return (one for one in folder.iterdir() if one.name != LOCK and not is_temporary(one))


def _check_identity(path: Path, identity: Mapping[str, Json], what: str) -> None:
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise BadOutputError(
            f"{path} cannot be read: {error}", hint="delete the folder, or choose another"
        ) from error
    wanted = json.loads(json.dumps(identity))
    known = found if isinstance(found, dict) else {}
    differing = [key for key in {**known, **wanted} if known.get(key) != wanted.get(key)]
    if differing:
        raise BadOutputError(
            f"{path.parent} holds the result of {what} with another {', '.join(differing)}",
            hint="choose another output folder, or delete this one to start again",
        )


@contextmanager
def hold(path: Path, *, wait: float = -1.0, hint: str = "choose another folder") -> Iterator[None]:
    """Holds a lock file; a second process waits, or is refused after `wait` seconds.

    Raises:
        BadOutputError: If another process holds it, or it cannot be written.
    """
    lock = FileLock(path)
    with writing_to(path.parent, hint=hint):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=wait)
        except Timeout as error:
            raise BadOutputError(
                f"{path.parent}: another run writes there", hint="wait for the other run"
            ) from error
    try:
        yield
    finally:
        lock.release()


class Journal:
    """The finished items of a run by name, one line each; may be used from several threads.

    Every line carries the CRC-32 of its content. A line that does not match, such as the last of
    a killed run, counts as not written.

    Args:
        path: The file; made if missing.

    Raises:
        BadOutputError: If it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._mutex = threading.Lock()
        self._items: dict[str, Json] = {}
        self.damaged = 0
        with writing_to(path, hint=""):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._read(path)
            self._file = path.open("a", encoding="utf-8", newline="\n")

    def _read(self, path: Path) -> None:
        whole = True
        with path.open("rb") as file:
            for line in file:
                whole = line.endswith(b"\n")
                stated, _, content = line.rstrip(b"\n").partition(b" ")
                if stated != checksum(content):
                    self.damaged += 1
                    continue
                name, item = parse_json(content)
                self._items[name] = item
        if not whole:  # so that the next line does not continue the broken one
            with path.open("ab") as file:
                file.write(b"\n")

    def find(self, name: str) -> Json | None:
        """Returns the item called `name`; None if it is not finished."""
        return self._items.get(name)

    def add(self, name: str, item: Json) -> None:
        """Records an item as finished; its files are in place.

        Raises:
            BadOutputError: If the disk is full.
        """
        content = json.dumps([name, item], ensure_ascii=True)
        with self._mutex:
            self._items[name] = item
            with writing_to(self._file.name, hint=""):
                self._file.write(f"{checksum(content.encode()).decode()} {content}\n")
                self._file.flush()

    def items(self) -> list[tuple[str, Json]]:
        """Returns the finished items with their names."""
        return list(self._items.items())

    def __len__(self) -> int:
        return len(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def last_of(path: Path, name: str) -> Json | None:
    """Returns the item called `name` in a journal that others write; None if it has none."""
    wanted, found = json.dumps([name, 0])[:-2].encode(), None
    try:
        with path.open("rb") as file:
            for line in file:
                stated, _, content = line.rstrip(b"\n").partition(b" ")
                if content.startswith(wanted) and stated == checksum(content):
                    found = parse_json(content)[1]
    except OSError:
        return None
    return found


def file_checksum(path: Path) -> str:
    """Returns the CRC-32 of a file's content; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            found = 0
            while part := file.read(2**20):
                found = zlib.crc32(part, found)
    except OSError:
        return ""
    return f"{found:08x}"


def checksum(content: bytes) -> bytes:
    """Returns the CRC-32 of a text, eight hexadecimal digits."""
    return f"{zlib.crc32(content):08x}".encode()
