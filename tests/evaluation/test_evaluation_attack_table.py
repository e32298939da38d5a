"""The attack table on faces of one grey level, where every figure is known."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import scripts  # noqa: F401  puts benchmarks/ on the path
from attack_table_cells import (
    AttackTable,
    DataSet,
    TablePlan,
    family,
    fill_table,
)
from attack_table_written import sentences, to_csv, to_markdown
from demagnify.core import images
from demagnify.core.errors import AssetError, BadConfigError, BadOutputError
from demagnify.core.runs import claim
from demagnify.detectors import wrap
from demagnify.evaluation.adaptive import SearchConfig
from demagnify.transforms.base import Transform
from demagnify.transforms.resize import Bicubic

SIZE = 32
PAIRS = 40


class Shift(Transform):
    """Makes every pixel brighter by so many levels."""

    def __init__(self, levels, *, name=None, fails=None):
        self.label = name or f"shift{levels:+d}"
        self.levels, self.fails = levels, fails
        self.images = 0

    @property
    def name(self):
        return self.label

    def apply(self, images, rngs=()):
        if self.fails:
            raise self.fails
        self.images += len(images)
        return (images.int() + self.levels).clamp(0, 255).to(torch.uint8)

    def fingerprint(self):
        return f"shift {self.levels}"


class Brightness(torch.nn.Module):
    """Bright means fake."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        self.images = 0

    def forward(self, images):
        self.images += len(images)
        return self.weight * images.float().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def levels():
    """Of PAIRS real and as many fake faces; 100 lies between most of them."""
    random = np.random.default_rng(3)
    return random.integers(60, 115, PAIRS), random.integers(85, 140, PAIRS)


@pytest.fixture(scope="module")
def source(tmp_path_factory, levels):
    folder = tmp_path_factory.mktemp("grey")
    rows = ["file_name,label,split,group"]
    for label, values in zip(("real", "fake"), levels, strict=True):
        for number, level in enumerate(values):
            name = f"{label}-{number}.png"
            images.save_png(folder / name, np.full((SIZE, SIZE, 3), level, dtype=np.uint8))
            rows.append(f"{name},{label},test,g{number}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def plan(source):
    return TablePlan(
        data=[DataSet("grey", source, SIZE)],
        detectors={"bright": wrap(Brightness(), name="b", threshold=100.0)},
        attacks=[Shift(-20, name="dim-x2"), Shift(20, name="shine-x2"), Shift(0, name="idle")],
        resamples=60,
    )


@pytest.fixture
def fill(tmp_path):
    def call(plan, **options):
        *_, last = fill_table(plan, cache=tmp_path / "cache", kept=tmp_path / "kept", **options)
        return last

    return call


def cell_of(table, attack):
    (cell,) = (cell for cell in table.cells if cell.attack == attack)
    return cell


def test_the_figures_are_those_of_the_grey_levels(plan, fill, levels):
    table = fill(plan)
    reals, fakes = levels
    labels = np.repeat([0, 1], PAIRS)
    for attack, shift in (("none", 0), ("dim-x2", -20), ("shine-x2", 20), ("idle", 0)):
        cell = cell_of(table, attack)
        assert cell.metrics["fpr"].value == pytest.approx((reals + shift > 100).mean())
        assert cell.metrics["fnr"].value == pytest.approx((fakes + shift <= 100).mean())
        auc = roc_auc_score(labels, np.concatenate([reals, fakes]) + shift)
        assert cell.metrics["auc"].value == pytest.approx(auc)
    best = cell_of(table, "adaptive")
    assert best.metrics["fpr"].value == pytest.approx((reals + 20 > 100).mean())
    assert best.metrics["fnr"].value == pytest.approx((fakes - 20 <= 100).mean())
    assert cell_of(table, "dim-x2").psnr_mean == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)
    assert cell_of(table, "idle").psnr_mean is None
    assert cell_of(table, "none").change["fpr"].value == 0.0
    (data,) = table.data
    assert (data.real, data.fake, data.groups, data.size) == (PAIRS, PAIRS, PAIRS, SIZE)


def test_the_adaptive_row_has_its_own_figures(plan, fill, levels):
    reals, fakes = levels
    cell = cell_of(fill(plan), "adaptive")
    right = (reals <= 100).sum() + (fakes > 100).sum()
    turned = ((reals <= 100) & (reals + 20 > 100)).sum() + ((fakes > 100) & (fakes <= 120)).sum()
    assert cell.adaptive.success.value == pytest.approx(turned / right)
    assert cell.adaptive.queries.value == 4.0
    published = {"dim-x2": (fakes > 100).sum(), "shine-x2": (reals <= 100).sum(), "idle": 0}
    assert cell.adaptive.published == {**published, "none": 2 * PAIRS - right}
    assert cell.psnr_mean == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)


def test_it_says_which_way_each_attack_pushes(plan, fill):
    said = dict(line.split(": ", 1) for line in sentences(fill(plan)))
    assert list(said) == [
        f"bright on grey, {name}" for name in ("dim", "shine", "idle", "adaptive")
    ]
    assert said["bright on grey, dim"].startswith("hides fakes, and fewer real faces")
    assert said["bright on grey, shine"].startswith("makes real faces look fake, and fewer fakes")
    assert said["bright on grey, idle"].startswith("does neither [idle: FNR 0.0 (0.0 to 0.0)")
    adaptive = said["bright on grey, adaptive"]
    assert adaptive.startswith("hides fakes and makes real faces look fake [")


