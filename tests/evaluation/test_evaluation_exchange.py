"""Scores for other tools: what is written follows their contracts, and gives the same figures."""

import csv
import gzip
import json
import re

import numpy as np
import pytest

from demagnify import cli
from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.evaluation.exchange import (
    SCORE_FORMATS,
    ScoreColumn,
    ScoredRun,
    create,
    load_run,
    load_scores,
)
from demagnify.evaluation.results import ADAPTIVE
from demagnify.evaluation.suite.row import Statistics

STATISTICS = Statistics(seed=4, resamples=40)
ABSOLUTE = re.compile(r"(?:^|[\s=:,;\"'(])(?:~/|/(?![/\s]))|file:///")
"""What deepfake-workbench takes for a path of a machine."""


@pytest.fixture(scope="module")
def scored(loop):
    return load_run(loop.run)


def column(**changes):
    told = {
        "condition": "none",
        "method": "mine",
        "faces": ("a", "b", "c", "d"),
        "groups": ("g", "g", "h", "h"),
        "labels": np.array([0, 1, 0, 1]),
        "logits": np.array([1.5, 1.5 + 1e-15, -40.0, 45.0]),
        "threshold": 1.5,
    }
    return ScoreColumn(**{**told, **changes})


def same(one, other, *, without=()):
    """Whether two columns have the same figures, to the last digits."""
    first, second = one.measure(STATISTICS), other.measure(STATISTICS)
    return all(
        first[name].value == pytest.approx(second[name].value, abs=1e-12)
        for name in first
        if name not in without
    )


def test_the_scores_of_an_evaluation_give_the_figures_of_its_document(scored, loop):
    result = loop.evaluation.result
    assert {one.condition for one in scored.columns} == {
        *("none", *("bicubic-x2", "bicubic-x4")),
        ADAPTIVE,
    }
    assert scored.final == "learned"
    for one in scored.columns:
        cell = result.cell("test", one.condition, one.method)
        found = one.measure(STATISTICS)
        assert found["balanced_accuracy"] == cell.metrics["balanced_accuracy"]
        assert found["auc"].value == pytest.approx(cell.metrics["auc"].value, abs=1e-12)


def test_probabilities_give_the_verdicts_at_one_half():
    one = column()
    assert (
        (one.probabilities >= 0.5).tolist() == one.verdicts.tolist() == [False, True, False, True]
    )
    assert one.probabilities[0] < 0.5 <= one.probabilities[1]
    assert 0 <= one.probabilities.min() <= one.probabilities.max() <= 1


@pytest.mark.parametrize("name", list(SCORE_FORMATS))
def test_what_is_written_is_read_back_with_the_same_figures(scored, name, tmp_path):
    files = create(name).write(scored, tmp_path / "scores.csv.gz")
    back = [one for path in files if path.suffix != ".json" for one in load_scores(path).columns]
    assert len(back) == len(scored.columns)
    found = {(one.condition, one.method): one for one in back}
    for one in scored.columns:
        again = found[one.condition, one.method]
        assert again.faces == one.faces
        assert again.groups == one.groups
        assert again.verdicts.tolist() == one.verdicts.tolist()
        assert same(again, one, without=("brier",))  # a threshold that is not 0 moves P(fake)


@pytest.mark.parametrize("name", list(SCORE_FORMATS))
def test_the_same_scores_give_the_same_bytes(scored, name, tmp_path):
    first, second = (create(name).write(scored, tmp_path / n / "s.csv.gz") for n in "ab")
    assert [one.read_bytes() for one in first] == [one.read_bytes() for one in second]


def test_a_score_file_keeps_the_contract_of_deepfake_workbench(scored, tmp_path):
    files = create("deepfake-workbench").write(scored, tmp_path)
    tables = [one for one in files if one.name.endswith(".scores.csv")]
    assert len(files) == 2 * len(tables) == 2 * len(scored.columns)
    for path in tables:
        meta = json.loads(path.with_name(path.name[:-4] + ".meta.json").read_text())
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        required = ["dataset", "key", "compression", "label", "score", "status"]
        optional = ["logit", "label_key", "method", "n_clips", "n_frames"]
        assert list(rows[0])[:11] == required + optional
        assert all(name.startswith("x_") for name in list(rows[0])[11:])
        assert len({(row["dataset"], row["key"], row["compression"]) for row in rows}) == len(rows)
        assert {row["status"] for row in rows} == {"ok"}
        assert all(0 <= float(row["score"]) <= 1 and row["label"] in "01" for row in rows)
        assert meta["schema"] == "dfwb.scores/1"
        assert meta["coverage"] == {
            "expected": len(rows),
            "ok": len(rows),
            "missing": 0,
            "error": 0,
        }
        assert re.fullmatch("[0-9a-f]{64}", meta["protocol"]["scheme_sha256"])
        assert re.search(r"(Z|\+00:00)$", meta["created"])
        assert set(meta) == {
            *("schema", "detector", "protocol", "labels", "processing_profile", "aggregation"),
            *("input_adaptation", "coverage", "seed", "env", "git", "command", "created"),
            "calibration",
        }


