"""Intervals over groups, paired differences, McNemar's test, recovered share."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from demagnify.evaluation.bootstrap import (
    GroupResamples,
    Measured,
    interval,
    mean_defined,
    recovered_share,
)
from demagnify.evaluation.metrics import COLUMN, Scores
from demagnify.evaluation.significance import mcnemar

BALANCED = COLUMN["balanced_accuracy"]


def measured(labels, verdicts, groups=None, count=400):
    """A detector that is sure of its verdicts."""
    logits = np.where(verdicts, 1.0, -1.0)
    groups = np.arange(len(labels)) if groups is None else groups
    weights = GroupResamples(groups, count=count).weights()
    return Measured.over(Scores(labels, logits, 0.0), weights)


def width(figure):
    return figure.high - figure.low


def test_groups_are_drawn_as_wholes():
    weights = GroupResamples(["a", "a", "b", "c"], count=50).weights()
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 1:].sum(axis=1), 3)


def test_same_seed_same_draws():
    groups = np.arange(30)
    first = GroupResamples(groups, seed=5).weights()
    np.testing.assert_array_equal(first, GroupResamples(groups, seed=5).weights())
    assert (first != GroupResamples(groups, seed=6).weights()).any()


def test_intervals_over_groups_are_wider_where_faces_of_a_group_are_alike():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    labels = np.tile([0, 1], 200)
    right = np.repeat(
        random.random(40) < 0.7, 10
    )  # a photograph is classified right or wrong as one
    verdicts = np.where(right, labels, 1 - labels)
    over_groups = measured(labels, verdicts, groups).intervals(0.95)["accuracy"]
    over_faces = measured(labels, verdicts).intervals(0.95)["accuracy"]
    assert width(over_groups) > 2 * width(over_faces)


def test_interval_has_about_the_width_that_theory_says():
    random = np.random.default_rng(0)
    labels = np.tile([0, 1], 500)
    verdicts = np.where(random.random(1000) < 0.8, labels, 1 - labels)
    found = measured(labels, verdicts, count=2000).intervals(0.95)["accuracy"]
    assert width(found) == pytest.approx(2 * 1.96 * math.sqrt(0.8 * 0.2 / 1000), rel=0.1)
    assert found.low < found.value < found.high


def test_paired_difference_is_sharper_than_two_intervals():
    random = np.random.default_rng(1)
    labels = np.tile([0, 1], 200)
    before = np.where(random.random(400) < 0.7, labels, 1 - labels)
    after = before.copy()
    after[:12] = labels[:12]
    one, two = measured(labels, after), measured(labels, before)
    gain = one.minus(two, 0.95)["accuracy"]
    assert gain.value == pytest.approx(np.mean(after == labels) - np.mean(before == labels))
    assert width(gain) < width(two.intervals(0.95)["accuracy"]) / 2
    nothing = two.minus(two, 0.95)["accuracy"]
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


def test_a_missing_class_gives_no_value_and_the_reason():
    found = measured(np.ones(6, dtype=int), np.ones(6)).intervals(0.95)["balanced_accuracy"]
    assert found.value is None
    assert found.reason == "there is no real face"


def test_one_group_of_each_label_has_no_interval_worth_the_name():
    samples = np.array([0.5, math.nan, math.nan, math.nan])
    found = interval(0.5, samples, 0.95)
    assert found.value == 0.5
    assert found.low is None
    assert "too few groups" in found.reason


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (3, 0), (10, 2), (7, 7), (40, 61)])
def test_mcnemar_is_the_binomial_test_of_the_disagreements(only_first, only_second):
    first = np.r_[np.ones(only_first), np.zeros(only_second), np.ones(5), np.zeros(4)]
    second = np.r_[np.zeros(only_first), np.ones(only_second), np.ones(5), np.zeros(4)]
    both = only_first + only_second
    expected = binomtest(only_first, both).pvalue if both else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(expected)


def test_mcnemar_of_twenty_thousand_faces():
    first = np.arange(20_000) % 2 == 0
    assert mcnemar(first, ~first) == pytest.approx(1.0)


def split_verdicts(right_fakes, right_reals, n=100):
    """n fakes and n reals, of which so many are classified right."""
    fakes = np.arange(n) < right_fakes
    reals = np.arange(n) >= right_reals  # a real face called fake is wrong
    return np.r_[np.ones(n, int), np.zeros(n, int)], np.r_[fakes, reals]


def test_recovered_share_by_hand():
    clean = measured(*split_verdicts(90, 90))
    attacked = measured(*split_verdicts(50, 90))
    defended = measured(*split_verdicts(80, 80))
    share = recovered_share(defended, attacked, clean, 0.95)
    assert share.value == pytest.approx((0.80 - 0.70) / (0.90 - 0.70))
    assert share.low < 0.5 < share.high


def test_recovered_share_is_one_when_all_is_undone_and_negative_when_worse():
    clean, attacked = measured(*split_verdicts(90, 90)), measured(*split_verdicts(50, 90))
    assert recovered_share(clean, attacked, clean, 0.95).value == pytest.approx(1.0)
    worse = measured(*split_verdicts(30, 90))
    assert recovered_share(worse, attacked, clean, 0.95).value == pytest.approx(-0.5)


def test_recovered_share_of_no_damage_has_no_value():
    clean, better = measured(*split_verdicts(80, 80)), measured(*split_verdicts(85, 80))
    for attacked in (clean, better):
        share = recovered_share(better, attacked, clean, 0.95)
        assert share.value is None
        assert share.reason == "the attack did no damage"


def test_recovered_share_of_a_damage_that_is_mere_rounding_has_no_value():
    """Other verdicts of the same balanced accuracy: the means may differ by 1e-16."""
    better, clean = (measured(*split_verdicts(*n), count=2) for n in ((99, 99), (60, 60)))
    rounded = 0
    for more in range(1, 40):
        attacked = measured(*split_verdicts(60 + more, 60 - more), count=2)
        rounded += 0 < clean.point[BALANCED] - attacked.point[BALANCED] < 1e-9
        assert recovered_share(better, attacked, clean, 0.95).value is None
    assert rounded  # else nothing was tested


def test_recovered_share_of_a_damage_within_the_noise_has_no_interval():
    random = np.random.default_rng(2)
    labels = np.tile([0, 1], 100)
    clean = measured(labels, np.where(random.random(200) < 0.80, labels, 1 - labels))
    attacked = measured(labels, np.where(random.random(200) < 0.78, labels, 1 - labels))
    assert clean.point[BALANCED] > attacked.point[BALANCED]
    share = recovered_share(clean, attacked, clean, 0.95)
    assert share.value == pytest.approx(1.0)
    assert share.low is None
    assert "not clear of zero" in share.reason


def test_mean_leaves_out_what_has_no_value():
    samples = np.array([[1.0, math.nan, math.nan], [3.0, 5.0, math.nan]])
    np.testing.assert_array_equal(mean_defined(samples), [2.0, 5.0, math.nan])
