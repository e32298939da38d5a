"""The grid: what is evaluated, what is chosen on which faces, what is written."""

import csv
import json
import math
from collections import Counter

import numpy as np
import pytest
from sklearn import metrics as sk

from demagnify.agents.policies import FixedPolicy
from demagnify.agents.predictors import PolicyPredictor, Predictions, Predictor
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import STATES
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError
from demagnify.core.files import sha256
from demagnify.core.sealed import write_sealed
from demagnify.detectors.threshold import choose_threshold
from demagnify.evaluation import (
    ConditionEntry,
    Context,
    DetectorTables,
    EvaluationResult,
    MethodSeed,
    Settings,
    evaluate_tables,
    learned_method,
    load_result,
)
from demagnify.evaluation.baselines.choose import choose_action
from demagnify.evaluation.document import draw_batches
from demagnify.evaluation.metrics import METRICS
from demagnify.evaluation.report import write_report
from demagnify.evaluation.run_folder import load_examples
from demagnify.laundering.conditions import CLEAN


@pytest.fixture(scope="module")
def evaluation(tables, guided, settings, context):
    return evaluate_tables(tables, [guided], settings=settings, context=context)


@pytest.fixture(scope="module")
def result(evaluation):
    return evaluation.result


def test_every_cell_of_the_grid_is_filled(result, tables):
    cells = Counter((cell.split, cell.condition, cell.method) for cell in result.cells)
    expected = {
        (split, attack, defense.name)
        for split, conditions in tables.items()
        for attack in (*conditions, "adaptive")
        for defense in result.methods
    }
    assert set(cells) == expected
    assert set(cells.values()) == {1}
    names = {entry.name for entry in result.methods}
    assert {"undefended", "always jpeg-75", "random action", "oracle", "dqn"} <= names
    assert {"re-tuned threshold", "average of actions", "router", "stacking"} <= names
    assert {"greedy policy search", "top-k average", "agent's network as detector"} <= names
    assert {"sees only the logit", "shuffled rewards", "constant verdict"} <= names


def test_a_cell_holds_what_scikit_learn_finds(result, tables):
    table = tables["test"]["srgan-x4"]
    cell = result.cell("test", "srgan-x4", "always jpeg-75")
    logits = table.logits[:, 2]
    assert cell.metrics["auc"].value == pytest.approx(sk.roc_auc_score(table.labels, logits))
    balanced = sk.balanced_accuracy_score(table.labels, logits > 0)
    assert cell.metrics["balanced_accuracy"].value == pytest.approx(balanced)
    assert (cell.n, cell.groups) == (120, 40)


def test_the_oracle_is_right_wherever_some_action_is(result, tables):
    for split, conditions in tables.items():
        for attack, one in conditions.items():
            possible = (RewardConfig().of_table(one) > 0).any(axis=1)
            accuracy = result.cell(split, attack, "oracle").metrics["accuracy"].value
            assert accuracy == pytest.approx(possible.mean())


def test_comparisons_are_differences_of_cells(result):
    found = result.comparison("test", "edsr-x2", "dqn", "undefended")
    defended = result.cell("test", "edsr-x2", "dqn")
    alone = result.cell("test", "edsr-x2", "undefended")
    for name in METRICS:
        change = defended.metrics[name].value - alone.metrics[name].value
        assert found.metrics[name].value == pytest.approx(change)
    change = found.metrics["accuracy"].value
    assert (found.mended - found.broken) / defended.n == pytest.approx(change)


def test_mean_gain_is_the_mean_over_its_attacks(result):
    unseen = next(
        item
        for item in result.mean_gains
        if (item.split, item.method, item.reference) == ("test", "dqn", "undefended")
        and "srgan-x4" not in item.conditions
    )
    assert set(unseen.conditions) == {"edsr-x2", "bicubic-x2"}
    gains = [
        result.comparison("test", attack, "dqn", "undefended").metrics["balanced_accuracy"].value
        for attack in unseen.conditions
    ]
    assert unseen.gain.value == pytest.approx(np.mean(gains))
    clean = result.comparison("test", CLEAN, "dqn", "undefended").metrics["balanced_accuracy"]
    assert unseen.net.value == pytest.approx(unseen.gain.value - clean.value)
    assert unseen.net.low < unseen.net.value < unseen.net.high


