"""Writing files so that a reader sees the old content or the new, never a half."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demagnify.errors import BadOutputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, moved into place when the block succeeds.

    Args:
        path: Where the file shall stand in the end; missing parents are made.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
    except OSError as error:
        raise BadOutputError(
            f"cannot write {path}: {error.strerror or error}", hint="choose another output folder"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _adopt_permissions(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `folder`, moved into its place when the block succeeds.

    What stood at `folder` before is replaced as a whole.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:80]}."))
    except OSError as error:
        raise BadOutputError(
            f"cannot write {folder}: {error.strerror or error}", hint="choose another output folder"
        ) from error
    old = temporary.with_name(temporary.name + ".old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if folder.exists():
            folder.replace(old)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _adopt_permissions(path: Path) -> None:
    """Gives a temporary file, made for its owner only, the rights of an ordinary new file."""
    path.chmod(0o666 & ~_umask())
