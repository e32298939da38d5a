"""`demagnify detect` on good photographs: verdicts in words, as JSON, and drawn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from toy_photos import photograph

from demagnify.agents.loading import load_defense
from demagnify.core import images
from demagnify.data.face_finding import crop
from demagnify.inference.answers import SCOPE, SCOPES

ASTRONAUT = Path(__file__).parents[1] / "inference" / "astronaut.png"
EXACT = ("--device", "cpu", "--precision", "float32")


@pytest.fixture
def detect(run, finder, defense):
    return lambda *arguments: run("detect", "--defense", defense, *EXACT, *arguments)


def test_every_face_gets_a_line(detect, photos):
    folder = photos("a.png", "b/c.png")
    ended = detect(folder)
    assert ended.code == 0
    assert ended.complaints == [f"scope of the default: {SCOPE}"]
    assert max(map(len, ended.err.splitlines())) <= 80
    heads = [line for line in ended.lines if line[0] != " "]
    assert [line.split(",")[0] for line in heads] == [
        f"{folder / name}: face {number}" for name in ("a.png", "b/c.png") for number in (1, 2)
    ]
    assert all(line.endswith((": fake", ": real")) for line in heads)
    assert [len(line) for line in ended.lines if line[0] == " " and len(line) > 80] == []
    scores = [line for line in ended.lines if line.startswith("  score 0.")]
    assert len(scores) == len(heads)
    actions = {line.partition(", corrected by ")[2] for line in scores}
    assert "identity" not in actions
    assert actions <= {"", "mask-center", "median"}


def test_the_lines_of_the_default_tell_what_its_score_is(run, tmp_path):
    images.save_png(tmp_path / "a.png", np.asarray(Image.open(ASTRONAUT).convert("RGB")))
    ended = run("detect", tmp_path / "a.png")
    assert ended.complaints == [f"scope: {SCOPE}"]
    head, score, enhancement, *meaning = ended.lines
    assert head.startswith(f"{tmp_path / 'a.png'}: face 1, crop of ")
    assert score.endswith(", mean of 2 views")
    assert enhancement.startswith(("  captured", "  cannot tell", "  enhanced"))
    assert any("likelihood ratio" in line for line in meaning)


def test_verify_counts_the_answers_and_finds_the_inputs_of_another_folder(
    run, tmp_path, monkeypatch
):
    images.save_png(tmp_path / "in" / "a.png", np.asarray(Image.open(ASTRONAUT).convert("RGB")))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no photograph")
    monkeypatch.chdir(tmp_path)
    run("detect", "in", "--report", "case")
    ended = run("verify", "case")
    what = "1 answer as recorded; 1 file with no answer, or not a whole one"
    assert (ended.code, ended.lines) == (0, [f"case: all files are unchanged, {what}"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ended = run("verify", "../case")
    assert (ended.code, ended.lines[1]) == (1, "in/a.png: the file is missing")
    assert run("verify", "../case", "--inputs", tmp_path).code == 0


def test_an_expert_states_its_own_scope(run, tmp_path):
    images.save_png(tmp_path / "a.png", np.asarray(Image.open(ASTRONAUT).convert("RGB")))
    ended = run("detect", tmp_path / "a.png", "--defense", "portraits")
    assert ended.complaints == [f"scope: {SCOPES['portraits']}"]


def test_json_is_one_object_a_line_and_keeps_its_word(detect, photos):
    folder = photos(*(f"{number}.png" for number in range(8)))
    ended = detect("--json", folder)
    assert ended.code == 0
    photographs = [json.loads(line) for line in ended.lines]
    assert [one["file"] for one in photographs] == [str(path) for path in sorted(folder.iterdir())]
    faces = [face for one in photographs for face in one["faces"]]
    assert len(faces) == 16
    for face in faces:
        x, y, width, height = face["box"]
        assert 0 <= x < x + width <= 80
        assert 0 <= y < y + height <= 60
        assert 0 <= face["score"] <= 1
        assert (face["score"] > 0.5) == (face["verdict"] == "fake")
        assert face["action"] in ("identity", "mask-center", "median")
    assert {face["verdict"] for face in faces} == {"real", "fake"}
    assert all(one["problem"] is None for one in photographs)


def test_the_verdict_is_the_defended_detectors_on_the_crop(detect, photos, finder, defense):
    folder = photos("a.png", "b.png", "c.png")
    judged = [face for line in detect("--json", folder).lines for face in json.loads(line)["faces"]]
    defended = load_defense(defense, device="cpu", precision="float32")
    crops = [
        crop(pixels, face, size=defended.input_size)
        for pixels in map(images.load, sorted(folder.iterdir()))
        for face in finder.find(pixels)
    ]
    decisions = defended.decide(images.to_batch(crops))
    assert [face["action"] for face in judged] == [
        defended.actions[number].name for number in decisions.actions
    ]
    logits = torch.tensor([face["logit"] for face in judged])
    torch.testing.assert_close(logits, decisions.logits, rtol=1e-4, atol=1e-5)
    fake = (decisions.logits > defended.threshold).tolist()
    assert [face["verdict"] == "fake" for face in judged] == fake


def test_a_bare_detector_judges_and_leaves_every_face(detect, defense, photos):
    folder = photos("a.png")
    ended = detect("--json", folder, "--defense", defense / "detector")
    faces = json.loads(ended.out)["faces"]
    assert [face["action"] for face in faces] == ["identity", "identity"]


def test_saved_pictures_have_the_photographs_names(detect, photos, tmp_path):
    folder = photos("a.png", "more/b.jpg")
    before = [path.read_bytes() for path in sorted(folder.rglob("*.*"))]
    ended = detect(folder, "--save", tmp_path / "drawn")
    assert ended.code == 0
    drawn = [path for path in (tmp_path / "drawn").rglob("*") if path.is_file()]
    names = sorted(path.relative_to(tmp_path / "drawn").as_posix() for path in drawn)
    assert names == ["a.verdict.png", "more/b.verdict.png"]
    for name in ("a.png", "more/b.jpg"):
        drawing = (tmp_path / "drawn" / name).with_suffix(".verdict.png")
        original, picture = images.load(folder / name), images.load(drawing)
        assert picture.shape == original.shape
        assert not np.array_equal(picture, original)
    assert [path.read_bytes() for path in sorted(folder.rglob("*.*"))] == before


def test_photographs_of_one_name_are_drawn_beside_each_other(detect, photos, tmp_path):
    one, other = photos("x.png", folder="one"), photos("y.png", "x.png", folder="other")
    detect(one, other, other / "x.png", "--save", tmp_path / "drawn")
    names = ["x.png.2.verdict.png", "x.png.verdict.png", "x.verdict.png", "y.verdict.png"]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == names
    first, second = (images.load(tmp_path / "drawn" / names[place]) for place in (2, 1))
    apart = np.abs(first.astype(int) - images.load(one / "x.png")).mean()
    assert apart < np.abs(first.astype(int) - images.load(other / "x.png")).mean()
    assert not np.array_equal(first, second)


def test_a_picture_is_drawn_over_no_photograph(detect, photos):
    folder = photos("x.png", "x.verdict.png")
    before = (folder / "x.verdict.png").read_bytes()
    detect(folder, "--save", folder)
    assert (folder / "x.verdict.png").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "x.png",
        "x.png.verdict.png",
        "x.verdict.png",
        "x.verdict.verdict.png",
    ]


def test_what_was_drawn_is_not_judged_the_next_time(detect, photos):
    folder = photos("a.png")
    first = detect(folder, "--save", folder / "drawn")
    assert (folder / "drawn" / "a.verdict.png").is_file()
    assert detect(folder, "--save", folder / "drawn").out == first.out
    assert sum(line[0] != " " for line in detect(folder).lines) == 4


def test_a_photograph_without_verdict_is_not_drawn(detect, tmp_path):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "even.png")
    assert detect(tmp_path / "even.png", "--save", tmp_path / "drawn").code == 1
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize("name", ["Zoë 顔.png", os.fsdecode(b"caf\xe9.png")])
def test_a_file_may_have_any_name(detect, tmp_path, name):
    images.save_png(tmp_path / name, photograph())
    ended = detect("--json", tmp_path / name)
    assert ended.code == 0
    assert json.loads(ended.out)["file"] == str(tmp_path / name)


def test_a_name_that_no_system_takes_is_a_missing_photograph(detect, photos):
    ended = detect("x" * 300, photos("a.png"))
    assert ended.code == 3
    assert len(ended.complaints) == 2  # the scope is the last one
    assert "cannot be read" in ended.err


def test_names_of_any_bytes_reach_a_terminal(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    environment = {**os.environ, "PYTHONUTF8": "1", "DEMAGNIFY_CACHE": os.fsdecode(name)}
    asked = [sys.executable, "-m", "demagnify", "assets"]
    ended = subprocess.run(asked, capture_output=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert f"cache: {tmp_path}/caf\\xe9".encode() in ended.stdout


def test_output_writes_shards_and_a_summary(detect, photos, tmp_path):
    folder = photos("a.png", "b/c.png")
    (folder / "broken.png").write_bytes(b"broken")
    command = ("--output", tmp_path / "out", "--workers", "0", "--unit", "2", folder)
    ended = detect(*command)
    assert ended.code == 3
    assert ended.lines[0].startswith("3 inputs: 4 faces, 1 left out; 5 rows in 2 shards in ")
    assert any(line.startswith("skipped 1: not an image") for line in ended.complaints)
    rows = parquet.read_table(tmp_path / "out/shards").to_pylist()
    assert [row["input"] for row in rows] == [
        str(folder / name) for name in ("a.png", "a.png", "broken.png", "b/c.png", "b/c.png")
    ]
    again = detect(*command)
    assert "2 of the shards were there" in again.out


@pytest.mark.parametrize("more", [("--json", "--output", "x"), ("--engine", "ray")])
def test_what_does_not_go_together_is_a_usage_error(detect, photos, more):
    assert detect(photos("a.png"), *more).code == 2


def test_a_heat_map_is_checked_and_asked_for_with_a_place_to_show_it(detect, photos, tmp_path):
    folder = photos("a.png")
    ended = detect("--explain", "--save", tmp_path / "drawn", folder)
    assert ended.code == 0
    told = " ".join(" ".join(ended.lines).split())
    found = told.count("heat map of what speaks for") + told.count("no heat map, as it failed")
    assert found == 2
    assert (tmp_path / "drawn" / "a.verdict.png").is_file()
    refused = detect("--explain", folder)
    assert refused.code == 2
    assert "--explain goes with --save, --report or --json" in refused.complaints[-1]
    refused = detect("--explain", "--output", tmp_path / "rows", folder)
    assert refused.code == 2