def test_actions_are_counted_by_label(result, evaluation):
    counts = next(
        item
        for item in result.action_counts
        if (item.split, item.condition, item.method) == ("test", "none", "dqn")
    )
    split = evaluation.splits["test"]
    assert sum(counts.real) == (split.labels == 0).sum()
    assert sum(counts.fake) == (split.labels == 1).sum()
    assert counts.real[1] == 0


def test_roc_curves_are_thin_and_run_from_corner_to_corner(result):
    assert {curve.method for curve in result.roc_curves} >= {"undefended", "dqn"}
    for curve in result.roc_curves:
        assert len(curve.fpr) == len(curve.tpr) <= 200
        assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)


def test_batches_are_many_of_32_different_faces_drawn_by_seed():
    settings = Settings(seed=4)
    batches = draw_batches(500, settings)
    assert batches.shape == (100, 32)
    assert all(len(set(batch)) == 32 for batch in batches)
    np.testing.assert_array_equal(batches, draw_batches(500, settings))
    assert (batches != draw_batches(500, Settings(seed=5))).any()
    np.testing.assert_array_equal(batches[:7], draw_batches(500, Settings(seed=4, batches=7)))


def test_batch_figures_are_means_over_the_batches(result, tables, settings):
    table = tables["val"]["srgan-x4"]
    batches = draw_batches(len(table.labels), settings)
    found = next(
        item
        for item in result.batch_figures
        if (item.condition, item.method) == ("srgan-x4", "undefended")
    )
    assert (found.split, found.batches, found.batch_size) == ("val", 100, 32)
    rates = [(table.logits[b, 0][table.labels[b] == 1] > 0).mean() for b in batches]
    assert found.mean["tpr"] == pytest.approx(np.mean(rates))
    drawn = batches.ravel()
    pooled = (table.logits[drawn, 0] > 0) == (table.labels[drawn] == 1)
    assert found.pooled["accuracy"] == pytest.approx(pooled.mean())


def test_test_labels_choose_nothing(tables_of, guided, settings, context, evaluation):
    result = evaluation.result
    tables = tables_of()
    random = np.random.default_rng(0)
    clean = tables["test"]["none"].labels
    shuffled = random.permutation(clean)
    for table in tables["test"].values():
        table.faces = table.faces.relabelled(shuffled)
    again = evaluate_tables(tables, [guided], settings=settings, context=context)
    other = again.result
    assert (other.best_fixed, other.best_baseline) == (result.best_fixed, result.best_baseline)
    for entry in result.methods:
        if entry.role != "bound":
            one, two = (
                each.splits["test"]["edsr-x2", entry.name].predictions.logits
                for each in (evaluation, again)
            )
            np.testing.assert_array_equal(one, two)
    for defense in ("re-tuned threshold", result.best_fixed):
        for attack in tables["test"]:
            threshold = result.cell("test", attack, defense).threshold
            assert other.cell("test", attack, defense).threshold == threshold
    changed = other.cell("test", "none", "undefended").metrics["accuracy"]
    assert changed != result.cell("test", "none", "undefended").metrics["accuracy"]


def test_unseen_attacks_choose_nothing_either(tables_of, guided, settings, result, context):
    tables = tables_of()
    tables["val"]["bicubic-x2"].logits[:] = 5.0  # not among the seen attacks
    other = evaluate_tables(tables, [guided], settings=settings, context=context).result
    assert other.best_baseline == result.best_baseline
    for entry in result.methods:
        cells = (one.cell("val", "none", entry.name) for one in (other, result))
        assert len({cell.model_dump_json() for cell in cells}) == 1
    threshold = result.cell("val", "none", "re-tuned threshold").threshold
    assert other.best_fixed == result.best_fixed
    assert other.cell("val", "none", "re-tuned threshold").threshold == threshold


