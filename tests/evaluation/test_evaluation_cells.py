"""The attacker who knows the defence, what may be called unseen, seeds, Holm's correction."""

import numpy as np
import pytest

from demagnify.agents.predictors import Predictions
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.cells import worst_of
from demagnify.evaluation.document import familiarity, families
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.significance import holm


def said(logits, actions=None, threshold=0.0):
    chosen = None if actions is None else np.array(actions)
    return Predictions(
        logits=np.array(logits, dtype=np.float32), actions=chosen, threshold=threshold
    )


def test_fakes_are_brought_down_and_reals_up():
    labels = np.array([1, 1, 0, 0])
    found = worst_of([said([3, 1, -2, 5], [0, 0, 0, 0]), said([1, 2, -3, 4], [1, 1, 2, 2])], labels)
    assert found.logits.tolist() == [1, 1, -2, 5]
    assert found.actions.tolist() == [1, 0, 0, 0]


def test_what_is_not_known_of_all_is_not_known_of_the_worst():
    found = worst_of([said([1.0]), said([0.0], [1])], np.array([1]))
    assert found.actions is None


def test_scores_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="different thresholds"):
        worst_of([said([1.0]), said([0.0], threshold=1.0)], np.array([1]))


@pytest.mark.parametrize(
    ("attack", "known"),
    [
        ("none", "clean"),
        ("adaptive", "adaptive"),
        ("srgan-x4", "seen"),
        ("srgan-x4@k2", "other-setting"),
        ("srgan-x4+jpeg-75", "other-setting"),
        ("realesr-compact-x4", "other-setting"),
        ("bicubic-x3+srgan-x4", "other-setting"),
        ("dat-light-x2", "unseen"),
        ("dat-light-x2+jpeg-75", "unseen"),
        ("realesrgan-x4plus", "unseen"),
        ("bicubic-x2", "control"),
        ("jpeg-50", "control"),
        ("4x[odd]+@name", "unseen"),
    ],
)
def test_a_network_that_took_part_anywhere_is_never_unseen(attack, known):
    assert familiarity(attack, ("srgan-x4", "realesr-compact-x2")) == known


def test_resizing_that_was_seen_is_another_setting_at_another_scale():
    assert familiarity("bicubic-x4", ("bicubic-x2",)) == "other-setting"
    assert families("bicubic-x4+jpeg-75") == {"bicubic"}


def test_holm_is_holms():
    # Worked out by hand: 0.01 x 4, then 0.02 x 3, 0.03 x 2 (no less than before), 0.5 x 1.
    np.testing.assert_allclose(holm([0.03, 0.01, 0.5, 0.02]), [0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_several_trainings_average_and_widen_the_interval():
    random = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    weights = GroupResamples([str(n) for n in range(200)], count=300).weights()
    parts = [
        Measured.over(Scores(labels, random.normal(labels * gap, 1), 0.5), weights)
        for gap in (0.2, 1.0, 3.0)
    ]
    found = Measured.averaged(parts, seed=1)
    np.testing.assert_allclose(found.point, np.mean([one.point for one in parts], axis=0))
    widths = [
        np.diff([getattr(one.intervals(0.95)["auc"], end) for end in ("low", "high")])[0]
        for one in (found, *parts)
    ]
    assert widths[0] > max(widths[1:])
    assert Measured.averaged(parts[:1], seed=1) is parts[0]
