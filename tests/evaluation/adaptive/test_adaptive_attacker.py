"""The adaptive attacker on faces of one grey level, where brightness is the score."""

import numpy as np
import pytest
import torch
from toy_brightness import Brightness, Shift, grey_faces

from demagnify.core.artifacts import load_state
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.evaluation.adaptive import (
    FAST_ATTACKS,
    Candidates,
    SearchConfig,
    attack_target,
)
from demagnify.evaluation.adaptive import attack as attack_module
from demagnify.evaluation.adaptive.search import ORIGINAL
from demagnify.transforms import create
from demagnify.transforms.base import Identity

REAL, FAKE = 0, 1
LEVELS = [90, 105, 125, 110, 95, 99]
LABELS = [REAL, FAKE, FAKE, REAL, REAL, FAKE]
SHIFTS = (-10, -20, +8)


@pytest.fixture
def faces():
    return grey_faces(LEVELS, LABELS)


def candidates_of(faces, cache, shifts=SHIFTS):
    chosen = [Shift(levels) for levels in shifts]
    return Candidates(faces, chosen, cache=cache), chosen


def attack(faces, cache, *, detector=None, path=None, shifts=SHIFTS, batch_size=64, **options):
    candidates, _ = candidates_of(faces, cache, shifts)
    return attack_target(
        detector or Brightness(),
        candidates,
        SearchConfig(**options),
        path=path,
        batch_size=batch_size,
    )


def test_everything_is_as_worked_out_by_hand(faces, tmp_path):
    adapted = attack(faces, tmp_path)
    found = adapted.search
    # Real 110 and fake 99 are wrong already; nothing lowers 125 to 100; 90+8 stays below 100.
    assert found.mistaken.tolist() == [False, False, False, True, False, True]
    assert found.succeeded.tolist() == [False, True, False, False, True, False]
    assert found.winner.tolist() == [2, 1, 1, ORIGINAL, 2, ORIGINAL]
    assert adapted.before.tolist() == LEVELS
    assert adapted.after.tolist() == [98, 85, 105, 110, 103, 99]
    assert adapted.faces.images[:][:, 0, 0, 0].tolist() == [98, 85, 105, 110, 103, 99]
    assert found.queries.tolist() == [4, 4, 4, 1, 4, 1]
    assert adapted.calls == found.queries.sum() == 18


def test_the_published_faces_are_faces_like_others(faces, tmp_path):
    published = attack(faces, tmp_path).faces
    assert published.labels.tolist() == LABELS
    assert published.groups.tolist() == faces.groups.tolist()
    assert published.names == faces.names
    level = published.batch(np.array([4, 0]))[:, 0, 0, 0].tolist()
    assert level == [103, 98]
    assert published.subset([1]).images[0, 0, 0, 0] == 85
    assert len(published.fingerprint()) == 64
    assert published.fingerprint() != faces.fingerprint()


def test_faces_that_are_no_target_are_classified_but_not_queried(faces, tmp_path):
    adapted = attack(faces, tmp_path, targets="fakes")
    assert adapted.search.queries.tolist() == [0, 4, 4, 0, 0, 1]
    assert adapted.before.tolist() == LEVELS
    assert adapted.after.tolist() == [90, 85, 105, 110, 95, 99]
    assert adapted.calls == adapted.search.queries.sum() + 3


def test_psnr_is_that_of_the_shift(faces, tmp_path):
    candidates, _ = candidates_of(faces, tmp_path, shifts=(-10, 0, 20))
    expected = 20 * np.log10(255 / np.array([10, np.nan, 20]))
    expected[1] = np.inf
    np.testing.assert_allclose(candidates.psnr, np.tile(expected, (6, 1)), rtol=1e-5)


def test_the_floor_keeps_to_what_is_hardly_seen(faces, tmp_path):
    adapted = attack(faces, tmp_path, min_psnr=26.0)  # 20 levels are 22 dB, 10 are 28 dB
    assert adapted.search.tried.any(axis=0).tolist() == [True, False, True]
    assert adapted.after.tolist() == [98, 95, 115, 110, 103, 99]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("order", ["success", "quality", "given"])
