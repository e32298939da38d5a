"""How much attacks change faces: PSNR and SSIM against the clean ones."""

import pytest

from demagnify.data.prepare import open_splits
from demagnify.evaluation.evaluating import measure_quality
from demagnify.laundering.conditions import (
    under_attacks,
)
from demagnify.transforms.base import Identity
from demagnify.transforms.resize import Bicubic
from tiny_faces import SIZE, write_faces

COUNTS = {"train": 2, "val": 1, "test": 1}


@pytest.fixture
def source(tmp_path):
    return write_faces(tmp_path / "one", counts=COUNTS)


def open_train(source):
    return open_splits([source], ["train"], size=SIZE)["train"]


def test_quality_is_measured_against_the_clean_faces(source, tmp_path):
    faces = open_train(source)
    attacks = [Bicubic(2), Bicubic(4)]
    conditions = under_attacks(faces, attacks, cache=tmp_path / "cache")
    light, heavy = measure_quality(conditions)
    assert (light.name, heavy.name) == ("bicubic-x2", "bicubic-x4")
    assert light.n == heavy.n == 4
    assert 10 < heavy.psnr_mean < light.psnr_mean < 60
    assert 0 < heavy.ssim_mean < light.ssim_mean < 1


def test_faces_that_an_attack_leaves_alone_have_no_psnr(source):
    faces = open_train(source)
    same = faces.with_images(Identity()(faces.batch(range(len(faces)))))
    (entry,) = measure_quality({"none": faces, "nothing": same})
    assert entry.psnr_mean is None
    assert entry.ssim_mean == pytest.approx(1.0)
