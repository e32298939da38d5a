"""Rows of the benchmark: what is written can be verified, compared and listed by others."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from demagnify import cli
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.policies import FixedPolicy
from demagnify.core.assets.store import CACHE_VARIABLE
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.detectors import wrap
from demagnify.evaluation.suite import (
    ScoreTable,
    SuiteConfig,
    compare_rows,
    leaderboard,
    load_row,
    load_suite,
    run_suite,
    verify_row,
)
from demagnify.transforms import TransformSet
from tiny_faces import write_faces

ROOT = Path(__file__).parents[3]
SUITE = """
name: tiny
size: 64
attacks: [bicubic-x2, bicubic-x4]
reencodings: [none, jpeg-75]
"""


def texture(images):
    """A detector that sees the stripes of fakes: how much neighbouring columns differ."""
    grey = images.float().mean(dim=1)
    return (grey[..., 1:] - grey[..., :-1]).abs().mean(dim=(1, 2)) - 20.0


texture.fingerprint = "texture"


def defended(action, threshold=None):
    actions = TransformSet.create(["identity", action])
    detector = wrap(texture, name="texture")
    return DefendedDetector(
        detector, actions, None, FixedPolicy(1), input_size=64, threshold=threshold
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("suite")
        patch.setenv(CACHE_VARIABLE, str(place / "cache"))
        (place / "tiny.yaml").write_text(SUITE)
        faces = write_faces(place / "faces")
        config = SuiteConfig(suite=str(place / "tiny.yaml"), resamples=50, device="cpu")
        for name, action in (("sharp", "unsharp"), ("soft", "gaussian-blur")):
            named = config.model_copy(update={"name": name, "detector": name})
            command = f"demagnify bench run rows/{name} --data faces"
            run_suite([faces], place / name, named, defense=defended(action), command=command)
        yield place


@pytest.fixture
def row(folder, tmp_path):
    """A copy of a row, to be changed."""
    for name in ("row.json", "scores.csv.gz"):
        (tmp_path / name).write_bytes((folder / "sharp" / name).read_bytes())
    return tmp_path


def test_a_row_has_every_condition_of_its_suite_and_verifies(folder):
    row = load_row(folder / "sharp")
    assert row.suite.conditions == (
        *("none", "jpeg-75", "bicubic-x2", "bicubic-x2+jpeg-75"),
        *("bicubic-x4", "bicubic-x4+jpeg-75"),
    )
    assert {(one.condition, one.method) for one in row.figures.cells} == {
        (condition, method)
        for condition in (*row.suite.conditions, "adaptive")
        for method in ("undefended", "defended")
    }
    assert (row.faces.real, row.faces.fake, row.faces.groups) == (6, 6, 6)
    assert row.cell("none", "undefended").metrics["auc"].value == 1.0
    assert row.summary.method == "defended"
    assert verify_row(folder / "sharp") == []


def test_logits_are_those_of_the_detector_and_of_the_chain(folder):
    from demagnify.data.prepare import open_splits
    from demagnify.transforms import create

    faces = open_splits([folder / "faces"], ["test"], size=64)["test"]
    scores = ScoreTable.load(folder / "sharp" / "scores.csv.gz")
    images = create("bicubic-x2+jpeg-75", device="cpu")(faces.batch(np.arange(len(faces))))
    assert scores.faces == tuple(faces.names)
    wanted = texture(images).numpy()
    assert np.array_equal(scores.logits["bicubic-x2+jpeg-75", "undefended"], wanted)
    again = create("unsharp")(images)
    assert np.array_equal(scores.logits["bicubic-x2+jpeg-75", "defended"], texture(again).numpy())


def test_a_threshold_of_the_defence_moves_no_verdict_of_the_detector(folder, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    config = SuiteConfig(suite=str(folder / "tiny.yaml"), resamples=50, device="cpu")
    defense = defended("unsharp", threshold=1e6)
    row = run_suite([folder / "faces"], folder / "own", config, defense=defense, command="")
    plain = load_row(folder / "sharp")
    assert row.cell("none", "defended").metrics["fnr"].value == 1.0
    assert row.cell("none", "undefended") == plain.cell("none", "undefended")
    assert verify_row(folder / "own") == []
    assert "detector_threshold" not in (folder / "sharp" / "row.json").read_text()


def test_a_run_goes_on_where_it_was(folder, monkeypatch):
    """All logits are there: the detector is not asked again."""
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    asked = []
    one = defended("unsharp")
    monkeypatch.setattr(type(one.detector), "logits", lambda *_, **__: asked.append(1))
    before = (folder / "sharp" / "scores.csv.gz").read_bytes()
    config = SuiteConfig(suite=str(folder / "tiny.yaml"), resamples=50, device="cpu", name="sharp")
    run_suite([folder / "faces"], folder / "sharp", config, defense=one)
    assert asked == []
    assert (folder / "sharp" / "scores.csv.gz").read_bytes() == before


@pytest.mark.parametrize("place", ["row.json", "scores.csv.gz"])
def test_any_changed_byte_is_refused(row, place):
    data = bytearray((row / place).read_bytes())
    random = np.random.default_rng(0)
    for position in random.integers(0, len(data), 12):
        changed = data.copy()
        changed[position] ^= 1
        (row / place).write_bytes(changed)
        try:
            faults = verify_row(row)
        except BadArtifactError as error:
            faults = [str(error)]
        assert faults
        assert place in faults[0]


def test_a_changed_figure_is_named_though_the_digest_was_made_anew(row):
    found = load_row(row)
    cells = list(found.figures.cells)
    metrics = dict(cells[3].metrics)
    metrics["auc"] = metrics["auc"].model_copy(update={"value": 0.25})
    cells[3] = cells[3].model_copy(update={"metrics": metrics})
    figures = found.figures.model_copy(update={"cells": tuple(cells)})
    found.model_copy(update={"figures": figures}).sealed().save(row)
    (fault,) = verify_row(row)
    assert fault.startswith(
        "row.json, cells.[bicubic-x2+jpeg-75, undefended].metrics.auc.value: recorded 0.25, "
    )


def test_a_row_stays_good_when_a_later_version_has_more_metrics(row):
    found = load_row(row)
    cells = [
        one.model_copy(update={"metrics": {k: v for k, v in one.metrics.items() if k != "eer"}})
        for one in found.figures.cells
    ]
    figures = found.figures.model_copy(update={"cells": tuple(cells)})
    found.model_copy(update={"figures": figures}).sealed().save(row)
    assert verify_row(row) == []


def test_a_row_of_another_suite_under_a_published_name_is_refused(row):
    found = load_row(row)
    suite = found.suite.model_copy(update={"name": "sr-v1"})
    changed = found.model_copy(update={"suite": suite, "suite_sha256": suite.digest()})
    changed.sealed().save(row)
    assert verify_row(row) == ["row.json: its suite sr-v1 is not the published sr-v1"]


def test_scores_without_a_line_are_refused_by_name(row):
    text = gzip.decompress((row / "scores.csv.gz").read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    (row / "scores.csv.gz").write_bytes(gzip.compress("".join(lines[:-1]).encode()))
    changed, missing = verify_row(row)
    assert changed == "scores.csv.gz: the file has changed (SHA-256 differs)"
    assert "has no score under bicubic-x4+jpeg-75, defended" in missing


def test_scores_keep_every_bit(tmp_path):
    values = np.array([0.1, -1e-7, 3.4e38, 1 / 3], dtype=np.float32)
    table = ScoreTable(
        tuple("abcd"), tuple("aabb"), np.array([0, 1, 0, 1]), {("none", "m"): values}
    )
    table.save(tmp_path / "scores.csv.gz")
    again = ScoreTable.load(tmp_path / "scores.csv.gz")
    assert np.array_equal(again.logits["none", "m"], values)
    assert (again.faces, again.groups) == (table.faces, table.groups)


def test_rows_are_compared_face_by_face(folder):
    found = compare_rows(folder / "sharp", folder / "soft")
    back = compare_rows(folder / "soft", folder / "sharp")
    assert found.mean_gain.value == pytest.approx(-back.mean_gain.value)
    for one, other in zip(found.conditions, back.conditions, strict=True):
        assert (one.mended, one.broken) == (other.broken, other.mended)
        assert one.mcnemar_holm == other.mcnemar_holm >= one.mcnemar_p
    same = compare_rows(folder / "sharp", folder / "sharp")
    assert same.mean_gain.value == same.mean_gain.high == 0.0


def test_rows_of_other_faces_are_not_compared(folder, row):
    found = load_row(row)
    faces = found.faces.model_copy(update={"fingerprint": "other"})
    found.model_copy(update={"faces": faces}).sealed().save(row)
    with pytest.raises(BadConfigError, match="were evaluated on different faces"):
        compare_rows(row, folder / "soft")


def test_the_leaderboard_shows_every_verified_row(folder, row):
    page = leaderboard(folder)
    assert page.count("| sharp | defended |") == page.count("| soft | undefended |") == 1
    (row / "row.json").write_text((row / "row.json").read_text().replace("sharp", "shirp"))
    with pytest.raises(BadArtifactError, match="its content has changed"):
        leaderboard(row)


def test_only_a_leaderboard_is_replaced_by_a_leaderboard(folder, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["demagnify", "bench", "leaderboard", str(folder), str(page)])
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
    page.write_text("my notes")
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert page.read_text() == "my notes"
    assert "page.md is no leaderboard (choose another name for the page)" in capsys.readouterr().err


NO_TORCH = """
import sys
class Absent:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "timm", "pyarrow", "safetensors"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent)
from demagnify.evaluation.suite import verify_row
from pathlib import Path
print(verify_row(Path(sys.argv[1])))
"""


def test_verifying_needs_no_torch_and_no_pictures(folder):
    asked = [sys.executable, "-c", NO_TORCH, str(folder / "soft")]
    ended = subprocess.run(asked, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_the_command_ends_with_1_where_something_changed(row, monkeypatch, capsys):
    (row / "scores.csv.gz").unlink()
    monkeypatch.setattr(sys, "argv", ["demagnify", "bench", "verify", str(row)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == "scores.csv.gz: the file is missing\n"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("sr-fast-v1", "a577913e487b668c74ca7bd54288149c7bbf12bf3d6bab7711a37b0bd175ca06"),
        ("sr-v1", "0a778fcac8f203b16e17c435798ff9fa4f0159331aae30fb5beb436d203e1cc3"),
    ],
)
def test_published_suites_never_change(name, digest):
    assert load_suite(name).digest() == digest


def test_the_leaderboard_in_the_documentation_is_that_of_its_rows():
    shown = "docs/results/rows"
    page = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert page == leaderboard(ROOT / shown, shown=shown)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: a\nsize: 64\nattacks: [x]\nreencodings: [jpeg-75]", "reencodings must begin with"),
        ("name: a\nsize: 64\nattacks: [x, x]", "two conditions have the same name"),
        ("name: a\nsize: 64\nattacks: [x]\nattack: [y]", "did you mean attacks"),
    ],
)
def test_a_bad_suite_is_refused_in_a_line(tmp_path, text, fault):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadConfigError, match=fault):
        load_suite(str(tmp_path / "bad.yaml"))


def test_an_unknown_suite_is_refused():
    with pytest.raises(BadConfigError, match="there is no suite 'sr-v2'"):
        load_suite("sr-v2")
