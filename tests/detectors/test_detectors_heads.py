import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, DemagnifyWarning
from demagnify.detectors import Head, wrap

BATCH = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)


def returning(output, **options):
    return wrap(lambda _: torch.as_tensor(output), name="mine", **options)


probabilities = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30)


@given(probabilities)
def test_probabilities_keep_their_order_and_become_finite(values):
    ordered = torch.tensor(sorted(values))
    fake = Head(name="probability").logits(ordered, len(values), "mine")
    real = Head(name="probability-real").logits(ordered, len(values), "mine")
    assert fake.isfinite().all()
    assert (fake.diff() >= 0).all()
    assert torch.equal(real, -fake)


def test_certainty_lies_beyond_everything_else():
    neighbours = [0.0, 1e-45, 0.5, float(np.nextafter(np.float32(1), np.float32(0))), 1.0]
    logits = Head(name="probability").logits(torch.tensor(neighbours), 5, "mine")
    assert (logits.diff() > 0).all()
    assert logits[2] == 0


def test_a_probability_becomes_its_log_odds():
    logits = Head(name="probability").logits(torch.tensor([0.1, 0.9]), 2, "mine")
    torch.testing.assert_close(logits, torch.tensor([-math.log(9), math.log(9)]))


def test_half_precision_may_leave_the_unit_interval_a_little():
    head = Head(name="probability")
    assert head.logits(torch.tensor([1.0005]), 1, "m") == head.logits(torch.tensor([1.0]), 1, "m")


@pytest.mark.parametrize("labels", [("Real", "Fake"), ("fake", "real")])
def test_the_fake_one_of_two_outputs_is_found_by_its_name(labels):
    pair = torch.tensor([[0.0, 3.0]]).repeat(4, 1)
    detector = returning(pair, head="two-logit", labels=labels)
    assert detector(BATCH).tolist() == [3.0 if labels[1] == "Fake" else -3.0] * 4


def test_names_that_the_network_has_are_found():
    class Named(torch.nn.Module):
        config = SimpleNamespace(id2label={1: "real", 0: "fake"})  # as those of Hugging Face

        def forward(self, images):
            return {"logits": torch.tensor([[2.0, 0.0]]).repeat(len(images), 1)}

    detector = wrap(Named(), name="named", head="two-logit", output="logits")
    assert detector(BATCH).tolist() == [2.0] * 4
    with pytest.raises(BadConfigError, match="is the output that is called 'real'"):
        wrap(Named(), name="x", head="two-logit", fake_index=1)
    Named.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}  # names that say nothing
    detector = wrap(Named(), name="x", head="two-logit", output="logits", fake_index=1)
    assert detector(BATCH).tolist() == [-2.0] * 4
    with pytest.raises(BadConfigError, match="is the output that is called 'real'"):
        wrap(Named(), name="x", head="two-logit", fake_index=1, labels=["fake", "real"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "two-logit"}, "fake_index=0 or fake_index=1"),
        ({"head": "two-logit", "labels": ["0", "1"]}, "not real and fake"),
        ({"head": "two-logit", "labels": ["cat", "dog"]}, "calls its outputs cat, dog"),
        ({"head": "two-logit", "labels": ["fake", "fake"]}, "not real and fake"),
        ({"head": "two-logit", "fake_index": 2}, "is 0 or 1, not 2"),
        ({"head": "logit", "fake_index": 1}, "fake_index means nothing with head=logit"),
        ({"head": "probability", "threshold": 1.5}, "no probability between 0 and 1"),
    ],
)
def test_an_unclear_head_is_refused_in_one_line(options, message):
    with pytest.raises(BadConfigError, match=message) as caught:
        returning(torch.zeros(4), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        (torch.zeros(4, 2), {}, "head=two-logit and fake_index=1"),
        (torch.zeros(4), {"head": "two-logit", "fake_index": 1}, "write head=logit"),
        (torch.zeros(4, 1000), {}, "ImageNet's 1000"),
        (torch.full((4,), 3.5), {"head": "probability"}, "gave 3.5, which is no probability"),
        (
            torch.full((4, 2), 0.9),
            {"head": "two-probability", "fake_index": 1},
            "do not add up to 1",
        ),
    ],
)
def test_an_output_that_does_not_fit_the_head_is_refused_in_one_line(output, options, message):
    with pytest.raises(BadConfigError, match=message) as caught:
        returning(output, **options)(BATCH)
    assert "'mine'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_threshold_is_in_the_unit_of_the_head():
    scores = torch.tensor([0.2, 0.3, 0.31, 0.9])
    detector = returning(scores, head="probability", threshold=0.3)
    assert (detector(BATCH) > detector.threshold).tolist() == [False, False, True, True]
    detector = returning(1 - scores.double(), head="probability-real", threshold=0.6)
    assert (detector(BATCH) > detector.threshold).tolist() == [False, False, False, True]
    detector = returning(torch.tensor([1.0, 2.0, 3.0, 4.0]), threshold=2.0)
    assert (detector(BATCH) > detector.threshold).tolist() == [False, False, True, True]


def test_probabilities_taken_for_logits_are_warned_of_once():
    detector = returning(torch.tensor([0.1, 0.9, 0.0, 1.0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(5):
            detector(BATCH)
    assert [one.category for one in caught] == [DemagnifyWarning]
    assert "head=probability" in str(caught[0].message)


@pytest.mark.parametrize(
    "detector",
    [
        returning(torch.tensor([0.1, 0.9, 0.0, 1.5])),
        returning(torch.full((4,), 0.5)),
        returning(torch.tensor([0.1, 0.9, 0.0, 1.0]), threshold=0.5),
        returning(torch.tensor([0.1, 0.9, 0.0, 1.0]), head="probability"),
    ],
    ids=["beyond-1", "constant", "threshold-between", "probability-head"],
)
def test_other_scores_are_not_warned_of(detector):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            detector(BATCH)
