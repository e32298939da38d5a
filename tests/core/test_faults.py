"""Faults of the machine, as a dozen libraries raise them, are one line each."""

import errno
import sqlite3
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from safetensors import SafetensorError

from demagnify.core.documents import parse_json, parse_yaml, read_json
from demagnify.core.errors import BadOutputError
from demagnify.core.faults import explain
from demagnify.core.files import atomic_path

FAULTS = {
    "memory": (MemoryError(), "not enough memory"),
    "numpy": (np._core._exceptions._ArrayMemoryError((10,), np.dtype(float)), "not enough memory"),
    "torch": (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
    "onednn": (RuntimeError("could not create a primitive"), "not enough memory"),
    "threads": (RuntimeError("can't start new thread"), "no more threads"),
    "home": (RuntimeError("Could not determine home directory."), "set HOME"),
    "disk": (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: No space left"),
    "sqlite": (sqlite3.OperationalError("database or disk is full"), "disk is full"),
    "locked": (sqlite3.DatabaseError("file is not a database"), "cannot be read or written"),
    "safetensors": (
        SafetensorError("I/O error: No space left on device (os error 28)"),
        "No space",
    ),
    "name": (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "too long"),
    "rights": (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
    "arrow": (pa.ArrowInvalid("first line\nsecond line\n  third"), "first line"),
    "wheel": (RuntimeError("File 'a' is encrypted, password required"), "is encrypted"),
    "zip": (zipfile.BadZipFile("Bad magic number"), "Bad magic number"),
    "deep": (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
    "bytes": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "text"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_the_machine_is_one_line(kind):
    error, said = FAULTS[kind]
    line = explain(error)
    assert said in line
    assert "\n" not in line
    assert len(line) < 500


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), KeyError("x"), RuntimeError("odd")])
def test_a_fault_of_ours_is_not_explained_away(error):
    assert explain(error) is None


@pytest.mark.parametrize(
    "error", [SafetensorError, sqlite3.OperationalError, OSError, RuntimeError]
)
def test_a_full_disk_names_the_file_whoever_wrote_it(tmp_path, error):
    with pytest.raises(BadOutputError, match=r"out\.bin: No space left on device"):  # noqa: SIM117
        with atomic_path(tmp_path / "out.bin"):
            raise error("Error: No space left on device (os error 28)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 10_000, "", "{", '{"a": 1', "\ud800", b"\xff\xfe{", b"\x00"]
)
def test_what_is_no_json_is_told_in_one_line(text):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_json(text)


@pytest.mark.parametrize("text", ["[" * 5000, "a: [", "2001-99-99", "!!python/object:os.system x"])
def test_what_is_no_yaml_is_told_in_one_line(text):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_yaml(text)


def test_json_with_a_mark_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no regular file"):
        read_json(tmp_path / "zero")