def test_a_second_filling_computes_nothing(plan, fill):
    first = fill(plan)
    classified = plan.detectors["bright"].network.images
    attacked = [attack.images for attack in plan.attacks]
    assert classified == 2 * PAIRS * 4
    assert fill(plan) == first
    assert plan.detectors["bright"].network.images == classified
    assert [attack.images for attack in plan.attacks] == attacked


def test_two_runs_in_one_folder_are_refused(plan, fill, tmp_path):
    with (
        claim(tmp_path / "kept", {"run": "attack table"}, what="an attack table"),
        pytest.raises(BadOutputError, match="another run writes there"),
    ):
        fill(plan)


def test_a_further_attack_and_a_further_detector_cost_only_themselves(plan, fill):
    fill(plan)
    old, new = plan.detectors["bright"].network, Brightness(-1.0)
    before = old.images
    more = replace(
        plan,
        attacks=[*plan.attacks, Shift(5)],
        detectors={**plan.detectors, "dark": wrap(new, name="d", threshold=-100.0)},
    )
    table = fill(more)
    assert old.images - before == 2 * PAIRS
    assert new.images == 2 * PAIRS * 5
    assert [attack.images for attack in plan.attacks] == [2 * PAIRS] * 3
    assert len(table.cells) == 2 * (1 + 4 + 1)
    assert [cell.attack for cell in table.rows("grey", "dark")][-2:] == ["shift+5", "adaptive"]


def test_it_grows_row_by_row(plan, tmp_path):
    lines = []
    tables = fill_table(plan, cache=tmp_path, kept=tmp_path / "kept", log=lines.append)
    assert [len(table.cells) for table in tables] == [1, 2, 3, 4, 5]
    assert lines[0] == "[1/5] grey: clean"
    assert lines[-1].startswith("[5/5] grey: adaptive, about 0 min left")


def test_what_cannot_be_attacked_is_left_out_or_strict(plan, fill):
    broken = Shift(1, fails=AssetError("no network within reach"))
    table = fill(replace(plan, attacks=[broken, Bicubic(16), *plan.attacks]))
    assert [one.attack for one in table.left_out] == ["shift+1", "bicubic-x16"]
    assert len(table.cells) == 5
    assert "- shift+1 on grey: no network within reach" in to_markdown(table)
    with pytest.raises(AssetError):
        fill(replace(plan, attacks=[broken], strict=True))


def test_the_limit_takes_pairs(plan, fill):
    table = fill(replace(plan, subsample=12))
    (data,) = table.data
    assert (data.real, data.fake, data.groups) == (6, 6, 6)
    markdown = to_markdown(table)
    assert "n = 12 faces (6 real, 6 fake) in 6 groups, at most 12 drawn by group" in markdown
    assert "Only 6 groups: these intervals are too narrow." in markdown


def test_markdown_marks_bfloat16_and_names_the_adaptive_attacker(plan, fill):
    settings = SearchConfig(budget=3, targets="fakes")
    precisions = {"dim-x2": "bfloat16"}
    table = fill(replace(plan, precisions=precisions, search=settings, command="python x"))
    markdown = to_markdown(table)
    assert "```bash\npython x\n```" in markdown
    (row,) = (line for line in markdown.splitlines() if line.startswith("| dim-x2"))
    assert row.startswith("| dim-x2 † |")
    assert "† The attack's network computed in bfloat16." in markdown
    assert "(fakes, at most 3 queries)" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {10}
    assert len(rows) == 1 + 5


def test_csv_and_json_hold_the_same_figures(plan, fill):
    table = fill(plan)
    assert AttackTable.model_validate_json(table.model_dump_json()) == table
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["attack"] for row in rows] == [cell.attack for cell in table.cells]
    for row, cell in zip(rows, table.cells, strict=True):
        assert float(row["fnr"]) == pytest.approx(cell.metrics["fnr"].value, rel=1e-5)
        assert float(row["fpr_change_low"]) == pytest.approx(cell.change["fpr"].low, rel=1e-5)
        assert (row["n"], row["groups"]) == (str(2 * PAIRS), str(PAIRS))
    assert float(rows[-1]["queries"]) == 4.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("srgan-x4", "srgan"),
        ("srgan-x4@k2", "srgan"),
        ("realesr-compact-x2@up-then-down", "realesr-compact"),
        ("realesrgan-x4plus", "realesrgan"),
        ("jpeg-75", "jpeg"),
        ("srgan-x4+jpeg-75", "chains"),
        ("adaptive", "adaptive"),
    ],
)
def test_families(name, kind):
    assert family(name) == kind


@pytest.mark.parametrize("missing", ["data", "detectors", "attacks"])
def test_an_empty_table_is_refused(plan, fill, missing):
    with pytest.raises(BadConfigError, match="needs data, detectors and attacks"):
        fill(replace(plan, **{missing: {} if missing == "detectors" else []}))
