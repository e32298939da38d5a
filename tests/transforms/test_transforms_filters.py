"""Ordinary filters as an attack: drawn per image, from the image alone."""

import numpy as np
import pytest
import torch

from demagnify.core.errors import UnknownNameError
from demagnify.transforms import DEGRADATIONS, create


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (40, 3, 6, 6), dtype=np.uint8).repeat(8, 2).repeat(8, 3)
    return torch.from_numpy(coarse)


def test_an_image_meets_the_same_filter_in_any_batch(images):
    attack = create("filters")
    attacked = attack(images)
    assert torch.equal(attack(images.flip(0)).flip(0), attacked)
    assert torch.equal(attack(images[7:8]), attacked[7:8])


def test_all_kinds_take_part(images):
    attacked = create("filters")(images)
    kinds = {name: create(f"filters-{name}")(images) for name in DEGRADATIONS}
    assert not torch.equal(attacked, images)
    strengths = {name: float((one.float() - images.float()).std()) for name, one in kinds.items()}
    assert len({round(value, 3) for value in strengths.values()}) == len(DEGRADATIONS)


def test_names_are_read_back_and_chained():
    assert create("filters").name == "filters"
    assert create("filters-back-projected").name == "filters-back-projected"
    assert create("filters-crisp+jpeg-75").name == "filters-crisp+jpeg-75"
    names = {create(f"filters-{kind}").fingerprint() for kind in DEGRADATIONS}
    assert len(names) == len(DEGRADATIONS)


def test_an_unknown_filter_is_refused():
    with pytest.raises(UnknownNameError, match="wobbled"):
        create("filters-wobbled")
