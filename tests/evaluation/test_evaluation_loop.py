"""Detector, defence and evaluation on tiny faces: what is written, and that it agrees."""

import csv
import json
import re
from collections import defaultdict

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from tiny_loop import DEFENSE, DETECTOR, train

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.policies import FixedPolicy
from demagnify.core import images
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError
from demagnify.core.runs import claim
from demagnify.core.sealed import unsealed
from demagnify.data import FaceDataset, Manifest
from demagnify.detectors import train_detector
from demagnify.detectors.detector import Detector
from demagnify.evaluation import load_methods
from demagnify.evaluation.words import percent
from demagnify.transforms import TransformSet
from demagnify.transforms.resize import Bicubic
from tiny_faces import SIZE, write_faces


@pytest.fixture(scope="module")
def document(loop):
    return json.loads((loop.run / "results.json").read_text())


@pytest.fixture(scope="module")
def predictions(loop):
    with (loop.run / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_run_is_whole(loop):
    names = {path.name for path in loop.run.iterdir()}
    written = {"results.json", "predictions.csv", "report.html", "report.md", "report.tex"}
    assert names == {*written, "examples", "tables"}
    tables = sorted(path.name for path in (loop.run / "tables").iterdir())
    assert tables == [
        "costs.json",
        "run.json",
        "run.lock",
        *(
            f"{name}.safetensors"
            for name in ("test-bicubic-x2", "test-bicubic-x4", "test-none", "val-bicubic-x2")
        ),
        "val-none.safetensors",
    ]
    unfinished = [path for path in loop.folder.rglob("*") if path.name.endswith(".training")]
    assert unfinished == []


def test_it_tells_what_it_trains_on(loop):
    assert loop.told[0].startswith("training: 12 real and 12 fake faces")
    assert "training: 12 real and 12 fake faces, each clean and under bicubic-x2" in loop.told
    epochs = [line for line in loop.told if line.startswith("epoch ")]
    assert len(epochs) == len(loop.detector.history)


def test_balanced_accuracy_follows_from_the_predictions(document, predictions):
    faces = defaultdict(list)
    for row in predictions:
        faces[row["split"], row["condition"], row["method"]].append(row)
    assert len(faces) == len(document["cells"])
    for cell in document["cells"]:
        rows = faces[cell["split"], cell["condition"], cell["method"]]
        assert cell["n"] == len(rows) == 12
        right = balanced_accuracy_score(
            [row["label"] for row in rows], [row["verdict"] for row in rows]
        )
        assert cell["metrics"]["balanced_accuracy"]["value"] == pytest.approx(right)


def test_a_verdict_follows_from_its_logit(predictions):
    assert {row["verdict"] for row in predictions} == {"real", "fake"}
    for row in predictions:
        logit, threshold = float(row["logit"]), float(row["threshold"])
        if logit != threshold:  # both have six digits
            assert row["verdict"] == ("fake" if logit > threshold else "real")


def test_predictions_are_what_the_saved_defence_says(loop, predictions):
    defended = DefendedDetector.load(loop.folder / "defense", device="cpu", precision="float32")
    clean = FaceDataset.open(Manifest.load(loop.source).split("test"), size=SIZE)
    for attack in (None, Bicubic(4)):
        images = clean.batch(range(len(clean)))
        decisions = defended.decide(images if attack is None else attack(images))
        name = attack.name if attack else "none"
        rows = [
            row
            for row in predictions
            if (row["split"], row["condition"], row["method"]) == ("test", name, "learned")
        ]
        assert [row["name"] for row in rows] == clean.names
        assert [row["group"] for row in rows] == clean.groups.tolist()
        named = [defended.actions[number].name for number in decisions.actions]
        assert [row["action"] for row in rows] == named
        logits = [float(row["logit"]) for row in rows]
        np.testing.assert_allclose(logits, decisions.logits, rtol=1e-4, atol=1e-4)


def test_seen_and_unseen_attacks_are_told_apart(loop, document):
    card = json.loads((loop.folder / "defense" / "card.json").read_text())
    assert card["seen_attacks"] == ["bicubic-x2"]
    assert document["context"]["seen_attacks"] == ["bicubic-x2"]
    seen = {attack["name"]: attack["seen"] for attack in document["conditions"]}
    assert seen == {"none": True, "bicubic-x2": True, "bicubic-x4": False, "adaptive": False}
    known = {attack["name"]: attack["familiarity"] for attack in document["conditions"]}
    assert known["bicubic-x4"] == "other-setting"


def test_the_record_tells_how_it_came_about(document, loop):
    context = document["context"]
    assert context["title"] == "tiny"
    assert context["configuration"] == {"face_size": SIZE}
    assert context["detector"]["input_size"] == SIZE
    assert len(context["detector_history"]) == len(loop.detector.history)
    assert len(context["learner_history"]) == len(loop.defense.history)
    assert context["learner_history"][-1].keys() >= {"share of identity", "share of median"}
    assert set(context["timings"]) == {
        f"{stage} {split}" for stage in ("attacking", "detector on") for split in ("val", "test")
    }
    quality = {attack["name"]: attack["psnr_mean"] for attack in document["conditions"]}
    assert quality["none"] is None
    assert quality["bicubic-x2"] > quality["bicubic-x4"] > 5


@pytest.mark.parametrize("file", ["report.html", "report.md", "report.tex"])
def test_the_reports_show_the_figures_of_the_record(loop, document, file):
    text = (loop.run / file).read_text()
    for attack in ("none", "bicubic-x2", "bicubic-x4"):
        cell = loop.evaluation.result.cell("test", attack, "learned")
        assert percent(cell.metrics["balanced_accuracy"].value) in text
    assert "learned" in text


def test_the_page_stands_by_itself(loop):
    page = (loop.run / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page) == []
    assert "<img" in page or "<svg" in page


def test_another_time_nobody_asks_the_detector(loop, monkeypatch):
    before = (loop.run / "results.json").read_text()
    calls = []
    forward = Detector.forward

    def counted(self, images):
        calls.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Detector, "forward", counted)
    again = loop.plan.evaluate(loop.run)
    assert calls == []
    assert again.result.cells == loop.evaluation.result.cells
    assert comparable((loop.run / "results.json").read_text()) == comparable(before)
    (loop.run / "tables" / "test-bicubic-x4.safetensors").unlink()
    loop.plan.evaluate(loop.run)
    assert sum(calls) == 12 * len(DEFENSE.actions)


