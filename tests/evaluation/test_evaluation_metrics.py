"""Metrics against scikit-learn and against figures worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from demagnify.evaluation.metrics import COLUMN, METRICS, Scores

OF_BOTH_CLASSES = ("balanced_accuracy", "best_balanced_accuracy", "auc", "eer", "tpr_at_1_fpr")
CASES = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda x: 0 < sum(x) < len(x)),
        st.lists(st.integers(-4, 4), min_size=n, max_size=n),  # few values: many ties
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.integers(-5, 5),
    )
)


def crossing(fpr, tpr):
    """Where straight lines between ROC points cross FPR = FNR, by bisection along the curve."""
    low, high = 0.0, len(fpr) - 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at = np.arange(len(fpr))
        if 1 - np.interp(middle, at, tpr) > np.interp(middle, at, fpr):
            low = middle
        else:
            high = middle
    return np.interp(low, np.arange(len(fpr)), fpr)


@given(CASES)
def test_agrees_with_scikit_learn(case):
    labels, logits, _, threshold = case
    found = Scores(labels, logits, threshold).metrics()
    verdicts = [int(logit > threshold) for logit in logits]
    (tn, fp), (fn, tp) = sk.confusion_matrix(labels, verdicts, labels=[0, 1])
    fpr, tpr, _ = sk.roc_curve(labels, logits, drop_intermediate=False)
    expected = {
        "tpr": tp / (tp + fn),
        "fpr": fp / (fp + tn),
        "tnr": tn / (fp + tn),
        "fnr": fn / (tp + fn),
        "accuracy": sk.accuracy_score(labels, verdicts),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, verdicts),
        "best_balanced_accuracy": (tpr + 1 - fpr).max() / 2,
        "auc": sk.roc_auc_score(labels, logits),
        "eer": crossing(fpr, tpr),
        "tpr_at_1_fpr": tpr[fpr <= 0.01].max(),
        "brier": np.mean((1 / (1 + np.exp(-np.array(logits, float))) - labels) ** 2),
    }
    assert found == pytest.approx(expected, abs=1e-9)


@given(CASES)
def test_a_weight_is_that_many_copies(case):
    labels, logits, weights, threshold = map(np.array, case)
    weighted = Scores(labels, logits, threshold).weighted(weights[None])[0]
    copies = np.repeat(np.arange(len(labels)), weights)
    if not len(copies):
        assert np.isnan(weighted).all()
        return
    copied = Scores(labels[copies], logits[copies], threshold).weighted()[0]
    np.testing.assert_allclose(weighted, copied, atol=1e-9)


def test_many_weightings_in_chunks_are_those_one_by_one():
    random = np.random.default_rng(0)
    scores = Scores(random.integers(0, 2, 3000), random.normal(size=3000), 0.1)
    weights = random.integers(0, 4, (100, 3000))
    rows = np.concatenate([scores.weighted(row[None]) for row in weights])
    np.testing.assert_array_equal(scores.weighted(weights), rows)


def test_worked_out_by_hand():
    # Fakes 3, 1, 0 and reals 2, -1; above 0.5 is fake: two fakes of three, one real of two.
    found = Scores([1, 1, 1, 0, 0], [3.0, 1.0, 0.0, 2.0, -1.0], 0.5).metrics()
    assert found["tpr"] == pytest.approx(2 / 3)
    assert found["fpr"] == pytest.approx(1 / 2)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["auc"] == pytest.approx(4 / 6)
    assert found["eer"] == pytest.approx(1 / 2)


def test_a_score_on_the_threshold_is_called_real():
    assert Scores([0, 1], [0.0, 0.0], 0.0).metrics()["tpr"] == 0.0


def test_infinite_scores_are_scores():
    assert Scores([0, 1], [-math.inf, math.inf], 0.0).metrics()["auc"] == 1.0


@pytest.mark.parametrize(
    ("label", "missing", "undefined"),
    [
        (1, "real", {"fpr", "tnr", *OF_BOTH_CLASSES}),
        (0, "fake", {"tpr", "fnr", *OF_BOTH_CLASSES}),
    ],
)
def test_one_class_alone_leaves_metrics_without_value_and_says_why(label, missing, undefined):
    scores = Scores([label] * 3, [-1.0, 0.5, 2.0], 0.0)
    values = scores.metrics()
    assert {name for name in METRICS if math.isnan(values[name])} == undefined
    assert scores.undefined() == dict.fromkeys(undefined, f"there is no {missing} face")


@pytest.mark.parametrize(
    ("labels", "logits", "threshold", "message"),
    [
        ([0, 1], [0.0, math.nan], 0.0, "1 of 2 logits are NaN"),
        ([0, 1], [0.0, 1.0], math.nan, "threshold is NaN"),
        ([0, 2], [0.0, 1.0], 0.0, "neither 0"),
        ([], [], 0.0, "no face"),
        ([0, 1], [0.0], 0.0, "not both"),
    ],
)
def test_refuses_what_has_no_meaning(labels, logits, threshold, message):
    with pytest.raises(ValueError, match=message):
        Scores(labels, logits, threshold)


def test_refuses_weights_of_another_length():
    with pytest.raises(ValueError, match=r"not \(B, 2\)"):
        Scores([0, 1], [0.0, 1.0], 0.0).weighted(np.ones((1, 3)))


@given(CASES)
def test_roc_is_that_of_scikit_learn(case):
    labels, logits, _, threshold = case
    fpr, tpr = Scores(labels, logits, threshold).roc()
    expected = sk.roc_curve(labels, logits, drop_intermediate=False)
    np.testing.assert_allclose(fpr, expected[0])
    np.testing.assert_allclose(tpr, expected[1])


def test_columns_are_in_the_order_of_the_names():
    assert [COLUMN[name] for name in METRICS] == list(range(len(METRICS)))
