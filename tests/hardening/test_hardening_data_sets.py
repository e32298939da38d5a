"""Hardening on data sets: the card names data and attacks."""

import pytest

from demagnify import detectors
from demagnify.data.provenance import provenance_of
from demagnify.detectors.detector import Detector
from demagnify.hardening.config import HardeningConfig, SurrogateConfig
from demagnify.hardening.harden import harden
from tiny_faces import SIZE, write_faces

QUICK = HardeningConfig(
    rounds=1,
    explore=1.0,
    validation_faces=8,
    degradations=("blurred",),
    surrogates=SurrogateConfig(count=0),
    attacks=("bicubic-x2",),
    size=SIZE,
    device="cpu",
)


@pytest.fixture
def faces(tmp_path):
    for number in (1, 2):
        write_faces(tmp_path / f"faces{number}", counts={"train": 7 + number, "val": 8})
    return [tmp_path / "faces1", tmp_path / "faces2"]


def test_attacks_seen_before_stay_seen(faces, tmp_path):
    """Once forgotten: attacks of an earlier training were called unseen after hardening."""
    start = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=1)
    start.card = {"seen_attacks": ["srgan-x4", "filters"], "sources": provenance_of(faces[:1])}
    harden(faces[1:], tmp_path / "hard", QUICK, detector=start)
    assert (tmp_path / "hard.rounds.png").stat().st_size > 1000
    card = Detector.load(tmp_path / "hard", device="cpu").card
    assert card["seen_attacks"] == ["srgan-x4", "filters", "bicubic-x2"]
    assert card["sources"] == provenance_of(faces)