def test_units_of_work_give_the_same_evaluation(loop, tmp_path):
    shared = loop.plan.evaluate(tmp_path, options=EngineOptions(workers=0, unit=8))
    assert shared.result.cells == loop.evaluation.result.cells
    one, other = ((folder / "predictions.csv").read_bytes() for folder in (loop.run, tmp_path))
    assert one == other
    assert not list((tmp_path / "tables").glob("*.units"))


def test_two_runs_in_one_folder_are_refused(loop):
    with (
        claim(loop.run / "tables", {"run": "evaluation"}, what="an evaluation"),
        pytest.raises(BadOutputError, match="another run writes there"),
    ):
        loop.plan.evaluate(loop.run)


def test_the_tables_of_another_detector_are_refused(loop, tmp_path):
    (tmp_path / "tables").mkdir()
    for table in (loop.run / "tables").iterdir():
        (tmp_path / "tables" / table.name).write_bytes(table.read_bytes())
    other = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=9)
    with pytest.raises(BadArtifactError, match="of other faces or another detector"):
        loop.plan.change(methods={"none": undefended(other)}).evaluate(tmp_path)


def comparable(text):
    """A record without what no two runs share: times, and the checksum over them."""
    document = unsealed(json.loads(text))
    del document["created"]
    del document["context"]["timings"]
    del document["context"]["costs"]
    for epoch in document["context"]["detector_history"]:
        del epoch["images_per_second"]
    return document


def test_the_same_seed_gives_the_same_bits(loop, same_loop):
    for part in ("detector", "defense"):
        one, other = (
            (folder / part / "weights.safetensors").read_bytes()
            for folder in (loop.folder, same_loop.folder)
        )
        assert one == other
    one, other = ((each.run / "results.json").read_text() for each in (loop, same_loop))
    assert comparable(one) == comparable(other)
    one, other = ((each.run / "predictions.csv").read_bytes() for each in (loop, same_loop))
    assert one == other


def another(defended, **changes):
    """The same defence but for one part."""
    parts = {
        "detector": defended.detector,
        "actions": defended.actions,
        "encoder": defended.encoder,
        "policy": defended.policy,
        "input_size": defended.input_size,
        **changes,
    }
    return DefendedDetector(
        parts["detector"],
        parts["actions"],
        parts["encoder"],
        parts["policy"],
        input_size=parts["input_size"],
    ).eval()


