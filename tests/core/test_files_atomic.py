"""Writing in one step: what a reader, a failure, a full disk and odd names see."""

import errno
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demagnify.core import files
from demagnify.core.errors import BadOutputError


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with files.atomic_path(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted():
        with files.atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_and_bytes_come_back(tmp_path):
    files.write_text(tmp_path / "a", "Zoë ✓\n")
    files.write_bytes(tmp_path / "b", b"\0\xff")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "Zoë ✓\n"
    assert (tmp_path / "b").read_bytes() == b"\0\xff"


@pytest.mark.parametrize("name", ["顔" * 83 + ".png", "é" * 120, os.fsdecode(b"\xff\xfe.png")])
def test_long_and_odd_names_can_be_written(tmp_path, name):
    files.write_bytes(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_new_files_have_the_rights_of_ordinary_ones(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    files.write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


def test_many_threads_get_the_same_rights(tmp_path):
    paths = [tmp_path / str(number) for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: files.write_text(path, "x"), paths))
    assert len({path.stat().st_mode for path in paths}) == 1


@pytest.mark.parametrize("write", [files.atomic_path, files.atomic_folder])
def test_a_place_below_a_file_is_refused_in_one_line(tmp_path, write):
    (tmp_path / "file").touch()
    with (
        pytest.raises(BadOutputError, match=r"cannot write .*file/a") as caught,
        write(tmp_path / "file" / "a"),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(BadOutputError, match="cannot write"):
        files.write_text(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(BadOutputError, match="cannot write"), files.atomic_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("write", [files.atomic_path, files.atomic_folder])
@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "No space left"), (errno.EFBIG, "File too large")]
)
def test_a_full_disk_is_said_in_one_line(tmp_path, write, number, said):
    with pytest.raises(BadOutputError, match=said), write(tmp_path / "a"):
        raise OSError(number, said)
    assert list(tmp_path.iterdir()) == []


def test_other_faults_of_the_block_are_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError), files.atomic_path(tmp_path / "a"):
        (tmp_path / "missing").read_text()


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "stale").touch()
    with files.atomic_folder(folder) as temporary:
        (temporary / "fresh").touch()
    assert [path.name for path in folder.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_put_in_place_gives_the_old_one_back(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "precious").touch()
    replace = Path.replace

    def failing(self, target):
        if target == folder and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with (
        pytest.raises(BadOutputError, match="Input/output"),
        files.atomic_folder(folder) as temporary,
    ):
        (temporary / "fresh").touch()
    assert [path.name for path in folder.iterdir()] == ["precious"]
    assert list(tmp_path.iterdir()) == [folder]


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "a") == expected


def test_what_a_killed_run_left_is_swept_and_what_is_being_written_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_swept", set())
    left = [tmp_path / ".a.txt.tmp-abcd1234", tmp_path / ".new\nline.tmp-abcd1234"]
    folder = tmp_path / ".run.tmp-abcd1234"
    own = tmp_path / ".a.txt.tmp"
    for path in (*left, own):
        path.write_text("half")
    folder.mkdir()
    with files.atomic_path(tmp_path / "b.txt") as written:
        written.write_text("b")
        for path in (*left, folder, written, own):
            os.utime(path, (0, 0))
        files._swept.clear()
        files.write_text(tmp_path / "a.txt", "whole")
        assert written.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.txt.tmp", "a.txt", "b.txt"]


def test_what_was_too_young_to_be_swept_is_swept_later(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_swept", set())
    left = tmp_path / ".a.txt.tmp-abcd1234"
    left.write_text("half")
    files.write_text(tmp_path / "a.txt", "whole")
    assert left.exists()
    os.utime(left, (0, 0))
    files.write_text(tmp_path / "b.txt", "whole")
    assert not left.exists()


def test_a_private_folder_is_gone_after_its_block_and_those_of_killed_processes_are_too(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(files, "_swept", set())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, signal\n"
        "from demagnify.core.files import private_folder\n"
        "with private_folder() as folder:\n"
        "    (folder / 'clip').write_text('a face')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "clip").exists()
    others = tmp_path / ".other.tmp-abcd1234"
    others.mkdir()
    for path in (left, others):
        os.utime(path, (0, 0))
    with files.private_folder() as folder:
        os.utime(folder, (0, 0))
        files._swept.clear()
        files.sweep_private()
        assert sorted(tmp_path.iterdir()) == sorted([folder, others])
    assert list(tmp_path.iterdir()) == [others]
