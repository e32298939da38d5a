"""Writing files so that a reader sees the old content or the new, never a half."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadOutputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, moved into place when the block succeeds.

    Args:
        path: Where the file shall stand in the end; missing parents are made.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_dead(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
    temporary = Path(name)
    try:
        _hold(handle)
        with _full_disk(path):
            yield temporary
        _adopt_permissions(temporary)
        with writing_to(path):
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        os.close(handle)
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
    with writing_to(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep_dead(folder.parent)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_prefix(folder)))
    old = temporary.with_name(temporary.name + _OLD)
    handle = os.open(temporary, os.O_RDONLY)
    try:
        _hold(handle)
        with _full_disk(folder):
            yield temporary
        temporary.chmod(0o777 & ~_UMASK)
        with writing_to(folder):
            if folder.is_dir():
                folder.replace(old)
            temporary.replace(folder)
    finally:
        os.close(handle)
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yields a new folder among the system's temporary files, which is gone after the block.

    Those that killed processes left are removed.
    """
    sweep_private()
    folder = Path(tempfile.mkdtemp(prefix=_prefix(Path(_PRIVATE))))
    handle = os.open(folder, os.O_RDONLY)
    try:
        _hold(handle)
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def sweep_private() -> None:
    """Removes the folders of `private_folder` that killed processes left."""
    sweep_dead(Path(tempfile.gettempdir()), _PRIVATE)


def is_temporary(path: Path) -> bool:
    """Returns whether a path is what a run, perhaps a killed one, writes before it is moved."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep_temporaries(folder: Path) -> None:
    """Removes the temporary files and folders that killed runs left in `folder`.

    Call it only while no other process writes there.
    """
    for path in filter(is_temporary, folder.glob(".*.*")):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _hold(handle: int) -> None:
    """Marks a temporary file or folder as one that is being written, until `handle` is closed."""
    with suppress(OSError):  # some disks have no locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sweep_dead(folder: Path, name: str = "") -> None:
    """Removes the temporary files that killed runs left in a folder, once in each process.

    Those that another process holds stay. Those that are no second old are looked at the next time.

    Args:
        folder: Where to look.
        name: That of which they are; empty for any.
    """
    if (folder, name) in _swept:
        return
    young = False
    with suppress(OSError), os.scandir(folder) as entries:
        begin = f".{name}.{_MARK}" if name else "."
        named = [one for one in entries if one.name.startswith(begin)]
        found = [Path(one) for one in named if _TEMPORARY.fullmatch(one.name)]
        for path in (one for one in found if not one.name.endswith(_OLD)):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime <= _YOUNG:
                    young = True
                elif _is_dead(path):
                    _remove(path)
    if not young:
        _swept.add((folder, name))


def _is_dead(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def check_regular(path: Path, *, most: int | None = None) -> None:
    """Raises OSError if `path` is no regular file, such as a pipe or device, or is too large.

    Such a file would be read for ever, or until memory is full.

    Args:
        path: The file, or a link to it.
        most: The most bytes that it may have.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if most is not None and status.st_size > most:
        raise OSError(errno.EFBIG, f"{status.st_size} bytes are too many", str(path))


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing_to(place: Path | str, *, hint: str = "choose another output folder") -> Iterator[None]:
    """Turns what the system says against writing to `place` into one line for the user."""
    try:
        yield
    except OSError as error:
        raise BadOutputError(
            f"cannot write {place}: {error.strerror or error}", hint=hint
        ) from error


@contextmanager
def _full_disk(place: Path) -> Iterator[None]:
    """Does the same for a full disk or quota, or a file too large for the file system.

    Other errors of the caller's are the caller's own.
    """
    try:
        yield
    except BadOutputError:
        raise
    except Exception as error:
        reason = full_disk(error)
        if not reason:
            raise
        raise BadOutputError(f"cannot write {place}: {reason}") from error


def full_disk(error: BaseException) -> str:
    """Returns in the system's words that a disk or quota is full, or a file too large; else "".

    Libraries that write by themselves (safetensors, SQLite, Arrow, torch) hide it in a text.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno in _FULL else ""
    match = _FULL_WORDS.search(str(error))
    return match[0] if match else ""


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS: Final = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|database or disk is full"
)


def _prefix(path: Path) -> str:
    """Returns the start of a hidden temporary name, short even if each letter takes 4 bytes."""
    return f".{path.name[:32]}.{_MARK}"


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Read once, on import: it can only be read by changing it, for all threads.
_UMASK = _read_umask()


def _adopt_permissions(path: Path) -> None:
    """Gives a temporary file, made for its owner only, the rights of an ordinary new file."""
    path.chmod(0o666 & ~_UMASK)


def file_name(name: str) -> str:
    """Returns any name, such as an attack's spec, as the name of a file or folder.

    Letters, digits, `.`, `_`, `-`, `+` and `@` stay. Where anything else was replaced, or the name
    is long, a few digits of its SHA-256 keep two names apart.
    """
    safe = _UNSAFE.sub("-", name)
    if safe == name and len(name) <= _LONGEST and not name.startswith("."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{safe.lstrip('.')[: _LONGEST - 9]}-{digest}"


def short_name(name: str, most: int, *, of: str = "") -> str:
    """Returns a file's name cut to `most` bytes and marked, if it is longer; 255 is the usual end.

    Args:
        name: The name, of any bytes.
        most: How many bytes are kept of a longer one.
        of: What tells it from other names that begin alike; the name itself if empty.
    """
    raw = os.fsencode(name)
    if len(raw) <= most:
        return name
    mark = hashlib.sha256(os.fsencode(of or name)).hexdigest()[:12]
    return f"{raw[:most].decode('utf-8', 'ignore')}-{mark}"


_MARK: Final = "tmp-"
_OLD: Final = ".old"
_PRIVATE: Final = "demagnify"
_YOUNG: Final = 1.0
_TEMPORARY: Final = re.compile(r"\..*\." + _MARK + r"[a-z0-9_]{8}(\.old)?", re.DOTALL)
_swept: Final[set[tuple[Path, str]]] = set()
_UNSAFE: Final = re.compile(r"[^\w.+@-]+")
_LONGEST: Final = 100
