"""`demagnify adaptive-attack`: the best attack for each face, from the command line."""

import csv
import json

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.assets.store import CACHE_VARIABLE
from demagnify.evaluation.adaptive import SearchConfig

ATTACKS = ("--attack", "bicubic-x2", "--attack", "bicubic-x3+bicubic-x2")
QUICK = (
    *ATTACKS,
    "--resamples",
    20,
    "--device",
    "cpu",
    "--precision",
    "float32",
)


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for number in range(8):
        pixels = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        label = ("real", "fake")[number % 2]
        images.save_png(tmp_path / "faces" / "test" / label / f"{number}.png", pixels)
    return tmp_path / "faces"


@pytest.fixture
def attack(run, faces, tmp_path, defense):
    return lambda *options: run(
        "adaptive-attack", faces, tmp_path / "out", "--against", defense, *QUICK, *options
    )


def test_it_attacks_and_tells(attack, tmp_path):
    ended = attack("--budget", 3)
    assert (ended.code, ended.err) == (0, "")
    assert ended.sentences[0] == (
        "4 real and 4 fake faces in 8 groups, split test of faces, 64x64 pixels"
    )
    assert "against defended test_efficientnet:" in ended.lines
    assert "against test_efficientnet:" in ended.lines
    assert ended.lines[-1].startswith(f"look at {tmp_path / 'out' / 'adaptive.png'}")
    written = json.loads((tmp_path / "out" / "adaptive.json").read_text())
    assert written["settings"] == SearchConfig(budget=3).model_dump()
    assert [tried["name"] for tried in written["target"]["attacks"]] == [
        "bicubic-x2",
        "bicubic-x3+bicubic-x2",
    ]
    assert images.load(tmp_path / "out" / "adaptive.png").shape[2] == 3


def test_options_reach_the_attacker(attack, tmp_path):
    options = ("--faces", "fakes", "--stop-at-success", "--order", "quality", "--subsample", 4)
    ended = attack(*options, "--min-psnr", 99)
    assert ended.code == 0
    with (tmp_path / "out" / "faces" / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows].count("fake") == 2
    assert {row["attack"] for row in rows} == {"none"}
    assert {row["queries"] for row in rows if row["label"] == "fake"} == {"1"}
    settings = json.loads((tmp_path / "out" / "adaptive.json").read_text())["settings"]
    expected = {"stop_at_success": True, "order": "quality", "targets": "fakes", "min_psnr": 99.0}
    assert settings.items() >= expected.items()


def test_defaults_are_those_of_the_library(attack, tmp_path):
    assert attack().code == 0
    settings = json.loads((tmp_path / "out" / "adaptive.json").read_text())["settings"]
    assert settings == SearchConfig().model_dump()


def test_a_bad_file_is_skipped_and_told(attack, faces):
    (faces / "test" / "real" / "bad.png").write_bytes(b"no photograph")
    ended = attack()
    assert ended.code == 3
    assert ended.err.startswith("skipped test/real/bad.png: ")
    ended = attack("--strict")
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.complaints) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--against", "nobody"], "nobody"),
        (["--attack", "srgan-x3"], "srgan-x3"),
        (["--attack", "bicubic-x2@k0"], "k0"),
        (["--split", "trial"], "trial"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(attack, options, told):
    ended = attack(*options)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.complaints) == 1
    assert told in ended.err


def test_only_no_attack_is_nothing_to_choose_from(run, faces, tmp_path, defense):
    ended = run(
        "adaptive-attack", faces, tmp_path / "out", "--against", defense, "--attack", "none"
    )
    assert (ended.code, ended.out) == (1, "")
    assert "no attack to choose from" in ended.err


@pytest.mark.parametrize("options", [["--budget", 1], ["--faces", "cats"], ["--order", "x"]])
def test_wrong_usage_ends_with_2(attack, options):
    ended = attack(*options)
    assert ended.code == 2
    assert options[0] in ended.err
