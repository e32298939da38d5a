"""A short slice of the fuzzing campaigns, and what they cannot do in one process."""

import json
import os
import random
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import fuzz_campaign
import fuzz_kinds
import fuzz_places
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core import documents
from demagnify.core.printing import printable

CASES = int(os.environ.get("DEMAGNIFY_FUZZ_CASES", "12"))


@pytest.mark.parametrize("kind", fuzz_kinds.KINDS)
def test_damaged_files_are_read_or_refused_in_one_line(kind, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = {n: fuzz_kinds.run(kind, 1, n, tmp_path) for n in range(CASES)}
    assert {n: o for n, o in outcomes.items() if o not in ("read", "refused")} == {}


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *(("image", 408), ("image", 1163), ("checkpoint", 1221), ("checkpoint", 2673)),
        *(("table_json_lines", 736), ("onnx_file", 109), ("onnx_file", 187), ("ncnn", 6392)),
    ],
)
def test_what_campaigns_found_stays_mended(kind, number, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fuzz_kinds.run(kind, 0, number, tmp_path) in ("read", "refused")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
@settings(max_examples=CASES * 4, deadline=None)
def test_what_json_can_hold_is_read_back(value):
    assert documents.parse_json(json.dumps(value)) == value


@given(st.binary(max_size=60))
@settings(max_examples=CASES * 10, deadline=None)
def test_any_bytes_are_json_or_refused(data):
    assert fuzz_kinds.refusal(documents.parse_json, data).count("\n") == 0


@given(st.text(max_size=40))
@settings(max_examples=CASES * 10, deadline=None)
def test_any_text_is_safe_on_a_terminal(text):
    shown = printable(text)
    assert shown.isprintable() or not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in shown)
    assert printable(shown) == shown


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path):
    log = tmp_path / "fuzz.jsonl"
    row = {"seed": 0, "kind": "name", "case": 0, "outcome": "read"}
    log.write_text(json.dumps(row) + "\n" + '{"seed": 0, "ki')
    assert fuzz_campaign.finished(log, 0, "name") == [row]
    assert fuzz_campaign.finished(log, 1, "name") == []


def test_a_seed_gives_the_same_case():
    first, second = (fuzz_kinds.mutation.mutate(b"x" * 50, random.Random(3)) for _ in range(2))
    assert first == second


PROBE = """
import socket, sys
def forbidden(*_, **__):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = forbidden
sys.argv = ["demagnify", *sys.argv[1:]]
from demagnify import cli
cli.main()
"""


def command(*arguments: object, **limits: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **limits,
    )


@pytest.mark.assets
def test_detect_opens_no_socket(asset, tmp_path):
    asset("yunet")
    (tmp_path / "a.png").write_bytes(fuzz_kinds._pictures()[3][1])
    ended = command("detect", tmp_path / "a.png", "--device", "cpu")
    assert "connection" not in ended.stderr
    assert ended.returncode in (0, 1, 3), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_full_disk_is_one_line(tmp_path):
    for name in ("real", "fake"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            path: Path = tmp_path / "data" / name / f"{number}.png"
            path.write_bytes(fuzz_kinds._pictures()[3][1])
    small = 200
    ended = command(
        *("data", "describe", tmp_path / "data", "--out", tmp_path / "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (small, small)),
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "File too large" in ended.stderr


@pytest.mark.slow
def test_a_killed_command_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    script = Path(__file__).with_name("fuzz_machine.py")
    some = ("--kills", "1", "--pairs", "1", "--verbs", "describe", "--log", tmp_path / "log")
    ended = subprocess.run(
        [sys.executable, script, *map(str, some)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_command_that_cannot_work_says_so(tmp_path):
    script = Path(__file__).with_name("fuzz_places.py")
    some = ("--cases", "1", "--verbs", "describe", "--log", tmp_path / "log", "--places")
    places = ("full disk", "read-only", "closed streams", "full stdout", "long name")
    ended = subprocess.run(
        [sys.executable, script, *map(str, some), *places],
        capture_output=True,
        text=True,
        check=False,
    )
    if fuzz_places.NO_SPACE in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stdout + ended.stderr
