import numpy as np
import pytest
from PIL import Image

from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.inference.calibrate import CalibrationConfig, calibrate
from demagnify.inference.calibration import FILE, Calibration
from demagnify.inference.conditions import ConditionTable
from demagnify.inference.fitting import Rows, fit_parts


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    lines = ["file_name,split,label,group"]
    for split in ("val", "test"):
        for number in range(40):
            label = ("real", "fake")[number % 2]
            shade = random.normal(100 + 40 * (number % 2), 20)
            pixels = np.clip(random.normal(shade, 10, (120, 120, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{split}{number}.png")
            lines.append(f"{split}{number}.png,{split},{label},{split}{number // 2}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def bright():
    """A defence that calls bright faces fake."""
    from demagnify.agents.defended import undefended
    from demagnify.detectors import wrap

    def brightness(batch):
        return batch.float().mean(dim=(1, 2, 3)) / 20 - 6

    brightness.fingerprint = "brightness"
    detector = wrap(brightness, name="bright")
    return undefended(detector)


def test_calibrate_writes_limits_and_error_rates(faces, tmp_path, bright, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    config = CalibrationConfig(target_fpr=0.1, target_fnr=0.1, attacks=("bicubic-x2", "jpeg-75"))
    made = calibrate([faces], tmp_path / "out", config, defense=bright)
    path = tmp_path / "out" / FILE
    assert Calibration.read(path, bright.fingerprint()) == made
    part = made.parts["any"]
    assert (part.real_groups, part.real_faces) == (20, 40)
    assert part.real_below < part.threshold
    assert part.likelihood_ratio.slope > 0
    assert sum(made.conditions.values()) == 2 * made.conditions["none"]
    table = ConditionTable.beside(tmp_path / "out", bright.fingerprint(), sha256(path))
    assert {one.face_size for one in table.conditions} == {(40, 80), (80, 160)}  # of 120 pixels
    assert [one.enhancement for one in table.conditions].count("any") == 2 * 4
    assert table.find(100, 50, None).fpr.faces == 20


def smooth(crops):
    """Calls smooth faces enhanced."""
    return ["enhanced" if one.astype(float).std() < 6 else "captured" for one in crops]


def calibrate_by_answer(faces, output, defense, **settings):
    config = CalibrationConfig(
        target_fpr=0.1, target_fnr=0.1, attacks=("jpeg-75",), enhancers=("bicubic-x4",), **settings
    )
    lines = []
    made = calibrate([faces], output, config, defense=defense, enhancement=smooth, log=lines.append)
    return made, lines


def test_calibrate_fits_by_the_answer_about_enhancement(faces, tmp_path, bright):
    made, lines = calibrate_by_answer(faces, tmp_path / "out", bright)
    assert set(made.parts) == {"any", "captured", "enhanced"}
    assert made.conditions == {
        "none": 40, "jpeg-75": 40, "bicubic-x4": 40, "bicubic-x4+jpeg-75": 40
    }  # fmt: skip
    everyone = made.parts["any"]
    for part in made.parts.values():  # an answer about enhancement only makes unsure
        assert part.threshold >= everyone.threshold
        assert part.real_below <= everyone.real_below
        assert part.likelihood_ratio is not None
    assert everyone.real_faces == 40  # those that a network enhanced have no part in it
    assert made.parts["enhanced"].real_faces >= 40  # as the network leaves them, and as JPEG
    assert "enhancement cannot tell: 0 real and 0 fake groups are too few" in lines[1]
    digest = sha256(tmp_path / "out" / FILE)
    table = ConditionTable.beside(tmp_path / "out", bright.fingerprint(), digest)
    assert table.find(100, 90, "enhanced", own=True).enhancement == "enhanced"


def test_faces_are_seen_at_their_own_size(faces, tmp_path, bright):
    asked = []

    def answers(crops):
        asked.extend(crop.shape for crop in crops)
        return ["captured"] * len(crops)

    config = CalibrationConfig(attacks=("jpeg-75",), target_fpr=0.1, test_split="none")
    calibrate([faces], tmp_path / "out", config, defense=bright, enhancement=answers)
    assert set(asked) == {(120, 120, 3)}
    assert not (tmp_path / "out" / "conditions.json").exists()


def test_too_few_faces_with_an_answer_have_the_limits_for_any_face(faces, tmp_path, bright):
    config = CalibrationConfig(attacks=("jpeg-75",), target_fpr=0.1, test_split="none")
    lines = []
    few = iter(["enhanced"] * 8)

    def answers(crops):
        return [next(few, "captured") for _ in crops]

    made = calibrate(
        [faces], tmp_path / "out", config, defense=bright, enhancement=answers, log=lines.append
    )
    assert "enhanced" not in made.parts
    assert "enhancement enhanced: 4 real and 4 fake groups are too few" in lines[1]
    assert made.apply([0.0], ["enhanced"]).parts == ["any"]


def test_nobody_is_asked_about_enhancement_unless_wanted(faces, tmp_path, bright):
    config = CalibrationConfig(
        attacks=("jpeg-75",), target_fpr=0.1, test_split="none", by_enhancement=False
    )
    made = calibrate([faces], tmp_path / "out", config, defense=bright)
    assert (set(made.parts), made.recognizer) == ({"any"}, "")


def test_a_table_of_an_older_calibration_goes_away(faces, tmp_path, bright):
    calibrate_by_answer(faces, tmp_path / "out", bright)
    assert (tmp_path / "out" / "conditions.json").exists()
    calibrate_by_answer(faces, tmp_path / "out", bright, test_split="none")
    assert not (tmp_path / "out" / "conditions.json").exists()


def test_no_network_adds_to_the_real_faces_that_are_called_fake():
    rows = rows_of(60, shift=1.0)
    parts = fit_parts(rows, target_fpr=0.1, target_fnr=0.1)
    real = rows.labels == 0
    limit = parts["any"].threshold
    before = (rows.logits[real & ~rows.enhanced] > limit).sum()
    enhanced = rows.logits[real & rows.enhanced]
    assert (enhanced > limit).sum() > before
    assert (enhanced > parts["enhanced"].threshold).sum() <= before


def rows_of(faces, shift):
    """Real and fake faces, untouched and enhanced by a network, which adds `shift` to logits."""
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(-3, 2, faces), rng.normal(5, 2, faces)])
    numbers = np.arange(2 * faces)
    return Rows(
        logits=np.concatenate([logits, logits + shift]),
        labels=np.tile(np.repeat([0, 1], faces), 2),
        groups=np.tile(numbers.astype(str), 2),
        laundered=np.zeros(4 * faces, dtype=bool),
        enhancement=np.repeat(["captured", "enhanced"], 2 * faces),
        enhancers=np.repeat(["", "srmd-x4"], 2 * faces),
        faces=np.tile(numbers, 2),
    )


def test_calibration_needs_an_attack(faces, tmp_path, bright):
    with pytest.raises(BadConfigError, match="needs an attack"):
        calibrate([faces], tmp_path, CalibrationConfig(attacks=("none",)), defense=bright)
