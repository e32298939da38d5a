"""Claimed folders, journals and growing arrays survive kills, damage and rivals."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core import files
from demagnify.core.array_files import NOTE_EVERY, ArrayFile
from demagnify.core.artifacts import load_state, save_state
from demagnify.core.errors import BadOutputError
from demagnify.core.runs import Journal, claim


def test_a_folder_belongs_to_one_configuration(tmp_path):
    place = tmp_path / "run"
    with claim(place, {"seed": 1, "rate": 0.1}, what="a test"):
        (place / "result").write_text("x")
    with claim(place, {"seed": 1, "rate": 0.1}, what="a test"):
        pass
    with (
        pytest.raises(BadOutputError, match="another seed") as caught,
        claim(place, {"seed": 2, "rate": 0.1}, what="a test"),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "holiday.png").write_text("x")
    with pytest.raises(BadOutputError, match="not empty"), claim(tmp_path, {}, what="a test"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


def test_a_run_killed_before_its_claim_was_written_is_no_obstacle(tmp_path):
    (tmp_path / ".run.json.tmp-a1b2c3d4").write_text("half")
    with claim(tmp_path, {"seed": 1}, what="an example") as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["run.json", "run.lock"]


def test_a_damaged_identity_is_one_line(tmp_path):
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(BadOutputError, match="cannot be read"), claim(tmp_path, {}, what="a test"):
        pass


def test_two_runs_do_not_share_a_folder(tmp_path):
    place = tmp_path / "run"
    script = (
        "import sys, time; from pathlib import Path; from demagnify.core.runs import claim\n"
        "with claim(Path(sys.argv[1]), {}, what='a test'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, place], stdout=subprocess.PIPE, env={**os.environ}
    )
    try:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(BadOutputError, match="another run writes there"),
            claim(place, {}, what="a test", wait=0.1),
        ):
            pass
    finally:
        other.kill()
        other.wait()
    with claim(place, {}, what="a test"):
        pass


def test_reading_what_is_kept_sweeps_what_killed_runs_left_beside_it(tmp_path):
    with ArrayFile(tmp_path / "a.npy", (2,), np.float32).writing() as array:
        array.append(np.zeros((3, 2), np.float32))
        array.finish()
    for folder in (tmp_path, tmp_path / "states"):
        save_state(folder / "b.safetensors", {"x": torch.zeros(2)}, {})
        files._swept.clear()  # as in another process
        left = folder / ".a.json.tmp-abcd1234"
        left.write_text("half")
        os.utime(left, (0, 0))
    ArrayFile(tmp_path / "a.npy", (2,), np.float32).rows()
    load_state(tmp_path / "states/b.safetensors")
    assert not [path for path in tmp_path.rglob("*") if files.is_temporary(path)]


def test_what_killed_runs_left_is_swept(tmp_path):
    place = tmp_path / "run"
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from demagnify.core.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1]) / 'a.png') as file:\n"
        "    file.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with claim(place, {}, what="a test"):
        killed = subprocess.run([sys.executable, "-c", script, place], check=False)
    assert killed.returncode == -signal.SIGKILL
    (place / ".hidden.of-the-user").write_text("stays")
    assert len([path for path in place.iterdir() if path.name.startswith(".")]) == 2
    with claim(place, {}, what="a test"):
        left = [path.name for path in place.iterdir() if path.name.startswith(".")]
    assert left == [".hidden.of-the-user"]


@given(st.lists(st.tuples(st.text(), st.integers() | st.text()), max_size=20))
def test_a_journal_is_read_as_it_was_written(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("journal") / "finished.jsonl"
    with Journal(path) as journal:
        for name, item in items:
            journal.add(name, item)
    with Journal(path) as again:
        for name, item in dict(items).items():
            assert again.find(name) == item
        assert again.find("no such \n item") is None
        assert again.damaged == 0


def test_damaged_lines_count_as_not_written(tmp_path):
    path = tmp_path / "finished.jsonl"
    with Journal(path) as journal:
        for number in range(5):
            journal.add(f"{number}", {"value": number})
    content = bytearray(path.read_bytes())
    lines = content.split(b"\n")
    place = len(b"\n".join(lines[:2])) + 20
    content[place] ^= 1
    path.write_bytes(bytes(content[:-4]))
    with Journal(path) as journal:
        assert [journal.find(f"{n}") is None for n in range(5)] == [False, False, True, False, True]
        assert journal.damaged == 2
        journal.add("4", {"value": 4})
    with Journal(path) as journal:
        assert journal.find("4") == {"value": 4}


def squares(count):
    return (np.arange(count, dtype=np.int64) ** 2)[:, None]


def write(path, rows, *, finish=True, batch=1):
    array = ArrayFile(path, (1,), np.int64, batch=batch)
    with array.writing() as writer:
        writer.append(rows[writer.count :])
        if finish:
            writer.finish({"kept": "this"})
    return array


@pytest.mark.parametrize("count", [0, 1, NOTE_EVERY - 1, NOTE_EVERY, 3 * NOTE_EVERY + 7])
def test_rows_come_back_and_numpy_reads_them(tmp_path, count):
    path = tmp_path / "a.npy"
    write(path, squares(count))
    again = ArrayFile(path, (1,), np.int64)
    assert again.done
    assert again.extra == {"kept": "this"}
    np.testing.assert_array_equal(again.rows(), squares(count))
    np.testing.assert_array_equal(again.rows(in_memory=False), squares(count))
    np.testing.assert_array_equal(np.load(path), squares(count))


def test_an_unfinished_array_goes_on(tmp_path):
    path = tmp_path / "a.npy"
    write(path, squares(700), finish=False)
    assert ArrayFile(path, (1,), np.int64).count == 700
    assert not ArrayFile(path, (1,), np.int64).done
    array = ArrayFile(path, (1,), np.int64, batch=64)
    with array.writing() as writer:
        assert writer.count == 640
        writer.append(squares(1500)[640:])
        writer.finish()
    np.testing.assert_array_equal(ArrayFile(path, (1,), np.int64).rows(), squares(1500))


@pytest.mark.parametrize("place", [200, 192 + 8 * NOTE_EVERY + 3, -1])
def test_a_flipped_byte_is_noticed_and_made_again(tmp_path, place):
    path = tmp_path / "a.npy"
    rows = squares(3 * NOTE_EVERY)
    write(path, rows)
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(bytes(data))
    array = ArrayFile(path, (1,), np.int64)
    assert not array.done
    assert array.count < len(rows)
    np.testing.assert_array_equal(array.rows(), rows[: array.count])
    write(path, rows)
    np.testing.assert_array_equal(ArrayFile(path, (1,), np.int64).rows(), rows)


@pytest.mark.parametrize(
    "note", ["", "null", "[" * 100_000, "{}", '{"rows": NaN}', json.dumps({"rows": 10**9})]
)
def test_a_damaged_note_makes_everything_again(tmp_path, note):
    path = tmp_path / "a.npy"
    write(path, squares(5))
    path.with_suffix(".json").write_text(note)
    array = ArrayFile(path, (1,), np.int64)
    assert (array.count, array.done) == (0, False)
    write(path, squares(5))
    np.testing.assert_array_equal(ArrayFile(path, (1,), np.int64).rows(), squares(5))


def test_rows_of_an_older_version_are_made_again_without_an_alarm(tmp_path):
    path = tmp_path / "a.npy"
    write(path, squares(5))
    note = json.loads(path.with_suffix(".json").read_text())
    del note["checksum"]
    path.with_suffix(".json").write_text(json.dumps(note))
    array = ArrayFile(path, (1,), np.int64)
    assert (array.count, array.damaged) == (0, False)


def test_rows_of_another_shape_are_made_again(tmp_path):
    path = tmp_path / "a.npy"
    write(path, squares(5))
    assert ArrayFile(path, (2,), np.int64).count == 0
    assert ArrayFile(path, (1,), np.int32).count == 0


def test_a_note_that_is_written_by_itself_has_the_extra_of_its_time(tmp_path):
    path = tmp_path / "a.npy"
    seen = []
    with ArrayFile(path, (1,), np.int64).writing() as writer:
        for number in range(600):
            writer.append(np.array([[number]]), extra=lambda number=number: {"done": number + 1})
            if number == 520:
                seen.append(ArrayFile(path, (1,), np.int64).extra)
        writer.finish({"done": 600})
    assert seen == [{"done": 512}]


def test_every_flipped_byte_of_a_note_is_noticed(tmp_path):
    path = tmp_path / "rows.npy"
    with ArrayFile(path, (2,), np.int64).writing() as writer:
        writer.append(np.arange(12).reshape(6, 2))
        writer.finish({"left_out": [3], "names": {2: "a", 10: "b"}})
    note = path.with_suffix(".json")
    good = note.read_bytes()
    kept = {"left_out": [3], "names": {"2": "a", "10": "b"}}
    assert ArrayFile(path, (2,), np.int64).extra == kept
    for place in range(len(good) - 1):
        damaged = bytearray(good)
        damaged[place] ^= 4
        note.write_bytes(damaged)
        found = ArrayFile(path, (2,), np.int64)
        assert (found.count, found.extra) in ((0, None), (6, kept))
