"""The adaptive attacker on a data set: what is written, and what the figures are."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.policies import FixedPolicy
from demagnify.agents.states import Thumbnail
from demagnify.core import images
from demagnify.core.errors import BadArtifactError, BadImageError, BadOutputError
from demagnify.core.runs import claim
from demagnify.data import FaceDataset, Manifest
from demagnify.detectors import wrap
from demagnify.evaluation import Settings, evaluate_tables
from demagnify.evaluation.adaptive import (
    AdaptiveConfig,
    Candidates,
    adaptive_attack,
    adaptive_conditions,
    load_adaptive,
    load_target,
    summarize,
)
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from demagnify.transforms.base import Transform

SIZE = 32
REALS = (60, 70, 80, 92, 96, 104)  # the last is misclassified without any attack
FAKES = (140, 130, 120, 108, 105, 99)
THRESHOLD = 100.0


class Shift(Transform):
    """Makes every pixel brighter by so many levels."""

    def __init__(self, levels):
        self.label = f"shift{levels:+d}"
        self.levels = levels

    @property
    def name(self):
        return self.label

    def apply(self, images, rngs=()):
        return (images.int() + self.levels).clamp(0, 255).to(torch.uint8)

    def fingerprint(self):
        return self.name


class Brightness(torch.nn.Module):
    """Bright means fake; one weight, so that it can be told from others."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.images = 0

    def forward(self, images):
        self.images += len(images)
        return self.weight * images.float().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey")
    rows = ["file_name,label,split,group"]
    for label, levels in (("real", REALS), ("fake", FAKES)):
        for number, level in enumerate(levels):
            name = f"{label}-{number}.png"
            images.save_png(folder / name, np.full((SIZE, SIZE, 3), level, dtype=np.uint8))
            rows.append(f"{name},{label},test,g{number}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


@dataclass(frozen=True)
class Plan:
    """The arguments of `adaptive_attack`, which tests change one by one."""

    data: Path
    target: object
    attacks: list
    cache: Path
    config: AdaptiveConfig

    def change(self, **changes):
        own = {key: changes.pop(key) for key in ("data", "target") if key in changes}
        return replace(self, config=self.config.model_copy(update=changes), **own)

    def attack(self, output):
        how = {"target": self.target, "attacks": self.attacks, "cache": self.cache}
        return adaptive_attack(self.data, output, self.config, **how)


@pytest.fixture
def plan(source, tmp_path):
    target = wrap(Brightness(), name="brightness", threshold=THRESHOLD)
    attacks = [Shift(-10), Shift(-25), Shift(10)]
    return Plan(
        source, target, attacks, tmp_path / "cache", AdaptiveConfig(size=SIZE, resamples=50)
    )


def rows_of(folder):
    with (folder / "faces" / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def figures(result, faces="all"):
    reached = result.target.of_class(faces)
    return reached.targets, reached.mistaken, reached.succeeded, reached.success.value


def test_the_figures_are_as_worked_out_by_hand(plan, tmp_path):
    result = plan.attack(tmp_path / "out").result
    # -25 turns the fakes 120, 108 and 105; +10 turns the real faces 92 and 96.
    assert figures(result, "fake") == (6, 1, 3, 3 / 5)
    assert figures(result, "real") == (6, 1, 2, 2 / 5)
    assert figures(result) == (12, 2, 5, 1 / 2)
    assert result.target.of_class("all").queries.value == 4.0
    low, high = (getattr(result.target.of_class("all").success, end) for end in ("low", "high"))
    assert 0.0 <= low < 0.5 < high <= 1.0
    assert result.target.before["balanced_accuracy"].value == pytest.approx(10 / 12)
    assert result.target.after["balanced_accuracy"].value == pytest.approx(5 / 12)
    assert result.target.change["balanced_accuracy"].value == pytest.approx(-5 / 12)
    published = {tried.name: tried.published for tried in result.target.attacks}
    assert published == {"shift-10": 0, "shift-25": 5, "shift+10": 5}
    turned = {tried.name: tried.turned for tried in result.target.attacks}
    assert turned == {"shift-10": 2, "shift-25": 3, "shift+10": 2}
    assert result.target.cost.changed == 10
    assert result.target.cost.psnr_min == pytest.approx(20 * np.log10(255 / 25), abs=1e-3)
    assert (result.real, result.fake, result.groups) == (6, 6, 6)
    assert result.undefended is None


def test_success_grows_with_the_queries_to_the_success_rate(plan, tmp_path):
    settings = {"order": "given"}
    result = plan.change(**settings).attack(tmp_path / "out").result
    curve = [(point.queries, point.success.value) for point in result.target.curve]
    # -10 turns 108 and 105, then -25 also 120, then +10 the real faces.
    assert curve == [(1, 0.0), (2, 0.2), (3, 0.3), (4, 0.5)]


def test_the_published_faces_can_be_evaluated_like_any_data_set(plan, tmp_path):
    run = plan.attack(tmp_path / "out")
    manifest = Manifest.load(tmp_path / "out" / "faces", strict=True).split("test")
    faces = FaceDataset.open(manifest, size=SIZE, strict=True)
    np.testing.assert_array_equal(faces.images, run.adapted.faces.images[:])
    assert faces.groups.tolist() == run.adapted.faces.groups.tolist()
    logits = plan.target.logits(faces.batch(np.arange(len(faces)))).numpy()
    value = balanced_accuracy_score(faces.labels, logits > THRESHOLD)
    assert run.result.target.after["balanced_accuracy"].value == pytest.approx(value)


def test_every_face_has_its_line(plan, tmp_path):
    settings = {"targets": "fakes"}
    plan.change(**settings).attack(tmp_path / "out")
    rows = {row["original"]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 12
    assert {rows[f"real-{n}.png"]["outcome"] for n in range(6)} == {"no target"}
    outcomes = [rows[f"fake-{n}.png"]["outcome"] for n in range(6)]
    assert outcomes == ["failed"] * 2 + ["succeeded"] * 3 + ["wrong already"]
    one = rows["fake-2.png"]
    kept = [one[key] for key in ("label", "split", "group", "attack", "queries")]
    assert kept == ["fake", "test", "g2", "shift-25", "4"]
    assert (float(one["score_before"]), float(one["score_after"])) == (120, 95)
    assert float(one["psnr"]) == pytest.approx(20 * np.log10(255 / 25), abs=1e-3)


def test_running_again_asks_nothing_and_writes_the_same_bytes(plan, tmp_path):
    plan.attack(tmp_path / "out")
    kept = contents(tmp_path / "out")
    before = plan.target.network.images
    plan.attack(tmp_path / "out")
    assert plan.target.network.images == before
    assert contents(tmp_path / "out") == kept


def test_a_killed_run_ends_in_the_same_bytes(plan, tmp_path, monkeypatch):
    plan.attack(tmp_path / "whole")
    lookup = LogitTable.lookup
    left = [2]

    def dies(self, *arguments):
        if not left[0]:
            self.save(tmp_path / "cut" / "logits.safetensors")
            raise KeyboardInterrupt
        left[0] -= 1
        return lookup(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LogitTable, "lookup", dies)
        with pytest.raises(KeyboardInterrupt):
            plan.attack(tmp_path / "cut")
    assert not (tmp_path / "cut" / "adaptive.json").exists()
    plan.attack(tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def contents(folder):
    """Everything but the cached logits."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".safetensors"
    }


def test_what_is_written_is_read_again(plan, tmp_path):
    result = plan.attack(tmp_path / "out").result
    assert load_adaptive(tmp_path / "out") == result
    (tmp_path / "out" / "adaptive.json").write_text(json.dumps({"kind": "other"}))
    with pytest.raises(BadArtifactError, match="not the result of an adaptive attack"):
        load_adaptive(tmp_path / "out")


def test_a_defence_stands_beside_its_detector(plan, tmp_path, defended):
    result = plan.change(target=defended).attack(tmp_path / "out").result
    assert result.undefended is not None
    assert result.undefended.of_class("all").succeeded == 5
    own = result.target.of_class("all").success.value
    gain = result.gain
    assert gain.success.value == pytest.approx(own - 0.5)
    attacked = result.target.after["fpr"].value - result.undefended.after["fpr"].value
    assert gain.attacked["fpr"].value == pytest.approx(attacked)
    assert "the defence changes the attacker's success" in summarize(result)[-1]


@pytest.fixture
def defended(plan):
    """Blackens every face's centre, so that the detector takes it for darker than it is."""
    actions = TransformSet.create(["identity", "mask-center"])
    return DefendedDetector(
        plan.target, actions, Thumbnail(side=4), FixedPolicy(1), input_size=SIZE
    ).eval()


def test_an_evaluation_takes_its_rows(plan, tmp_path, defended):
    faces = FaceDataset.open(Manifest.load(plan.data).split("test"), size=SIZE)
    candidates = Candidates(faces, plan.attacks, cache=tmp_path / "cache")
    targets = {"undefended": plan.target, "mask": defended}
    rows = adaptive_conditions(candidates, targets)
    assert list(rows) == ["adaptive-vs-undefended", "adaptive-vs-mask"]
    tables = {}
    for name, condition in {"none": faces, **rows}.items():
        table = LogitTable(condition, plan.target, defended.actions)
        table.fill()
        tables[name] = table
    settings = Settings(resamples=20, batches=2, batch_size=4, selection_split="test")
    result = evaluate_tables({"test": tables}, [], settings=settings).result
    own = result.cell("test", "adaptive-vs-undefended", "undefended").metrics
    assert own["balanced_accuracy"].value == pytest.approx(5 / 12)
    other = result.cell("test", "adaptive-vs-mask", "always mask-center").metrics
    plain = result.cell("test", "none", "always mask-center").metrics
    assert other["balanced_accuracy"].value <= plain["balanced_accuracy"].value


def test_a_folder_of_something_else_is_left_alone(plan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(BadOutputError, match="not made by an adaptive attack"):
        plan.attack(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_what_a_killed_run_was_writing_is_no_obstacle(plan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".run.json.tmp-a1b2c3d4").write_bytes(b"half")
    assert plan.attack(tmp_path / "out").result.target.of_class("all").succeeded == 5


def test_two_runs_in_one_folder_are_refused(plan, tmp_path):
    with (
        claim(tmp_path / "out", {"run": "adaptive attack"}, what="an adaptive attack"),
        pytest.raises(BadOutputError, match="another run writes there"),
    ):
        plan.attack(tmp_path / "out")


def test_a_folder_about_another_detector_is_refused(plan, tmp_path):
    plan.attack(tmp_path / "out")
    network = Brightness()
    network.weight.data += 1
    other = wrap(network, name="other", threshold=THRESHOLD)
    kept = contents(tmp_path / "out")
    with pytest.raises(BadArtifactError, match="another detector"):
        plan.change(target=other).attack(tmp_path / "out")
    assert contents(tmp_path / "out") == kept


def test_bad_files_are_listed_or_strict(plan, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    for path in plan.data.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "fake-0.png").write_bytes(b"no image")
    bad = plan.change(data=folder)
    result = bad.attack(tmp_path / "out").result
    assert [skipped.name for skipped in result.skipped] == ["fake-0.png"]
    assert result.target.of_class("fake").targets == 5
    with pytest.raises(BadImageError, match=r"fake-0\.png"):
        bad.change(strict=True).attack(tmp_path / "strict")


def test_one_class_alone_has_figures_where_there_can_be_any(plan, tmp_path):
    folder = tmp_path / "fakes"
    folder.mkdir()
    for number in range(6):
        name = f"fake-{number}.png"
        (folder / name).write_bytes((plan.data / name).read_bytes())
    rows = [f"fake-{n}.png,fake,test,g{n}" for n in range(6)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label,split,group", *rows]) + "\n")
    result = plan.change(data=folder).attack(tmp_path / "out").result
    assert figures(result) == figures(result, "fake") == (6, 1, 3, 3 / 5)
    assert result.target.after["auc"].value is None
    with pytest.raises(KeyError, match="real"):
        result.target.of_class("real")
    assert all(summarize(result))


def test_a_bare_detector_is_not_taken_for_a_defence():
    target = load_target("light", device="cpu")
    assert not isinstance(target, DefendedDetector)
    assert isinstance(load_target("default", device="cpu"), DefendedDetector)
    assert undefended(target).detector is target
