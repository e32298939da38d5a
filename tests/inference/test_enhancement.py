"""Captured or enhanced: the answer of the shipped network."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadArtifactError
from demagnify.core.sealed import write_sealed
from demagnify.inference import EnhancementRecognizer, recognize_enhancement
from demagnify.inference.enhancement import WEIGHTS

SCAN = Path(__file__).with_name("astronaut.png")
"""The face of NASA's portrait of Eileen Collins (public domain), scanned and never JPEG."""


@pytest.fixture(scope="module")
def recognizer():
    return EnhancementRecognizer.load()


def logits(recognizer, enhanced, family=None, factor=None):
    card = recognizer.card
    found = np.zeros(1 + len(card["families"]) + len(card["factors"]), dtype=np.float32)
    found[0] = enhanced
    if family:
        found[1 + card["families"].index(family)] = 50
    if factor:
        found[1 + len(card["families"]) + card["factors"].index(factor)] = 50
    return found


def test_the_answer_goes_from_captured_over_cannot_tell_to_enhanced(recognizer):
    rule = recognizer.card["decision"]
    between = (rule["captured"] + rule["enhanced"]) / 2
    raised = (np.log(between / (1 - between)) - rule["intercept"]) / rule["slope"]
    found = [recognizer.decide(logits(recognizer, one)).answer for one in (-99, raised, 99)]
    assert found[0] == "captured"
    assert found[2] == "enhanced"
    if rule["captured"] < rule["enhanced"]:
        assert found[1] == "cannot tell"


def test_family_and_factor_are_told_where_they_are_likely(recognizer):
    card = recognizer.card["decision"]
    found = recognizer.decide(logits(recognizer, 99, "real-world", 4))
    assert found.family == ("real-world" if card["family"] <= 1 else None)
    assert found.factor == (4 if card["factor"] <= 1 else None)
    unknown = recognizer.decide(logits(recognizer, 99))
    assert unknown.family is None
    assert recognizer.decide(logits(recognizer, -99, "real-world", 4)).family is None


def test_faces_beyond_the_measured_sizes_get_no_answer():
    small, large = (np.zeros((side, side, 3), dtype=np.uint8) for side in (47, 513))
    found = recognize_enhancement([small, large])
    assert [one.answer for one in found] == ["cannot tell"] * 2
    assert "not measured below 48" in str(found[0])


@pytest.mark.parametrize("share", [1, 0.8, 0.6, 0.5])
@pytest.mark.parametrize("quality", [None, 95])
def test_a_scanned_photograph_is_not_called_enhanced(share, quality):
    scan = cv2.resize(images.load(SCAN), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    if quality:
        scan = images.decode(images.encode_jpeg(scan, quality=quality))
    assert recognize_enhancement([scan])[0].answer != "enhanced"


def test_a_face_unlike_the_training_faces_gets_no_answer():
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    found = recognize_enhancement([noise])[0]
    assert (found.answer, found.probability) == ("cannot tell", None)
    assert found.reason == "unlike the training faces"


def test_a_face_gets_the_same_answer_beside_others(recognizer):
    faces = [np.random.default_rng(n).integers(0, 256, (90, 90, 3), dtype=np.uint8) for n in (1, 2)]
    assert recognizer(faces) == [*recognizer(faces[:1]), *recognizer(faces[1:])]


def test_an_answer_has_words_and_json(recognizer):
    answer = recognizer.decide(logits(recognizer, 99))
    assert str(answer).startswith("enhanced (probability 1.00 of enhanced")
    assert json.loads(json.dumps(answer.to_json()))["answer"] == "enhanced"


def test_a_changed_network_is_refused(tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(WEIGHTS, folder)
    network = folder / "network.onnx"
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    with pytest.raises(BadArtifactError, match="SHA-256"):
        EnhancementRecognizer.load(folder)


def test_other_features_and_other_folders_are_refused(tmp_path):
    with pytest.raises(BadArtifactError, match="holds no enhancement network"):
        EnhancementRecognizer.load(tmp_path)
    folder = tmp_path / "copy"
    shutil.copytree(WEIGHTS, folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["features"]["version"] += 1
    write_sealed(folder / "card.json", card)
    with pytest.raises(BadArtifactError, match="other features"):
        EnhancementRecognizer.load(folder)
