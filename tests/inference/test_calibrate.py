import numpy as np
import pytest
from PIL import Image

from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.inference.calibrate import CalibrationConfig, calibrate
from demagnify.inference.calibration import FILE, Calibration
from demagnify.inference.conditions import ConditionTable


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
    assert len(table.conditions) == 2 * 4
    assert table.find(100, 50, None).fpr.faces == 20


def test_calibrate_fits_by_the_answer_about_enhancement(faces, tmp_path, bright, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    config = CalibrationConfig(
        target_fpr=0.1, target_fnr=0.1, attacks=("bicubic-x4",), test_split="none"
    )
    asked = []

    def smooth(crops):
        asked.append(crops.shape[1:])
        rough = crops.astype(float).std(axis=(1, 2, 3))
        return ["enhanced" if one < 6 else "captured" for one in rough]

    made = calibrate([faces], tmp_path / "out", config, defense=bright, enhancement=smooth)
    assert set(made.parts) >= {"any", "captured"}
    assert set(asked) == {(224, 224, 3)}
    assert not (tmp_path / "out" / "conditions.json").exists()


def test_calibration_needs_an_attack(faces, tmp_path, bright):
    with pytest.raises(BadConfigError, match="needs an attack"):
        calibrate([faces], tmp_path, CalibrationConfig(attacks=("none",)), defense=bright)