def changed(loop, part):
    """The loop's defence with another detector, threshold or set of actions."""
    first = loop.defense.defended
    other = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=9)
    other.threshold = first.threshold
    moved = Detector.load(loop.folder / "detector", device="cpu", precision="float32")
    moved.threshold += 0.5
    swapped = TransformSet.create(["identity", "median", "mask-center"])
    parts = {"detector": {"detector": other}, "threshold": {"detector": moved}}
    return another(first, **parts.get(part, {"actions": swapped}))


@pytest.mark.parametrize("part", ["detector", "threshold", "actions"])
def test_defences_of_other_detectors_and_actions_have_tables_of_their_own(loop, part, tmp_path):
    first, second = loop.defense.defended, changed(loop, part)
    plan = loop.plan.change(methods={"a": first, "b": second}, fit_baselines=False)
    evaluation = plan.evaluate(tmp_path)
    result = evaluation.result
    assert (tmp_path / "tables" / "b" / "test-none.safetensors").is_file()
    rows = {entry.name: entry for entry in result.methods}
    assert rows["b"].detector == "b"
    assert "average of actions (b)" in rows
    assert ("b, no agent" in rows) == (part != "actions")
    faces = evaluation.splits["test"].tables["bicubic-x4"].faces
    decisions = second.decide(faces.batch(np.arange(len(faces))))
    predictions = evaluation.splits["test"]["bicubic-x4", "b"].predictions
    np.testing.assert_allclose(predictions.logits, decisions.logits, rtol=1e-4, atol=1e-4)
    assert predictions.threshold == second.threshold
    share = result.recovery("test", "bicubic-x4", "b")
    values = [
        result.cell("test", attack, name).metrics["balanced_accuracy"].value
        for attack, name in (("none", "undefended"), ("bicubic-x4", "undefended"))
    ]
    assert share.damage.value == pytest.approx(values[0] - values[1])


def test_faces_of_another_size_are_another_run(loop, tmp_path):
    first = loop.defense.defended
    plan = loop.plan.change(methods={"a": first, "b": another(first, input_size=48)})
    with pytest.raises(BadConfigError, match="faces of different sizes: 48 and 64"):
        plan.evaluate(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_bare_detector_is_a_row_of_its_own_and_can_be_the_base(loop, tmp_path):
    first = loop.defense.defended
    other = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=9)
    plan = loop.plan.change(
        methods={"agent": first, "plain": undefended(first.detector), "other": undefended(other)},
        fit_baselines=False,
    )
    result = plan.evaluate(tmp_path / "one").result
    assert result.of_role("detector") == ("other",)
    assert "plain" not in {entry.name for entry in result.methods}
    turned = plan.change(base=other).evaluate(tmp_path / "two").result
    assert turned.of_role("detector") == ("plain",)
    for attack in ("none", "bicubic-x2"):
        one = result.cell("test", attack, "other").metrics
        assert one == turned.cell("test", attack, "undefended").metrics


def test_a_hardened_detector_is_measured_against_what_it_was_hardened_from(loop, tmp_path):
    start = loop.defense.defended
    hard = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=9)
    hard.card = {"hardening": {"identity": {"start weights": start.detector.fingerprint()}}}
    defenses = {"hard": undefended(hard), "agent": start}
    plan = loop.plan.change(methods=defenses, fit_baselines=False, attacks=[])
    result = plan.evaluate(tmp_path).result
    assert result.of_role("detector") == ("hard",)
    assert result.actions == start.actions.names


def test_trainings_with_several_seeds_are_one_row(loop, tmp_path):
    first = loop.defense.defended
    always = another(first, policy=FixedPolicy(2))
    plan = loop.plan.change(methods={"agent": [first, always], "one": first, "two": always})
    evaluation = plan.change(fit_baselines=False).evaluate(tmp_path)
    result = evaluation.result
    rows = {entry.name: entry.seeds for entry in result.methods}
    assert (rows["agent"], rows["one"]) == (2, 1)
    found = [
        result.cell("test", "bicubic-x4", name).metrics["auc"].value
        for name in ("one", "two", "agent")
    ]
    assert found[2] == pytest.approx(np.mean(found[:2]))
    with (tmp_path / "predictions.csv").open(newline="") as file:
        names = {row["method"] for row in csv.DictReader(file)}
    assert names >= {"agent #1", "agent #2", "one"}


