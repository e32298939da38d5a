"""`detect` with a calibration that has limits of its own for enhanced faces."""

import numpy as np
import pytest

from demagnify.core.errors import DemagnifyWarning
from demagnify.data.face_finding import Face
from demagnify.inference import DetectionConfig, detect
from demagnify.inference.calibration import Calibration, Part
from demagnify.inference.enhancement import Enhancement, EnhancementRecognizer
from demagnify.inference.runtime import load_runtime

WIDE = 1e9


class MiddleFinder:
    """Finds one face, in the middle of every photograph."""

    def find(self, pixels):
        height, width = pixels.shape[:2]
        box = (width * 0.3, height * 0.3, width * 0.4, height * 0.4)
        return [Face(box, np.zeros((5, 2), dtype=np.float32), 0.9)]


def limits(threshold, real_below):
    return Part(
        real_faces=40,
        fake_faces=40,
        real_groups=20,
        fake_groups=20,
        threshold=threshold,
        real_below=real_below,
        likelihood_ratio=None,
    )


@pytest.fixture
def photos():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (160, 160, 3), dtype=np.uint8) for _ in range(2)]


@pytest.fixture
def answers(monkeypatch):
    """The first face is called captured, the second enhanced."""
    found = iter(["captured", "enhanced"])
    monkeypatch.setattr(
        EnhancementRecognizer, "_answer", lambda *_: Enhancement(answer=next(found))
    )


def verdicts_on(photos, folder, **fields):
    calibration = Calibration(
        fingerprint=load_runtime("light").fingerprint,
        target_fpr=0.05,
        target_fnr=0.05,
        parts={"any": limits(-WIDE, -WIDE), "enhanced": limits(WIDE, -WIDE)},
        data=("toy",),
        conditions={"none": 40},
        **fields,
    )
    calibration.save(folder)
    config = DetectionConfig(defense="light", calibration=folder, delivery_check=False)
    found = detect(photos, config, finder=MiddleFinder())
    return [photo.faces[0].verdict for photo in found]


def test_an_enhanced_face_has_the_limits_for_enhanced_faces(photos, answers, tmp_path):
    own = EnhancementRecognizer.load().sha256
    assert verdicts_on(photos, tmp_path, recognizer=own) == ["fake", "unsure"]


def test_limits_of_another_network_do_not_hold(photos, answers, tmp_path):
    with pytest.warns(DemagnifyWarning, match="asked another network about enhancement"):
        found = verdicts_on(photos, tmp_path, recognizer="0" * 64)
    assert found == ["fake", "fake"]
