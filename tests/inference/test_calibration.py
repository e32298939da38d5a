import json
from pathlib import Path

import numpy as np
import pytest

from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.sealed import write_sealed
from demagnify.inference.answers import Meaning
from demagnify.inference.calibration import Calibration, LikelihoodRatio, Part, verdict_of
from demagnify.inference.conditions import Condition, Rate
from demagnify.inference.fitting import Rows, cllr, fit_likelihood_ratio, fit_parts, upper_limit

REFERENCE = json.loads((Path(__file__).parent / "likelihood_ratio.json").read_text("utf-8"))


def rows_of(seed, groups=60, faces=3, shift=2.0):
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], groups * faces)
    middle = np.repeat(random.normal(size=2 * groups), faces)
    logits = middle + random.normal(size=len(labels)) + shift * labels
    names = np.repeat(np.arange(2 * groups), faces).astype(str)
    return Rows(logits, labels, names, np.tile([False, True, True], 2 * groups))


def part(threshold, real_below):
    return Part(
        real_faces=1,
        fake_faces=1,
        real_groups=1,
        fake_groups=1,
        threshold=threshold,
        real_below=real_below,
        likelihood_ratio=None,
    )


def calibration_of(rows, **fields):
    parts = fit_parts(rows, target_fpr=0.1, target_fnr=0.1)
    known = {"fingerprint": "a" * 64, "target_fpr": 0.1, "target_fnr": 0.1, "parts": parts}
    return Calibration(**known, data=("toy",), conditions={"none": 3}, **fields)


def test_likelihood_ratio_is_that_of_the_reference_implementation():
    scores = np.array(REFERENCE["real"] + REFERENCE["fake"])
    labels = np.repeat([0, 1], [len(REFERENCE["real"]), len(REFERENCE["fake"])])
    found = fit_likelihood_ratio(scores, labels)
    np.testing.assert_allclose(found.log10(REFERENCE["probe"]), REFERENCE["bounded"], atol=1e-3)
    assert (found.low, found.high) == pytest.approx((REFERENCE["low"], REFERENCE["high"]))
    assert found.cllr == pytest.approx(REFERENCE["cllr"], abs=1e-3)
    assert found.cllr_min == pytest.approx(REFERENCE["cllr_min"], abs=1e-9)


def test_likelihood_ratio_never_leaves_the_limits_of_its_data():
    found = fit_likelihood_ratio(
        np.r_[np.arange(30) - 100, np.arange(30) + 100], [0] * 30 + [1] * 30
    )
    assert found.log10([1e9]) == pytest.approx([found.high])
    assert 0 < found.high <= np.log10(31) + 0.02
    assert -np.log10(31) - 0.02 <= found.low < 0


def test_useless_scores_say_nothing():
    random = np.random.default_rng(0)
    found = fit_likelihood_ratio(random.normal(size=400), np.arange(400) % 2)
    assert np.abs(found.log10([-2, 0, 2])).max() < 0.3
    assert found.cllr == pytest.approx(1, abs=0.05)


def test_cllr_of_certain_and_right_answers_is_zero():
    assert cllr([-50.0, 50.0], [0, 1]) == pytest.approx(0, abs=1e-9)


def test_upper_limit_needs_enough_groups_for_its_promise():
    assert upper_limit([1.0] * 18, [1.0] * 18, 0.05) is None  # 1 / 19 is above 0.05
    assert upper_limit(range(19), [1.0] * 19, 0.05) == 18
    assert upper_limit([], [], 0.05) is None


def test_upper_limit_counts_groups_and_not_faces():
    scores = np.r_[np.arange(20.0), np.full(1000, 100.0)]
    weights = np.r_[np.ones(20), np.full(1000, 0.001)]
    assert upper_limit(scores, weights, 0.1) == 19


def test_promised_shares_hold_on_new_groups():
    wrong = []
    for seed in range(40):
        limits = fit_parts(rows_of(seed), target_fpr=0.1, target_fnr=0.1)["any"]
        new = rows_of(1000 + seed)
        verdicts = np.array([verdict_of(logit, limits) for logit in new.logits])
        real = new.labels == 0
        wrong.append([(verdicts[real] == "fake").mean(), (verdicts[~real] == "real").mean()])
    assert np.mean(wrong, axis=0) == pytest.approx([0.1, 0.1], abs=0.02)