def test_the_chosen_threshold_is_the_best_there_is(tables):
    tables = [tables["val"]["none"], tables["val"]["srgan-x4"]]

    def reached(threshold):
        return np.mean(
            [sk.balanced_accuracy_score(t.labels, t.logits[:, 0] > threshold) for t in tables]
        )

    best = max(reached(value) for value in np.linspace(-6, 6, 401))
    columns = [(table.labels, table.logits[:, 0]) for table in tables]
    assert reached(choose_threshold(*columns, near=tables[0].threshold).threshold) >= best


def test_the_chosen_action_is_the_best_there_is(tables):
    tables = [tables["val"]["none"], tables["val"]["srgan-x4"]]
    reached = [
        np.mean([sk.balanced_accuracy_score(t.labels, t.logits[:, a] > 0) for t in tables])
        for a in range(4)
    ]
    assert choose_action(tables) == int(np.argmax(reached))


def test_the_adaptive_attacker_hurts_each_defence_most(evaluation, result):
    for name in ("undefended", "dqn", "stacking"):
        reached = {
            attack: result.cell("test", attack, name).metrics["accuracy"].value
            for attack in ("none", "srgan-x4", "edsr-x2", "bicubic-x2", "adaptive")
        }
        assert min(reached, key=reached.get) == "adaptive" or (
            reached["adaptive"] == min(reached.values())
        )
    split = evaluation.splits["test"]
    fakes = split.labels == 1
    worst = split["adaptive", "dqn"].predictions.logits
    each = [split[attack, "dqn"].predictions.logits for attack in split.tables]
    np.testing.assert_array_equal(worst[fakes], np.min(each, axis=0)[fakes])
    np.testing.assert_array_equal(worst[~fakes], np.max(each, axis=0)[~fakes])


def test_learned_defences_meet_every_baseline_and_holm_sees_all_of_them(result):
    mine = [one for one in result.comparisons if (one.split, one.method) == ("test", "dqn")]
    met = {one.reference for one in mine}
    assert met >= {"undefended", "router", "stacking", "shuffled rewards", "re-tuned threshold"}
    assert met & {"always jpeg-75", "always mask-center", "always gaussian-blur"} == {
        result.best_fixed
    }
    assert "oracle" not in met
    least = min(mine, key=lambda one: one.mcnemar_p)
    assert least.mcnemar_holm == pytest.approx(min(1.0, least.mcnemar_p * len(mine)))
    assert all(one.mcnemar_holm >= one.mcnemar_p for one in mine)


def test_another_detector_is_measured_against_the_base(tables, tables_of, guided, settings):
    other = tables_of()
    for conditions in other.values():
        for one in conditions.values():
            one.logits[:] += np.where(one.labels[:, None] == 1, 0.6, -0.6)
    agent = learned_method("hard", MethodSeed(guided, other), detector="b")
    quick = settings.model_copy(update={"fit_baselines": False})
    result = evaluate_tables(
        tables, [guided, agent], others=[DetectorTables(other, "b", "b, no agent")], settings=quick
    ).result
    assert result.of_role("detector") == ("b, no agent",)
    assert result.of_role("undefended") == ("undefended",)

    def reached(attack, name):
        return result.cell("test", attack, name).metrics["balanced_accuracy"].value

    for name in ("hard", "b, no agent", "always jpeg-75 (b)", "dqn"):
        found = result.recovery("test", "srgan-x4", name)
        damage = reached("none", "undefended") - reached("srgan-x4", "undefended")
        gain = reached("srgan-x4", name) - reached("srgan-x4", "undefended")
        assert found.share.value == pytest.approx(gain / damage)
        cost = reached("none", name) - reached("none", "undefended")
        assert found.clean_cost.value == pytest.approx(cost)


class Unsure(Predictor):
    """Abstains from the verdicts that lie nearest to the threshold."""

    name = "unsure"

    def predict(self, table):
        logits = table.logits[:, 0]
        uncertainty = np.exp(-np.abs(logits))
        return Predictions(
            logits=logits,
            actions=None,
            threshold=0.0,
            abstained=uncertainty > 0.5,
            uncertainty=uncertainty,
        )


