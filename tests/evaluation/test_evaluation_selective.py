"""Risk against coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demagnify.evaluation.selective import aurc, coverage_and_risks, risk_coverage

CORRECT = [True, True, False, True, False]
UNCERTAINTY = [0.1, 0.2, 0.3, 0.4, 0.5]

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=30)


def test_the_curve_of_a_known_example():
    curve = risk_coverage(CORRECT, UNCERTAINTY)
    np.testing.assert_allclose(curve.coverage, [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 0, 1 / 3, 1 / 4, 2 / 5])
    np.testing.assert_allclose(curve.limit, UNCERTAINTY)
    assert aurc(CORRECT, UNCERTAINTY) == pytest.approx((1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert aurc(CORRECT, np.logical_not(CORRECT)) == pytest.approx((1 / 4 + 2 / 5) / 5)


def test_equal_uncertainties_are_one_point_and_count_in_any_order():
    curve = risk_coverage([True, False, True, True], [0, 1, 1, 2])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 4])
    both = [aurc([True, first, not first, True], [0, 1, 1, 2]) for first in (True, False)]
    assert both[0] == pytest.approx(both[1]) == pytest.approx((0 + 1 / 4 + 1 / 3 + 1 / 4) / 4)


def test_what_is_rejected_counts_apart():
    some = coverage_and_risks(CORRECT, [False, False, True, False, True])
    assert some == (0.6, 0.0, 1.0)
    coverage, risk, rejected_risk = coverage_and_risks(CORRECT, [False] * 5)
    assert (coverage, risk) == (1.0, 0.4)
    assert math.isnan(rejected_risk)
    coverage, risk, rejected_risk = coverage_and_risks(CORRECT, [True] * 5)
    assert (coverage, rejected_risk) == (0.0, 0.4)
    assert math.isnan(risk)


@given(cases)
def test_it_ends_at_the_risk_of_all_and_never_beats_the_perfect_uncertainty(pairs):
    correct, uncertainty = (np.array(column) for column in zip(*pairs, strict=True))
    curve = risk_coverage(correct, uncertainty)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - correct.mean())
    assert (np.diff(curve.coverage) > 0).all()
    assert aurc(correct, uncertainty) >= aurc(correct, ~correct) - 1e-12
    coverage, risk, _ = coverage_and_risks(correct, uncertainty > curve.limit[0])
    assert coverage == pytest.approx(curve.coverage[0])
    assert risk == pytest.approx(curve.risk[0])


@given(cases)
def test_an_uncertainty_without_information_has_the_risk_of_all_at_every_coverage(pairs):
    correct = np.array([right for right, _ in pairs])
    assert aurc(correct, np.zeros(len(correct))) == pytest.approx(1 - correct.mean())


@pytest.mark.parametrize(
    ("correct", "uncertainty", "message"),
    [
        ([], [], "no face"),
        ([True], [0.1, 0.2], "not both"),
        ([True, False], [0.1, math.nan], "1 of 2 uncertainties"),
    ],
)
def test_what_cannot_be_measured_is_refused(correct, uncertainty, message):
    for measure in (risk_coverage, aurc):
        with pytest.raises(ValueError, match=message):
            measure(correct, uncertainty)