def test_classes_that_do_not_overlap_leave_nothing_unsure():
    limits = fit_parts(rows_of(0, shift=50.0), target_fpr=0.1, target_fnr=0.1)["any"]
    assert limits.real_below == limits.threshold


def test_weights_give_each_group_one_and_laundered_faces_half():
    rows = Rows(np.zeros(3), np.zeros(3, int), np.array(["a"] * 3), np.array([False, True, True]))
    assert rows.weights().tolist() == [0.5, 0.25, 0.25]


def test_each_answer_about_enhancement_has_its_own_limits():
    rows = rows_of(1)
    rows = Rows(*(getattr(rows, one) for one in ("logits", "labels", "groups", "laundered")),
                np.where(rows.laundered, "enhanced", "captured"))  # fmt: skip
    rows.logits[rows.laundered] += 5
    calibration = calibration_of(rows)
    assert set(calibration.parts) == {"any", "captured", "enhanced"}
    low, high = calibration.parts["captured"].threshold, calibration.parts["enhanced"].threshold
    found = calibration.apply([(low + high) / 2] * 3, ["captured", "enhanced", "cannot tell"])
    assert found.verdicts[0] == "fake"
    assert found.verdicts[1] != "fake"
    assert found.parts == ["captured", "enhanced", "any"]


def test_verdicts_at_their_limits():
    limits = part(1.0, -1.0)
    assert [verdict_of(one, limits) for one in (-1.0, -0.99, 1.0, 1.01)] == [
        "real",
        "unsure",
        "unsure",
        "fake",
    ]
    assert verdict_of(99.0, part(None, None)) == "unsure"


def test_a_calibration_is_refused_for_other_weights(tmp_path):
    path = calibration_of(rows_of(2)).save(tmp_path)
    assert Calibration.read(path, "a" * 64) == calibration_of(rows_of(2))
    with pytest.raises(BadArtifactError, match="belongs to other weights"):
        Calibration.read(path, "b" * 64)
    write_sealed(path, {})
    with pytest.raises(BadArtifactError, match="is no calibration"):
        Calibration.read(path, "a" * 64)
    path.write_text("{}")
    with pytest.raises(BadArtifactError, match="it has no SHA-256"):
        Calibration.read(path, "a" * 64)
    with pytest.raises(BadArtifactError, match="no such file"):
        Calibration.read(tmp_path / "none.json", "a" * 64)


def test_limited_likelihood_ratios_are_marked():
    ratio = LikelihoodRatio(slope=1, intercept=0, low=-1, high=1, cllr=0.5, cllr_min=0.4)
    calibration = Calibration(
        fingerprint="a",
        target_fpr=0.1,
        target_fnr=0.1,
        parts={"any": part(1.0, -1.0).model_copy(update={"likelihood_ratio": ratio})},
        data=(),
        conditions={},
    )
    found = calibration.apply([0.5, 9.0])
    assert found.limited.tolist() == [False, True]
    assert found.log10_lr[1] == 1


def test_limits_that_leave_everything_unsure_are_refused():
    rows = rows_of(3, groups=2)
    with pytest.raises(
        BadConfigError, match="every verdict would be unsure; at least 99 real"
    ) as e:
        fit_parts(rows, target_fpr=0.01, target_fnr=0.05)
    assert "2 real and 2 fake groups" in str(e.value)
    assert "19 fake ones for 5.0%" in str(e.value)
    enough = fit_parts(rows_of(3, groups=19), target_fpr=0.01, target_fnr=0.05)["any"]
    assert enough.real_below is not None


def test_error_rates_are_not_told_where_everything_was_unsure():
    none = Rate(value=0, low=0, high=1, faces=10, groups=5)
    known = {"face_size": (80, 160), "jpeg_quality": None, "enhancement": "any"}
    for share, words in ((1, "JPEG: all 10 faces were unsure"), (0.5, "unsure 50.0%")):
        unsure = Rate(value=share, low=0, high=1, faces=10, groups=5)
        condition = Condition(**known, fpr=none, fnr=none, abstained=unsure)
        _, told = Meaning(verdict="unsure", condition=condition).in_words()
        assert words in told
        assert ("real called fake 0.0%" in told) == (share < 1)


def test_one_class_alone_cannot_be_calibrated():
    rows = rows_of(3)
    with pytest.raises(BadConfigError, match="real and fake"):
        fit_parts(rows.where(rows.labels == 0), target_fpr=0.1, target_fnr=0.1)