def test_no_path_of_the_machine_is_in_a_score_file(tmp_path):
    faces = ("/home/me/a.png", "b.png", "c", "d")
    one = column(condition="/home/me/nets/net.pth", faces=faces, groups=faces)
    command = "demagnify evaluate /tmp/x --data=/data/faces 'file:///a/b' https://e.org/x ~/y"
    run = ScoredRun("r", "faces", "test", (one,), command=command)
    table, meta = create("deepfake-workbench").write(run, tmp_path)
    content = json.loads(meta.read_text())
    assert content["command"] == "demagnify evaluate x --data=faces 'b' https://e.org/x y"
    assert content["protocol"]["where"] == {"condition": "net.pth"}
    cells = [cell for row in csv.reader(table.open()) for cell in row]
    assert not [cell for cell in cells if ABSOLUTE.search(cell)]


def test_a_score_file_of_another_writer_is_measured_with_its_missing_rows_counted(tmp_path):
    path = tmp_path / "theirs.scores.csv"
    path.write_text(
        "dataset,key,compression,label,score,status\n"
        "toy,a,c23,0,0.25,ok\ntoy,b,c23,1,0.5,ok\ntoy,c,c23,1,,missing\ntoy,d,c23,0,,error\n"
    )
    (one,) = load_scores(path).columns
    assert (len(one.labels), one.missing, one.method, one.condition) == (2, 2, "theirs", "toy")
    assert one.measure(STATISTICS)["balanced_accuracy"].value == 1.0


def test_a_matrix_has_the_columns_of_deepsafe_bench(scored, tmp_path):
    (path,) = create("deepsafe-bench").write(scored, tmp_path / "m.csv.gz")
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    head = ["id", "modality", "label", "generator", "ensemble_score", "ensemble_verdict"]
    assert list(rows[0])[:9] == [*head, "ensemble_method", "prob_undefended", "lat_undefended"]
    assert {row["modality"] for row in rows} == {"images"}
    assert {row["label"] for row in rows} == {"real", "fake"}
    assert {"faces", "faces+bicubic-x2"} <= {row["generator"] for row in rows}
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["ensemble_score"] == row["prob_learned"]
        assert row["ensemble_verdict"] == (
            "fake" if float(row["ensemble_score"]) >= 0.5 else "real"
        )


def test_a_matrix_of_deepsafe_bench_itself_is_measured_by_model_and_modality(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text(
        "id,modality,label,generator,ensemble_score,ensemble_verdict,ensemble_method,prob_npr,lat_npr\n"
        "i1,images,real,coco,0.1,real,meta,0.99,36.0\ni2,images,fake,x,0.9,fake,meta,0.2,\n"
        "i3,images,fake,x,0.9,fake,meta,,\nv1,video,fake,sora,0.2,real,meta,,\n"
    )
    (one,) = load_scores(path).columns
    assert (one.method, one.condition, len(one.labels), one.missing) == ("npr", "images", 2, 1)
    assert one.measure(STATISTICS)["auc"].value == 0.0


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.scores.csv", "dataset,key\n1,2\n", "it has no column compression"),
        ("a.scores.csv", "", "there is no line in it"),
        (
            "a.scores.csv",
            "dataset,key,compression,label,score,status\nt,a,,0,1.5,ok\n",
            "a score is no probability",
        ),
        (
            "a.scores.csv",
            "dataset,key,compression,label,score,status\nt,a,,7,0.5,ok\n",
            "the label of 'a' is '7'",
        ),
        ("a.csv", "id,modality,label,generator,prob_m\ni,images,cat,x,0.5\n", "is 'cat', not real"),
        ("a.csv", "a,b\n1,2\n", "no run and no file of scores"),
        ("a.csv", "id,modality,label,generator\ni,images,fake,x\n", "there is no score in it"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(name, text, complaint, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadArtifactError, match=complaint) as caught:
        load_scores(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_is_missing_or_misnamed_is_said(scored, loop, tmp_path):
    with pytest.raises(BadArtifactError, match="no such file or folder"):
        load_scores(tmp_path / "none.scores.csv")
    with pytest.raises(BadArtifactError, match="no split 'train'"):
        load_run(loop.run, split="train")
    with pytest.raises(BadConfigError, match="gzipped CSV"):
        create("deepsafe-bench").write(scored, tmp_path / "matrix.txt")
    with pytest.raises(UnknownNameError, match="deepsafe-bench"):
        create("deepsafe-bank")
    with pytest.raises(BadConfigError, match="no score format"):
        create("json:loads")


def test_the_command_line_exports_and_measures(loop, tmp_path, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr("sys.argv", ["demagnify", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capsys.readouterr()

    matrix = tmp_path / "matrix.csv.gz"
    code, told = run("scores", "export", loop.run, matrix, "--format", "deepsafe-bench")
    assert code == 0
    assert "1 file, " in told.out
    few = ("--resamples", "40", "--json")
    figures = [
        json.loads(run("scores", "measure", source, *few)[1].out) for source in (loop.run, matrix)
    ]
    accuracy = [
        {(one["condition"], one["method"]): one["metrics"]["balanced_accuracy"] for one in found}
        for found in figures
    ]
    assert accuracy[0] == accuracy[1]
    assert "learned" in run("scores", "measure", matrix, "--resamples", "40")[1].out
    assert run("scores", "measure", tmp_path / "none")[0] == 1
