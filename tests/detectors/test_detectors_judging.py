from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from demagnify.detectors.judging import area_under_curve, choose_threshold
from demagnify.detectors.schedule import learning_rate

LOGITS = st.floats(-30, 30, width=32)


@given(st.lists(LOGITS, min_size=1, max_size=12), st.lists(LOGITS, min_size=1, max_size=12))
def test_no_threshold_is_better_than_the_chosen_one(real, fake):
    labels = np.repeat([0, 1], [len(real), len(fake)])
    logits = torch.tensor(real + fake, dtype=torch.float32)
    chosen = choose_threshold(labels, logits)

    def reached(threshold: float) -> float:
        return balanced_accuracy_score(labels, (logits > threshold).numpy())

    assert reached(chosen.threshold) == pytest.approx(chosen.balanced_accuracy)
    every = [*logits.tolist(), float(logits.min()) - 1]
    assert chosen.balanced_accuracy == pytest.approx(max(map(reached, every)))


def test_the_threshold_lies_half_way():
    assert choose_threshold([0, 0, 1, 1], [-3.0, -1.0, 2.0, 5.0]).threshold == 0.5


def test_of_neighbouring_floats_the_threshold_still_parts_them():
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2.0))
    chosen = choose_threshold([0, 1], torch.tensor([low, high]))
    assert chosen.balanced_accuracy == 1.0
    assert (torch.tensor([low, high]) > chosen.threshold).tolist() == [False, True]


def test_area_under_curve_counts_ordered_pairs():
    assert area_under_curve([0, 0, 1, 1], torch.tensor([0.1, 0.4, 0.35, 0.8])) == 0.75


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(s, steps=100, base=0.1, warmup=0.1) for s in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert max(rates) == 0.1
    assert rates[0] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-4


def test_without_warm_up_it_starts_at_the_top():
    assert learning_rate(0, steps=1, base=0.1, warmup=0.0) == 0.1