@pytest.mark.parametrize(("which", "left"), [("fakes", 0), ("reals", 1)])
def test_only_one_class_is_attacked_where_that_is_asked(loop, which, left, tmp_path, monkeypatch):
    calls = []
    forward = Detector.forward

    def counted(self, images):
        calls.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Detector, "forward", counted)
    plan = loop.plan.change(faces=which, fit_baselines=False, attacks=("bicubic-x2",))
    evaluation = plan.evaluate(tmp_path)
    assert sum(calls) <= 1.5 * 24 * len(DEFENSE.actions) + 16 * 3 * 2  # and the costs
    split = evaluation.splits["test"]
    clean, attacked = (
        split[name, "undefended"].predictions.logits for name in ("none", "bicubic-x2")
    )
    np.testing.assert_array_equal(clean[split.labels == left], attacked[split.labels == left])
    assert (clean[split.labels != left] != attacked[split.labels != left]).all()
    assert evaluation.result.context.attacked == which


def test_what_was_trained_elsewhere_is_said_to_be(loop, tmp_path):
    other = write_faces(tmp_path / "other", seed=8, counts={"train": 1, "val": 7, "test": 3})
    plan = loop.plan.change(attacks=[], fit_baselines=False)
    assert plan.evaluate(tmp_path / "same").result.context.training_data == "same"
    away = plan.change(data=[other])
    assert away.evaluate(tmp_path / "away").result.context.training_data == "other"


def test_a_detector_can_be_trained_on_attacked_faces(loop, tmp_path):
    told = []
    config = DETECTOR.model_copy(update={"epochs": 1, "attacks": ("bicubic-x2",)})
    trained = train_detector([loop.source], tmp_path / "detector", config, log=told.append)
    card = trained.detector.card
    assert card["seen_attacks"] == ["bicubic-x2"]
    assert card["data"]["train"]["real"] == 24
    assert card["data"]["val"]["real"] == 12
    assert "each face clean and under bicubic-x2" in told
    defenses = {"agent": loop.defense.defended, "trained on it": undefended(trained.detector)}
    plan = loop.plan.change(methods=defenses, fit_baselines=False)
    plan.methods["agent"].card["seen_attacks"], kept = [], plan.methods["agent"].card
    result = plan.evaluate(tmp_path / "run").result
    kept["seen_attacks"] = ["bicubic-x2"]
    assert {one.name: one.familiarity for one in result.conditions}["bicubic-x2"] == "seen"


def test_several_seeds_ask_the_detector_once(loop, tmp_path, monkeypatch):
    calls = []
    forward = Detector.forward

    def counted(self, images):
        calls.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Detector, "forward", counted)
    trained = train(loop, tmp_path / "seeds", seeds=3)
    assert sum(calls) == 48 * len(DEFENSE.actions)
    assert [one.defended.card["training"]["seed"] for one in trained] == [4, 5, 6]
    names = sorted(path.name for path in (tmp_path / "seeds").iterdir())
    assert names == ["seed-4", "seed-5", "seed-6"]
    groups = load_methods([f"agent={tmp_path / 'seeds'}"], device="cpu", precision="float32")
    assert [len(group) for group in groups.values()] == [3]


def test_defences_are_named_on_one_line(loop):
    folder = str(loop.folder / "defense")
    assert list(load_methods([folder], device="cpu")) == ["defense"]
    groups = load_methods([folder, f"a b={folder}", f"a b={folder}"], device="cpu")
    assert {name: len(group) for name, group in groups.items()} == {"defense": 1, "a b": 2}
    with pytest.raises(BadConfigError, match="two defences are called 'defense'"):
        load_methods([folder, folder], device="cpu")


def test_without_a_defence_there_is_nothing_to_evaluate(loop, tmp_path):
    with pytest.raises(BadConfigError, match="there is no defence"):
        loop.plan.change(methods={}).evaluate(tmp_path)


def test_several_defences_share_one_run(loop, tmp_path):
    first = loop.defense.defended
    second = another(first)
    second.card = {"seen_attacks": ["bicubic-x4"]}
    plan = loop.plan.change(methods={"one": first, "two": second})
    result = plan.evaluate(tmp_path).result
    assert result.of_role("learned") == ("one", "two")
    assert result.context.seen_attacks == ("bicubic-x2", "bicubic-x4")
    one, two = (result.cell("test", "none", name) for name in ("one", "two"))
    assert one.metrics == two.metrics


