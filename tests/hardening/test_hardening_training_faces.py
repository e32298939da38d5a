"""What a loop trains on beside the faces of its data sets."""

import numpy as np
import pytest

from demagnify.data.dataset import FaceDataset
from demagnify.data.face_finding import Face, FaceFinder
from demagnify.detectors import Detector, wrap
from demagnify.hardening.config import HardeningConfig, SurrogateConfig
from demagnify.hardening.harden import harden
from demagnify.hardening.training_faces import gather, self_blended

MARKS = np.array([[22, 24], [42, 24], [32, 34], [25, 44], [39, 44]], dtype=np.float32)


class Finder(FaceFinder):
    """Finds the same face in every image that is not black."""

    def __init__(self):
        """Needs no network."""

    def find(self, pixels):
        return [Face((12, 8, 40, 48), MARKS, 0.9)] if pixels.any() else []


def make_faces(count, mark="", seed=0):
    pixels = np.random.default_rng(seed).integers(40, 216, (count, 3, 16, 16), dtype=np.uint8)
    large = np.ascontiguousarray(pixels.repeat(4, 2).repeat(4, 3))
    names = [f"{mark}{number}" for number in range(count)]
    return FaceDataset.from_arrays(large, np.arange(count) % 2, names, names)


def test_self_blended_faces_are_fakes_that_differ_within_the_face_only():
    faces = make_faces(6)
    faces.images[2] = 0
    fakes, kept = self_blended(faces, 0, Finder())
    assert kept.tolist() == [0, 1, 3, 4, 5]
    assert fakes.labels.tolist() == [1] * 5
    assert fakes.groups.tolist() == [faces.groups[row] for row in kept]
    change = np.abs(fakes.images[:].astype(int) - faces.images[kept]).mean(axis=(0, 1))
    assert change[20:40, 24:40].mean() > 2 * change[:4].mean()
    again, _ = self_blended(faces, 0, Finder())
    assert (again.images[:] == fakes.images[:]).all()
    assert (self_blended(faces, 1, Finder())[0].images[:] != fakes.images[:]).any()


def test_small_data_sets_take_part_more_often():
    faces = FaceDataset.concatenate([make_faces(36, "0:"), make_faces(4, "1:")])
    config = HardeningConfig(balance=True, blended=0.5)
    lines = []
    gathered = gather(faces, config, sources=2, finder=Finder(), log=lines.append)
    sets = np.array([name[0] for name in gathered.faces.names])
    blended = gathered.origin < 0
    assert lines == [
        "10 self-blended fakes; no face was found in 0",
        f"passes over each data set: 1, {2 if '1' in sets[blended] else 3}",
    ]
    assert (gathered.faces.labels[blended] == 1).all()
    own = gathered.origin[~blended]
    assert (gathered.faces.labels[~blended] == faces.labels[own]).all()
    assert (gathered.faces.batch(np.flatnonzero(~blended)) == faces.batch(own)).all()
    assert (sets[~blended] == "0").sum() == 36
    assert (sets[~blended] == "1").sum() in (8, 12)


def test_nothing_is_added_by_default():
    faces = make_faces(4)
    assert gather(faces, HardeningConfig(), sources=1).faces is faces


def test_a_teacher_counts_where_it_is_right(tmp_path):
    faces = make_faces(4)
    logits = iter([[-2.0, 3.0, 5.0, 1.0]])  # wrong about the third face, which is real

    def classify(_images):
        return np.array(next(logits), dtype=np.float32)

    classify.fingerprint = "teacher"
    teacher = wrap(classify, name="teacher")
    gathered = gather(faces, HardeningConfig(), sources=1)
    targets = gathered.targets(teacher, faces, 0.5, tmp_path / "targets.safetensors")
    expected = [
        0.5 / (1 + np.exp(2)),
        0.5 + 0.5 / (1 + np.exp(-3)),
        0,
        0.5 + 0.5 / (1 + np.exp(-1)),
    ]
    assert targets == pytest.approx(expected, rel=1e-5)
    assert gathered.targets(teacher, faces, 0.0, tmp_path) is None


def test_a_loop_trains_on_targets_and_older_loops_keep_their_identity(tiny, faces, tmp_path):
    config = HardeningConfig(
        rounds=1, explore=1.0, validation_faces=8, degradations=("blurred",), consistency=0.5,
        surrogates=SurrogateConfig(count=0), device="cpu",
    )  # fmt: skip
    assert {"blended", "consistency"} & config.identity().keys() == {"consistency"}
    harden((faces(32, 1), faces(16, 2)), tmp_path / "hard", config, detector=tiny())
    trained = Detector.load(tmp_path / "hard.rounds" / "1" / "detector", device="cpu")
    assert len(trained.card["identity"]["targets"]) == 64
