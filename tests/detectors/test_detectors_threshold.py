import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from demagnify.detectors.threshold import choose_threshold

LOGITS = st.floats(-30, 30, width=32)


@given(st.lists(LOGITS, min_size=1, max_size=12), st.lists(LOGITS, min_size=1, max_size=12))
def test_no_threshold_is_better_than_the_chosen_one(real, fake):
    labels = np.repeat([0, 1], [len(real), len(fake)])
    logits = torch.tensor(real + fake, dtype=torch.float32)
    chosen = choose_threshold((labels, logits))

    def reached(threshold: float) -> float:
        return balanced_accuracy_score(labels, (logits > threshold).numpy())

    assert reached(chosen.threshold) == pytest.approx(chosen.balanced_accuracy)
    every = [*logits.tolist(), float(logits.min()) - 1]
    assert chosen.balanced_accuracy == pytest.approx(max(map(reached, every)))


def test_the_threshold_lies_half_way():
    assert choose_threshold(([0, 0, 1, 1], [-3.0, -1.0, 2.0, 5.0])).threshold == 0.5


def test_of_neighbouring_floats_the_threshold_still_parts_them():
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2.0))
    chosen = choose_threshold(([0, 1], torch.tensor([low, high])))
    assert chosen.balanced_accuracy == 1.0
    assert (torch.tensor([low, high]) > chosen.threshold).tolist() == [False, True]


LABELS = [0, 0, 1, 1]


def test_of_equal_thresholds_the_highest_is_taken_or_the_nearest_to_the_present_one():
    logits = [0.0, 2.0, 1.0, 3.0]  # cuts at 0.5 and 2.5 are as good
    assert choose_threshold((LABELS, logits)) == (2.5, 0.75)
    assert choose_threshold((LABELS, logits), near=0.75) == (0.75, 0.75)
    assert choose_threshold((LABELS, logits), near=-9.0) == (0.5, 0.75)
    assert choose_threshold((LABELS, logits), near=9.0) == (2.5, 0.75)


def test_conditions_count_alike_however_many_faces_they_have():
    many = ([0, 1] * 50, [-2.0, 2.0] * 50)
    few = ([0, 1, 1], [2.5, 3.0, 3.5])
    # Both 0.0 and 2.75 are right on one condition and no better than chance on the other.
    assert choose_threshold(many, few) == (2.75, 0.75)
    pooled = ([*many[0], *few[0]], [*many[1], *few[1]])
    assert choose_threshold(pooled).threshold == 0.0


def test_where_a_class_has_no_faces_the_other_one_counts():
    assert choose_threshold(([0, 0], [1.0, 2.0])) == (2.0, 1.0)
    assert choose_threshold(([1, 1], [1.0, 2.0])) == (0.0, 1.0)


def test_false_alarms_can_be_limited():
    labels, logits = [0] * 10 + [1] * 10, [*range(10), *np.linspace(4.2, 6.7, 10)]
    free = choose_threshold((labels, logits))
    held = choose_threshold((labels, logits), most=0.1)
    alarms = [sum(one > choice.threshold for one in logits[:10]) for choice in (free, held)]
    assert alarms[0] > 1 >= alarms[1]
    assert held.balanced_accuracy < free.balanced_accuracy


def test_the_limit_holds_for_the_mean_over_conditions():
    quiet, loud = ([0, 0, 1], [-9.0, -8.0, 3.0]), ([0, 0, 1], [1.0, 2.0, 1.5])
    assert choose_threshold(quiet, loud, most=0.25).threshold >= 1.0
    assert choose_threshold(loud, most=0.0).threshold >= 2.0