def test_what_is_rejected_is_counted_and_shown(tables, settings, tmp_path):
    quick = settings.model_copy(update={"fit_baselines": False})
    evaluation = evaluate_tables(tables, [Unsure()], settings=quick)
    cell = evaluation.result.cell("test", "srgan-x4", "unsure")
    table = tables["test"]["srgan-x4"]
    given = np.abs(table.logits[:, 0]) >= -np.log(0.5)
    wrong = (table.logits[:, 0] > 0) != (table.labels == 1)
    assert cell.abstention.coverage == pytest.approx(given.mean())
    assert cell.abstention.risk == pytest.approx(wrong[given].mean())
    assert cell.abstention.curve[-1] == pytest.approx((1.0, wrong.mean()))
    evaluation.save(tmp_path)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        verdicts = Counter(
            row["verdict"]
            for row in csv.DictReader(file)
            if (row["split"], row["condition"], row["method"]) == ("test", "srgan-x4", "unsure")
        )
    assert verdicts["unsure"] == (~given).sum()
    page = write_report(tmp_path).html.read_text()
    assert "Abstention, in %" in page
    assert "Risk and coverage" in page


def test_same_seed_same_document(tables, guided, settings, context, result):
    again = evaluate_tables(tables, [guided], settings=settings, context=context).result
    assert again.model_copy(update={"created": result.created}) == result


def test_a_policy_is_evaluated_by_its_actions(tables_of, settings):
    tables = {"val": tables_of(10)["val"]}
    policy = PolicyPredictor(FixedPolicy(2), STATES.get("flat-image")(), name="fixed")
    result = evaluate_tables(tables, [policy], settings=settings).result
    for attack in tables["val"]:
        learned, always = (result.cell("val", attack, name) for name in ("fixed", "always jpeg-75"))
        assert learned.metrics == always.metrics


class Collapsed(Predictor):
    """Gives a logit that is no number."""

    name = "collapsed"

    def predict(self, table):
        logits = np.full(len(table.labels), math.nan, dtype=np.float32)
        return Predictions(logits=logits, actions=None, threshold=0.0)


def test_a_nan_logit_is_refused(tables, settings):
    with pytest.raises(ValueError, match="logits are NaN"):
        evaluate_tables(tables, [Collapsed()], settings=settings)


def test_refuses_what_cannot_be_evaluated(tables, guided, settings):
    with pytest.raises(BadConfigError, match="no split 'val'"):
        evaluate_tables({"test": tables["test"]}, [guided], settings=settings)
    with pytest.raises(BadConfigError, match="no clean faces"):
        evaluate_tables(
            {"val": {"srgan-x4": tables["val"]["srgan-x4"]}}, [guided], settings=settings
        )
    with pytest.raises(BadConfigError, match="several methods are called dqn"):
        evaluate_tables(tables, [guided, guided], settings=settings)


def test_refuses_attacks_on_other_faces(tables, tables_of, settings):
    mixed = {"val": {"none": tables["val"]["none"], "edsr-x2": tables_of(5)["test"]["edsr-x2"]}}
    with pytest.raises(BadConfigError, match="other faces under 'edsr-x2'"):
        evaluate_tables(mixed, [], settings=settings)


def test_one_class_alone_is_evaluated_with_reasons(tables_of, settings):
    tables = {"val": tables_of(30)["val"]}
    labels = np.ones_like(tables["val"]["none"].labels)
    for table in tables["val"].values():
        table.faces = table.faces.relabelled(labels)
    result = evaluate_tables(tables, [], settings=settings).result
    cell = result.cell("val", "none", "undefended")
    assert cell.metrics["tpr"].value is not None
    assert cell.metrics["auc"].reason == "there is no real face"
    assert any("no real faces" in warning for warning in result.warnings)
    assert EvaluationResult.model_validate_json(result.model_dump_json()) == result


def test_few_groups_are_warned_of(tables_of, settings):
    result = evaluate_tables(tables_of(groups=6), [], settings=settings, context=Context()).result
    assert sum("only 6 groups" in warning for warning in result.warnings) == 2