def test_batches_change_nothing(faces, tmp_path, batch_size, order):
    options = {"order": order, "stop_at_success": True}
    whole = attack(faces, tmp_path, **options)
    detector = Brightness()
    parts = attack(faces, tmp_path, detector=detector, batch_size=batch_size, **options)
    np.testing.assert_array_equal(whole.search.winner, parts.search.winner)
    np.testing.assert_array_equal(whole.search.queries, parts.search.queries)
    np.testing.assert_array_equal(whole.after, parts.after)
    assert max(detector.batches) <= batch_size


def test_every_face_is_attacked_once(faces, tmp_path):
    candidates, chosen = candidates_of(faces, tmp_path)
    assert [one.images for one in chosen] == [6, 6, 6]
    again, chosen = candidates_of(faces, tmp_path)
    assert [one.images for one in chosen] == [0, 0, 0]
    np.testing.assert_array_equal(candidates.psnr, again.psnr)


def test_a_second_attacker_asks_only_what_is_new(faces, tmp_path):
    path = tmp_path / "logits.safetensors"
    first = attack(faces, tmp_path, path=path, budget=2, order="given")
    assert first.calls == 6 + 4
    detector = Brightness()
    second = attack(faces, tmp_path, path=path, detector=detector, shifts=(*SHIFTS, 30))
    assert second.search.queries.tolist() == [5, 5, 5, 1, 5, 1]
    assert detector.images == second.calls == second.search.queries.sum() - first.calls
    assert second.after.tolist() == [120, 85, 105, 110, 125, 99]


def test_a_killed_run_goes_on_and_counts_the_same(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(attack_module, "SAVE_EVERY_SECONDS", 0.0)
    whole = attack(faces, tmp_path, path=tmp_path / "whole.safetensors", batch_size=2)
    path = tmp_path / "cut.safetensors"
    killed = Brightness(stop_after=8)
    with pytest.raises(KeyboardInterrupt):
        attack(faces, tmp_path, path=path, batch_size=2, detector=killed)
    detector = Brightness()
    rest = attack(faces, tmp_path, path=path, batch_size=2, detector=detector)
    assert detector.images == whole.calls - killed.images
    np.testing.assert_array_equal(whole.search.queries, rest.search.queries)
    np.testing.assert_array_equal(whole.search.winner, rest.search.winner)
    kept, whole_kept = (load_state(tmp_path / name)[0] for name in (path.name, "whole.safetensors"))
    assert kept.keys() == whole_kept.keys()
    assert all(torch.equal(kept[key].nan_to_num(), whole_kept[key].nan_to_num()) for key in kept)


def test_logits_of_another_detector_are_refused(faces, tmp_path):
    path = tmp_path / "logits.safetensors"
    attack(faces, tmp_path, path=path)
    other = Brightness()
    other.fingerprint = lambda: "other"
    with pytest.raises(BadArtifactError, match="another detector"):
        attack(faces, tmp_path, path=path, detector=other)
    with pytest.raises(BadArtifactError, match="other faces"):
        attack(grey_faces([1, *LEVELS[1:]], LABELS), tmp_path, path=path)


def test_one_query_twice_is_computed_once(faces, tmp_path):
    candidates, _ = candidates_of(faces, tmp_path)
    detector = Brightness()
    table = candidates.table(detector)
    logits = table.lookup([2, 0, 2, 0], [1, 3, 1, 2])  # the original is the last column
    assert logits.tolist() == [105, 90, 105, 98]
    assert table.calls == detector.images == 3


def test_nothing_to_choose_from_is_refused(faces, tmp_path):
    with pytest.raises(BadConfigError, match="no attack"):
        Candidates(faces, [], cache=tmp_path)


def test_two_attacks_of_one_name_are_refused(faces, tmp_path):
    with pytest.raises(BadConfigError, match="several attacks are called same"):
        Candidates(faces, [Shift(1, "same"), Shift(2, "same")], cache=tmp_path)


def test_the_usual_attacks_exist_and_differ():
    made = [create(spec, device="cpu") for spec in FAST_ATTACKS]
    assert [attack.name for attack in made] == list(FAST_ATTACKS)
    assert len({attack.fingerprint() for attack in made}) == len(made) >= 12
    assert not any(isinstance(attack, Identity) for attack in made)
    assert len(made) + 1 == SearchConfig().budget  # by default all of them are tried
    networks = [attack for attack in made if not attack.name.startswith("bicubic")]
    assert len(networks) >= 6
