import numpy as np
import pytest

from demagnify.core.errors import BadArtifactError
from demagnify.core.images import decode, encode_jpeg
from demagnify.inference.answers import Interpreter, Seen
from demagnify.inference.conditions import Condition, ConditionTable, Rate, jpeg_quality
from demagnify.inference.runtime import load_runtime


@pytest.fixture(scope="module")
def photo():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    smooth = np.kron(coarse, np.ones((16, 16, 1)))
    return np.clip(smooth * 0.7 + random.normal(30, 8, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_quality_of_a_jpeg_file_is_read_from_its_table(photo, quality):
    assert jpeg_quality(encode_jpeg(photo, quality=quality)) == quality


@pytest.mark.parametrize("quality", [60, 75])
def test_quality_of_pixels_is_seen_in_their_blocks(photo, quality):
    pixels = decode(encode_jpeg(photo, quality=quality))
    assert jpeg_quality(pixels) == pytest.approx(quality, abs=4)


def test_pixels_without_a_trace_of_jpeg(photo, tmp_path):
    assert jpeg_quality(photo) is None
    assert jpeg_quality(photo[:20, :20]) is None


def rate(share):
    return Rate(value=share, low=0, high=1, faces=10, groups=5)


def table(**fields):
    cells = [
        Condition(
            face_size=(80, 160),
            jpeg_quality=quality,
            enhancement="any",
            fpr=rate(0.1),
            fnr=rate(0.2),
            abstained=rate(0.3),
        )
        for quality in ((62, 85), None)
    ]
    known = {"fingerprint": "w", "calibration_sha256": "c", "data": ("toy",)}
    return ConditionTable(**known, conditions=tuple(cells), **fields)


def test_a_face_falls_under_one_measured_condition_or_none():
    assert table().find(100, 75, None).jpeg_quality == (62, 85)
    assert table().find(100, None, None).jpeg_quality is None
    assert table().find(159.9, 62, "any") is not None
    for outside in ((160, 75, None), (79, 75, None), (100, 85, None)):
        assert table().find(*outside) is None


def test_rates_for_any_answer_do_not_hold_where_an_answer_has_limits_of_its_own():
    assert table().find(100, 75, "enhanced") is not None
    assert table().find(100, 75, "enhanced", own=True) is None
    assert table().find(100, 75, "captured") is not None


def test_enhanced_can_make_a_verdict_of_the_default_unsure_but_never_turn_it_round():
    shipped = Interpreter.load("default", load_runtime("default").fingerprint)
    for logit in np.linspace(-9, 9, 200):
        one, other = (
            shipped.read(logit, Seen(224, None, answer)).verdict
            for answer in ("captured", "enhanced")
        )
        assert other in (one, "unsure")
    high = shipped.read(9.0, Seen(400, 50, "enhanced"))
    assert (high.verdict, high.condition, high.likelihood_ratio) == ("fake", None, None)


def test_unsure_names_its_reason():
    shipped = Interpreter.load("default", load_runtime("default").fingerprint)
    between = shipped.read(0.0, Seen(224, 75, "enhanced"))
    part = shipped.calibration.parts["enhanced"]
    limits = f"{part.real_below:.2f} and {part.threshold:.2f}"
    assert between.reason.endswith(f'limits of the enhancement answer "enhanced", {limits}')
    assert between.in_words()[0] == f"unsure: {between.reason}"
    torn = shipped.read(9.0, Seen(224, 75, "captured"), delivered=-9.0)
    assert torn.reason == "at half the size, stored as JPEG 75, the verdict is the opposite"
    assert shipped.read(0.0, Seen(224, 75, None), abstained=True).reason == "the defence abstains"
    assert shipped.read(9.0, Seen(224, 75, "captured")).reason == ""


def test_there_is_no_ratio_where_the_delivered_face_gets_the_opposite_verdict():
    shipped = Interpreter.load("default", load_runtime("default").fingerprint)
    seen = Seen(224, 75, "captured")
    assert shipped.read(9.0, seen, delivered=9.0).likelihood_ratio > 1
    torn = shipped.read(9.0, seen, delivered=-9.0)
    assert (torn.verdict, torn.likelihood_ratio) == ("unsure", None)


def test_a_table_is_refused_for_other_weights_or_another_calibration(tmp_path):
    path = table().save(tmp_path)
    assert ConditionTable.read(path, "w", "c") == table()
    for other in (("x", "c"), ("w", "x")):
        with pytest.raises(BadArtifactError, match="other weights or another calibration"):
            ConditionTable.read(path, *other)
    assert ConditionTable.beside(tmp_path / "nowhere", "w", "c") is None