def test_a_run_folder_holds_all_and_reads_back(evaluation, result, tmp_path):
    evaluation.save(tmp_path)
    found = load_result(tmp_path)
    assert found.predictions_sha256 == sha256(tmp_path / "predictions.csv")
    assert found.model_copy(update={"predictions_sha256": ""}) == result
    assert "NaN" not in (tmp_path / "results.json").read_text()
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(cell.n for cell in result.cells)
    mine = [
        row
        for row in rows
        if (row["split"], row["condition"], row["method"]) == ("test", "srgan-x4", "dqn")
    ]
    right = np.mean([row["verdict"] == row["label"] for row in mine])
    accuracy = result.cell("test", "srgan-x4", "dqn").metrics["accuracy"].value
    assert right == pytest.approx(accuracy)
    assert {row["action"] for row in mine} <= set(result.actions)
    assert mine[0]["name"] == "faces/0000.png"
    assert mine[0]["group"] == "photo-000"


def test_examples_are_kept_with_their_pictures(evaluation, tables, tmp_path):
    evaluation.save(tmp_path)
    examples = load_examples(tmp_path)
    assert examples
    for example, pictures in examples:
        table = tables["test"]["srgan-x4"]
        number = table.faces.names.index(example.name)
        np.testing.assert_array_equal(
            pictures.attacked, table.faces.images[number].transpose(1, 2, 0)
        )
        wrong_before = (example.score_before > 0) != (example.label == 1)
        assert wrong_before == (example.outcome in ("mended", "wrong"))
        changed = (pictures.corrected != pictures.attacked).any()
        assert changed == (example.action != "identity")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "not the result of an evaluation"),
        ('{"kind": "detector"}', "not the result of an evaluation"),
        ('{"kind": "evaluation", "schema_version": 99}', "schema version 99"),
        ('{"kind": "evaluation", "schema_version": 1}', "it has no SHA-256"),
    ],
)
def test_a_foreign_or_broken_document_gives_one_line(tmp_path, content, message):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(BadArtifactError, match=message) as caught:
        load_result(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_document_of_other_fields_gives_one_line(tmp_path):
    write_sealed(tmp_path / "results.json", {"kind": "evaluation", "schema_version": 1})
    with pytest.raises(BadArtifactError, match="is damaged: created: Field required"):
        load_result(tmp_path)


def test_a_missing_document_gives_one_line(tmp_path):
    with pytest.raises(BadArtifactError, match="no such file"):
        load_result(tmp_path)


def test_an_unwritable_place_gives_one_line(evaluation, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BadOutputError, match="cannot write"):
        evaluation.save(tmp_path / "taken" / "run")


def test_the_document_says_what_computed_it(result):
    document = json.loads(result.model_dump_json())
    assert document["versions"]["packages"]["torch"]
    assert document["machine"]["cores"] >= 1
    assert document["settings"]["seed"] == 0
    assert document["context"]["command"] == "demagnify evaluate runs/demo --seed 0"
    skipped = document["splits"][1]["skipped"]
    assert skipped == [{"name": "faces/bad & <odd>.png", "reason": "the file is empty"}]


def test_quality_is_summed_up_over_what_changed():
    entry = ConditionEntry.of("edsr-x2", [30.0, 34.0, math.inf], [0.9, 1.0, 0.95])
    assert entry.n == 3
    assert (entry.psnr_mean, entry.ssim_mean) == (32.0, pytest.approx(0.95))
    assert entry.psnr_sd == pytest.approx(math.sqrt(8.0))
    unchanged = ConditionEntry.of("none", [math.inf], [1.0])
    assert (unchanged.psnr_mean, unchanged.psnr_sd) == (None, None)


def test_figures_that_json_does_not_know_become_nothing():
    context = Context(learner_history=({"episode": 0.0, "loss": math.nan},))
    assert context.learner_history[0] == {"episode": 0.0, "loss": None}
    assert Context.model_validate_json(context.model_dump_json()) == context