def test_what_was_left_out_is_counted_once_in_the_record(loop, tmp_path):
    source = write_faces(tmp_path / "faces", counts={"val": 3, "test": 3})
    (source / "val/real/00.png").write_bytes(b"no photograph")
    with (source / "metadata.csv").open("a") as file:
        file.write("nowhere.png,real,test,x\n")
    result = loop.plan.change(data=[source], attacks=[]).evaluate(tmp_path / "run").result
    listed = {split.name: [one.name for one in split.skipped] for split in result.splits}
    assert listed == {"val": ["metadata.csv, line 14", "val/real/00.png"], "test": []}
    assert result.split_entry("val").n == 5


def test_a_finished_training_is_not_done_again(loop, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("demagnify.agents.learners.q_learning.QLearning.fit", forbidden)
    monkeypatch.setattr(Detector, "forward", forbidden)
    told = []
    (again,) = train(loop, loop.folder / "defense", log=told.append)
    one, other = (each.defended.policy.state_dict() for each in (again, loop.defense))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_other_attacks_are_another_training(loop):
    with pytest.raises(BadArtifactError, match="faces"):
        train(loop, loop.folder / "defense", attacks=["bicubic-x4"])


def test_validation_meets_only_what_somebody_saw(loop, document):
    attacks = {
        split: {cell["condition"] for cell in document["cells"] if cell["split"] == split}
        for split in ("val", "test")
    }
    assert {"none", "bicubic-x2"} <= attacks["val"]
    assert "bicubic-x4" not in attacks["val"]
    assert {"none", "bicubic-x2", "bicubic-x4"} <= attacks["test"]


def test_where_no_attack_was_seen_clean_faces_alone_choose(loop, tmp_path):
    bare = undefended(loop.defense.defended.detector)
    plan = loop.plan.change(methods={"bare": bare}, attacks=["bicubic-x3", "bicubic-x4"])
    evaluation = plan.evaluate(tmp_path / "run")
    assert set(evaluation.splits["val"].tables) == {"none"}
    assert "chosen on clean validation faces alone" in (tmp_path / "run" / "report.md").read_text()
    assert set(evaluation.splits["test"].tables) == {"none", "bicubic-x3", "bicubic-x4"}


def test_a_limit_leaves_whole_groups_of_both_classes(loop, tmp_path):
    evaluation = loop.plan.change(subsample=6).evaluate(tmp_path / "run")
    for split in evaluation.splits.values():
        for table in split.tables.values():
            assert np.bincount(table.labels).tolist() == [3, 3]
            assert len(set(table.faces.groups)) == 3


def test_faces_are_attacked_at_their_own_size_and_classified_at_the_detectors(loop, tmp_path):
    evaluation = loop.plan.change(size=SIZE // 2).evaluate(tmp_path / "run")
    conditions = evaluation.splits["test"].tables
    clean, attacked = (conditions[name].faces for name in ("none", "bicubic-x2"))
    assert clean.size == attacked.size == SIZE
    small = FaceDataset.open(Manifest.load(loop.source).split("test"), size=SIZE // 2)
    expected = Bicubic(2)(small.batch([0]))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(
        attacked.batch([0])[0].permute(1, 2, 0).numpy(), images.fit(expected, SIZE)
    )


def test_a_limit_holds_in_training_too(loop, tmp_path):
    told = []
    train(loop, tmp_path / "defense", attacks=[], subsample=8, log=told.append)
    assert told[0].startswith("training: 4 real and 4 fake faces")


def test_an_agent_can_learn_from_faces_that_the_detector_does_not_know(loop, tmp_path):
    told = []
    (trained,) = train(loop, tmp_path / "defense", attacks=[], split="val", log=told.append)
    assert told[0].startswith("training: 6 real and 6 fake faces")
    assert trained.defended.card["learned_from"] == "val"


def test_detectors_alone_can_be_compared(loop, tmp_path):
    """Nobody acts, and the report is whole all the same."""
    one = undefended(loop.detector.detector)
    other = undefended(
        detectors.create("test_efficientnet", weights=None, input_size=SIZE, device="cpu", seed=9)
    )
    plan = loop.plan.change(methods={"other": other}, base=one.detector, attacks=["bicubic-x3"])
    evaluation = plan.evaluate(tmp_path / "run")
    assert "other" in {curve.method for curve in evaluation.result.roc_curves}
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
