"""The research loop as a user types it, on tiny faces: each command reads what the last wrote."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from demagnify.cli.console import show_evaluation
from demagnify.core import images
from demagnify.core.assets.store import CACHE_VARIABLE
from demagnify.core.sealed import write_sealed
from demagnify.evaluation import load_result

PRESET = """
defense:
  size: 64
  actions: [identity, mask-center]
  state: thumbnail
  seed: 7
  learner: {episodes: 64, environments: 8, hidden: 8}
"""
EXACT = ("--device", "cpu", "--precision", "float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("research")


@pytest.fixture(scope="module")
def faces(folder):
    """Folders train, val and test with real and fake: no metadata.csv is needed."""
    random = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        for number in range(2 * count):
            label = ("real", "fake")[number % 2]
            pixels = random.integers(60, 200, (64, 64, 3), dtype=np.uint8)
            pixels[..., 0] += np.uint8(50 * (number % 2))
            images.save_png(folder / "faces" / split / label / f"{number}.png", pixels)
    return folder / "faces"


@pytest.fixture(autouse=True)
def _cache(folder, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))


@pytest.fixture
def detector(run, folder, faces):
    """What train-detector wrote; it is trained once, and then only found finished."""
    network = ("--backbone", "test_efficientnet", "--weights", "none", "--size", 64)
    steps = ("--epochs", 2, "--batch-size", 4, "--seed", 5)
    ended = run("train-detector", folder / "detector", "--data", faces, *network, *steps, *EXACT)
    assert ended.code == 0, ended.err
    return folder / "detector", ended


@pytest.fixture
def defense(run, folder, faces, detector):
    (folder / "tiny.yaml").write_text(PRESET)
    settings = ("--preset", folder / "tiny.yaml", "--set", "defense.learner.hidden=4")
    against = ("--detector", detector[0], "--attack", "bicubic-x2")
    ended = run("train-defense", folder / "defense", "--data", faces, *against, *settings, *EXACT)
    assert ended.code == 0, ended.err
    return folder / "defense", ended


@pytest.fixture
def evaluation(run, folder, faces, defense):
    attacks = ("--attack", "bicubic-x2", "--attack", "bicubic-x4", "--attack", "none")
    how = ("--resamples", 20, "--title", "tiny faces", *EXACT)
    ended = run(
        "evaluate", folder / "run", "--data", faces, "--defense", defense[0], *attacks, *how
    )
    assert ended.code == 0, ended.err
    return folder / "run", ended


def test_a_detector_is_hardened_and_told_of(run, folder, faces, detector):
    pool = ("--surrogates", 1, "--surrogate-steps", 2, "--attack", "bicubic-x2")
    started = (folder / "hard", "--data", faces, "--detector", detector[0], "--size", 64, *pool)
    ended = run("harden", *started, "--rounds", 1, "--device", "cpu")
    assert ended.code == 0, ended.err
    assert any(line.startswith("round 1: balanced accuracy ") for line in ended.lines)
    (best,) = (line for line in ended.lines if line.startswith("best: "))
    assert ("round 0: " in best) == ("hardening changed nothing" in ended.out)
    assert ended.lines[-1].startswith(f"written to {folder / 'hard'}")
    with Image.open(folder / "hard.rounds.png") as picture:
        assert picture.size[0] > 600
    card = json.loads((folder / "hard" / "card.json").read_text())
    assert [one["number"] for one in card["hardening"]["rounds"]] == [0, 1]
    assert card["seen_attacks"] == ["filters", "bicubic-x2"]
    assert "faithful-x2-1" in card["hardening"]["rounds"][0]["degradations"]
    again = run("harden", *started, "--rounds", 1, "--device", "cpu")
    assert (again.code, again.lines[-2:]) == (0, ended.lines[-2:])


def test_a_shipped_name_that_is_none_is_refused(run, folder, faces):
    ended = run("harden", folder / "x", "--data", faces, "--detector", "nothing-like-it")
    assert ended.code == 1
    assert "nothing-like-it" in ended.err


def test_a_detector_is_trained_and_told_of(detector, faces):
    output, ended = detector
    card = json.loads((output / "card.json").read_text())
    assert card["training"]["epochs"] == 2
    assert card["training"]["seed"] == 5
    assert card["detector"]["backbone"] == "test_efficientnet"
    best = card["validation"]
    assert f"validation: AUC {best['val_auc']:.3f}" in ended.out
    val = card["data"]["val"]
    words = " ".join(ended.out.split())  # a sentence is wrapped where the terminal ends
    assert f"n = {val['real']} real and {val['fake']} fake faces)" in words
    assert ended.lines[-1] == f"written to {output}"


def test_a_defence_is_trained_with_the_presets_settings_and_what_is_set(defense):
    output, ended = defense
    card = json.loads((output / "card.json").read_text())
    assert card["training"]["actions"] == ["identity", "mask-center"]
    assert card["training"]["learner"]["episodes"] == 64
    assert card["training"]["learner"]["hidden"] == 4
    assert card["training"]["seed"] == 7
    assert card["seen_attacks"] == ["bicubic-x2"]
    assert ended.lines[0] == ("training: 8 real and 8 fake faces, each clean and under bicubic-x2")
    assert "after 64 episodes: mean reward" in ended.out


def test_a_seed_on_the_command_line_wins_over_the_presets(run, folder, faces, defense, detector):
    ended = run(
        "train-defense",
        folder / "seeded",
        *("--data", faces, "--detector", detector[0], "--preset", folder / "tiny.yaml"),
        *("--seed", 3, *EXACT),
    )
    assert ended.code == 0, ended.err
    card = json.loads((folder / "seeded" / "card.json").read_text())
    assert card["training"]["seed"] == 3


def test_an_evaluation_is_written_and_told(evaluation):
    output, ended = evaluation
    document = json.loads((output / "results.json").read_text())
    assert document["context"]["title"] == "tiny faces"
    assert document["context"]["command"].startswith(f"demagnify evaluate {output} --data ")
    assert document["context"]["data"] == "faces"
    assert document["settings"]["resamples"] == 20
    assert [condition["name"] for condition in document["conditions"]] == [
        "none",
        "bicubic-x2",
        "bicubic-x4",
        "adaptive",
    ]
    assert ended.lines[-1] == f"look at {output / 'report.html'}"
    shown = " ".join(ended.out.split())
    assert "Balanced accuracy in %" in shown
    assert "bicubic" in shown.lower()


def test_names_with_brackets_are_shown_as_they_are(evaluation, tmp_path, monkeypatch, capsys):
    output, _ = evaluation
    text = (output / "results.json").read_text().replace("bicubic-x4", "4x[/compact]:net:")
    write_sealed(tmp_path / "results.json", text)
    monkeypatch.setenv("COLUMNS", "250")
    show_evaluation(load_result(tmp_path))
    assert "4x[/compact]:net:" in capsys.readouterr().out


def test_a_report_is_made_again_from_the_record_alone(run, evaluation):
    output, _ = evaluation
    before = {name: (output / name).read_bytes() for name in ("report.md", "report.tex")}
    for name in (*before, "report.html"):
        (output / name).unlink()
    ended = run("report", output)
    assert ended.code == 0
    names = ("report.html", "report.md", "report.tex")
    assert ended.lines == [f"wrote {output / name}" for name in names]
    assert {name: (output / name).read_bytes() for name in before} == before


def test_the_trained_defence_judges_photographs(run, finder, defense, faces):
    ended = run("detect", faces / "test", "--defense", defense[0], "--json", *EXACT)
    assert ended.code == 0
    assert len(ended.lines) == 8


@pytest.fixture
def damaged(faces, tmp_path):
    """The faces, one of each split damaged."""
    source = shutil.copytree(faces, tmp_path / "faces")
    Image.new("RGB", (3, 3)).save(source / "train" / "real" / "0.png")
    (source / "val" / "fake" / "1.png").write_bytes(b"no photograph")
    (source / "test" / "fake" / "1.png").write_bytes(b"no photograph")
    return source


def told_of_skipped(ended):
    assert not any("skipped" in line for line in ended.lines)
    lines = [line for line in ended.err.splitlines() if line.startswith("skipped ")]
    return [line.removeprefix("skipped ").split(": ")[0] for line in lines]


def test_bad_files_are_told_once_and_the_training_goes_on(run, damaged, tmp_path):
    call = ("train-detector", tmp_path / "detector", "--data", damaged, "--size", 32, "--epochs", 1)
    network = ("--backbone", "test_efficientnet", "--weights", "none", *EXACT)
    ended = run(*call, *network)
    assert ended.code == 3, ended.err
    assert told_of_skipped(ended) == ["train/real/0.png", "val/fake/1.png"]
    strict = run(*call[:1], tmp_path / "strict", *call[2:], *network, "--strict")
    assert strict.code == 1
    assert "0.png" in strict.err
    assert len(strict.complaints) == 1


def test_bad_files_are_told_by_the_exit_code_of_every_verb(
    run, folder, damaged, detector, defense, tmp_path
):
    preset = ("--preset", folder / "tiny.yaml", "--detector", detector[0])
    ended = run("train-defense", tmp_path / "a", "--data", damaged, *preset, *EXACT)
    assert (ended.code, told_of_skipped(ended)) == (3, ["train/real/0.png"])
    how = ("--detector", detector[0], "--size", 64, "--rounds", 1, "--device", "cpu")
    how = (*how, "--surrogates", 0)
    ended = run("harden", tmp_path / "b", "--data", damaged, *how)
    assert (ended.code, told_of_skipped(ended)) == (3, ["train/real/0.png", "val/fake/1.png"])
    how = ("--defense", defense[0], "--resamples", 20, "--no-fit-baselines", *EXACT)
    ended = run("evaluate", tmp_path / "c", "--data", damaged, *how)
    assert (ended.code, told_of_skipped(ended)) == (3, ["val/fake/1.png", "test/fake/1.png"])


def test_a_finished_training_of_other_settings_is_not_overwritten(run, detector, faces):
    output, _ = detector
    before = (output / "card.json").read_bytes()
    network = ("--backbone", "test_efficientnet", "--weights", "none", "--size", 64)
    ended = run("train-detector", output, "--data", faces, *network, "--epochs", 3, *EXACT)
    assert (ended.code, ended.out) == (1, "")
    assert "belongs to another training: settings" in ended.err
    assert (output / "card.json").read_bytes() == before


def test_faces_of_one_split_only_cannot_be_trained_on(run, photos, tmp_path):
    source = photos("real/a.png", "fake/b.png")
    ended = run("train-detector", tmp_path / "out", "--data", source)
    assert (ended.code, ended.out) == (1, "")
    assert "no image is in the split 'train' (there are: all; demagnify data" in ended.err


def test_assets_are_listed_as_a_table_and_as_json(run, monkeypatch):
    ended = run("assets", "--json")
    rows = json.loads(ended.out)
    assert {"yunet", "celeba-999", "srgan-x4"} <= {row["name"] for row in rows}
    assert not any(row["present"] for row in rows)
    monkeypatch.setenv("COLUMNS", "200")
    table = run("assets").out
    assert all(row["name"] in table and row["licence"] in table for row in rows)
