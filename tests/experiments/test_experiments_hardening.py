"""Hardening on data sets: what the card says of data and attacks."""

import pytest
from tiny_faces import SIZE, write_faces

from demagnify import detectors
from demagnify.data.provenance import identify
from demagnify.detectors.detector import Detector
from demagnify.hardening import Hardening
from demagnify.hardening.harden import harden_on
from demagnify.hardening.surrogates import Sparring

QUICK = Hardening(
    rounds=1, explore=1.0, judged=8, kinds=("blurred",), sparring=Sparring(partners=0)
)


@pytest.fixture
def faces(tmp_path):
    for number in (1, 2):
        write_faces(tmp_path / f"faces{number}", counts={"train": 7 + number, "val": 8})
    return [tmp_path / "faces1", tmp_path / "faces2"]


def test_what_a_detector_has_seen_before_stays_seen(faces, tmp_path):
    """Once forgotten: attacks of an earlier training were called unseen after hardening."""
    start = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=1)
    start.card = {"seen_attacks": ["srgan-x4", "filters"], "sources": identify(faces[:1])}
    harden_on(
        faces[1:],
        QUICK,
        detector=start,
        output=tmp_path / "hard",
        attacks=["bicubic-x2"],
        face_size=SIZE,
        device="cpu",
    )
    card = Detector.load(tmp_path / "hard", device="cpu").card
    assert card["seen_attacks"] == ["srgan-x4", "filters", "bicubic-x2"]
    assert card["sources"] == identify(faces)
