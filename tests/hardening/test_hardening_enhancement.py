"""Training the recognition of enhanced faces."""

import json
import shutil

import cv2
import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError
from demagnify.hardening.config import SurrogateConfig
from demagnify.hardening.enhancement import EnhancementConfig, train_enhancement
from demagnify.hardening.enhancement_examples import (
    Delivered,
    Enhanced,
    FaceSet,
    deliver,
    draw_pairs,
    factor_of,
    family_of,
)
from demagnify.hardening.enhancement_faces import newly_captured, open_sets
from demagnify.hardening.enhancement_features import count, describe, tiles
from demagnify.inference.conditions import jpeg_quality
from demagnify.inference.enhancement import EnhancementRecognizer
from tiny_faces import write_faces

TINY = EnhancementConfig(
    networks=("filters-painted", "filters-sharpened"),
    surrogates=SurrogateConfig(count=1, steps=2, batch_size=2),
    slow=("*-sharpened",),
    epochs=12,
    width=16,
    device="cpu",
)


def noise(side, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (side, side, 3), dtype=np.uint8)


def face_set(labels=(0, 1, 0, 1)):
    faces = np.stack([noise(64, row).transpose(2, 0, 1) for row in range(len(labels))])
    rebuilt = Enhanced("srmd-x2", faces[:3] // 2)
    return FaceSet("some", faces, np.array(labels), (rebuilt,), None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("enhancement")
    data = write_faces(folder / "faces")
    cache = folder / "cache"
    return train_enhancement([data], folder / "network", TINY, cache=cache), data, cache


def test_a_written_network_answers_for_faces_of_any_size(trained):
    recognizer = EnhancementRecognizer.load(trained[0].output)
    face = images.load(trained[1] / "train" / "real" / "00.png")
    answers = recognizer([face, np.tile(face, (2, 2, 1))[:90], noise(20)])
    assert [one.probability is None for one in answers] == [False, False, True]
    assert answers[2].answer == "cannot tell"


def test_the_card_says_what_the_network_learned_from(trained):
    card = json.loads((trained[0].output / "card.json").read_text(encoding="utf-8"))
    assert card["networks"] == ["filters-painted", "filters-sharpened", "faithful-x2-1"]
    assert card["training faces"] == {"0 stored": 24, "0 shrunk": 24}
    assert card["sources"]
    assert 0.5 <= card["validation"]["balanced accuracy"] <= 1


def test_the_same_seed_trains_the_same_network(trained, tmp_path):
    again = train_enhancement([trained[1]], tmp_path / "again", TINY, cache=trained[2])
    assert again.decision == trained[0].decision


def test_a_finished_training_is_not_done_again(trained):
    done, data, cache = trained
    before = (done.output / "network.onnx").stat().st_mtime_ns
    again = train_enhancement([data], done.output, TINY, cache=cache)
    assert (again.decision, again.validation) == (done.decision, done.validation)
    assert (done.output / "network.onnx").stat().st_mtime_ns == before
    other = TINY.model_copy(update={"epochs": 13})
    with pytest.raises(BadArtifactError, match="belongs to another training: settings differ"):
        train_enhancement([data], done.output, other, cache=cache)


def test_a_damaged_network_is_told(trained, tmp_path):
    shutil.copytree(trained[0].output, tmp_path / "network")
    (tmp_path / "network/network.onnx").write_bytes(b"another")
    with pytest.raises(BadArtifactError, match=r"card\.json is damaged: network\.onnx is another"):
        train_enhancement([trained[1]], tmp_path / "network", TINY, cache=trained[2])


def test_nothing_that_stands_there_is_replaced(trained, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadOutputError):
        train_enhancement([trained[1]], tmp_path, TINY, cache=trained[2])


def test_both_real_and_fake_faces_are_needed(tmp_path):
    data = write_faces(tmp_path / "faces")
    table = data / "metadata.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if ",fake," not in row))
    with pytest.raises(BadConfigError, match="no real or no fake"):
        train_enhancement([data], tmp_path / "network", TINY)


def test_a_shrunk_face_has_no_trace_of_jpeg():
    random = np.random.default_rng(0)
    smooth = np.cumsum(random.normal(0, 3, (224, 224, 3)), axis=1) + 128
    stored = images.encode_jpeg(np.clip(smooth, 0, 255).astype(np.uint8), quality=60)
    face = images.decode(stored)
    assert jpeg_quality(face) is not None
    fresh = newly_captured(face, 112, np.random.default_rng(2))
    assert min(fresh.shape[:2]) >= 112
    assert jpeg_quality(fresh) is None


def test_faces_learned_from_have_no_trace_of_jpeg_in_half_of_the_sets(trained, tmp_path):
    """Otherwise a missing trace would be the sign of an enhanced face."""
    sets = open_sets([trained[1]], "val", TINY, cache=tmp_path)
    assert [one.name for one in sets] == ["0 stored", "0 shrunk"]
    stored, shrunk = (one.captured.shape[-1] for one in sets)
    assert shrunk < stored
    assert all(len(one.captured) == len(sets[0].captured) for one in sets)


def test_a_pair_shares_size_and_place():
    for pair in draw_pairs([face_set()], seed=1, draws=4):
        assert pair.captured.shape == pair.enhanced.shape
        assert min(pair.captured.shape[:2]) >= 48


def test_pairs_depend_on_the_seed_alone():
    first, second, other = (list(draw_pairs([face_set()], seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.enhanced, b.enhanced) for a, b in zip(first, second, strict=True))
    assert not all(
        a.enhanced.shape == b.enhanced.shape and np.array_equal(a.enhanced, b.enhanced)
        for a, b in zip(first, other, strict=True)
    )


def test_delivery_resizes_and_encodes():
    assert deliver(noise(64), Delivered(None, None)).shape == (64, 64, 3)
    assert deliver(noise(64), Delivered(1.5, 60)).shape == (96, 96, 3)


def test_families_and_factors_come_from_the_name():
    assert family_of("realesrgan-x4plus") == family_of("enhancing-x3-5") == "real-world"
    assert family_of("mine.pth") is None
    assert factor_of("srmd-x3") == 3
    assert factor_of("mine") is None


def test_features_are_finite_and_tell_detail_from_blur():
    flat = np.full((48, 48, 3), 128, dtype=np.uint8)
    sharp, soft = describe(noise(100)), describe(cv2.GaussianBlur(noise(100), (0, 0), 1.5))
    assert len(sharp) == count()
    assert np.isfinite(describe(flat)).all()
    assert np.abs(sharp - soft).mean() > 0.1


@pytest.mark.parametrize(("height", "width", "number"), [(50, 60, 1), (128, 128, 1), (300, 400, 4)])
def test_tiles_are_parts_of_the_face(height, width, number):
    found = tiles(np.zeros((height, width, 3), dtype=np.uint8))
    assert len(found) == number
    assert all(max(tile.shape[:2]) <= 128 for tile in found)
