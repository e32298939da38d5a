"""The numbered set that an agent chooses from."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, ImageContractError, UnknownNameError
from demagnify.transforms import CORRECTIONS, Chain, Transform, TransformSet, create
from demagnify.transforms.blur import GaussianBlur
from demagnify.transforms.jpeg import Jpeg


@pytest.fixture(name="images")
def some_images():
    return torch.randint(1, 256, (5, 3, 32, 32), dtype=torch.uint8)


def test_every_image_gets_its_own_action(images):
    chosen = TransformSet.create(["identity", "mask-center", "median"])
    numbers = torch.tensor([1, 0, 2, 1, 0])
    result = chosen.apply(images, numbers)
    for index, number in enumerate(numbers):
        assert torch.equal(result[index : index + 1], chosen[number](images[index : index + 1]))


def test_the_input_stays_as_it_was(images):
    before = images.clone()
    every = TransformSet.create(CORRECTIONS)
    for number in range(len(every)):
        every.apply(images, torch.tensor([number, 0, number, 0, number]))
    assert torch.equal(images, before)


def test_one_call_per_action_however_many_images(images):
    calls = []

    class Counted(Transform):
        name = "counted"

        def apply(self, images, rngs=()):
            calls.append(len(images))
            return images.flip(-1)

    both = TransformSet([*TransformSet.create(["identity"]), Counted()])
    both.apply(images, torch.tensor([1, 0, 1, 1, 0]))
    assert calls == [3]


def test_an_empty_batch_comes_back_empty():
    every = TransformSet.create(CORRECTIONS)
    empty = torch.zeros(0, 3, 32, 32, dtype=torch.uint8)
    for number in range(len(every)):
        assert every[number](empty).shape == empty.shape
    assert every.apply(empty, torch.zeros(0, dtype=torch.int64)).shape == empty.shape


def test_the_identity_comes_first_and_names_once():
    with pytest.raises(BadConfigError, match="the first transform is 'identity'"):
        TransformSet.create(["mask-center", "identity"])
    with pytest.raises(BadConfigError, match="twice"):
        TransformSet.create(["identity", "median", "median"])
    with pytest.raises(BadConfigError, match="nothing"):
        TransformSet.create([])
    with pytest.raises(UnknownNameError, match="did you mean mask-center"):
        TransformSet.create(["identity", "mask-centre"])


@pytest.mark.parametrize("numbers", [[0, 0], [0, 0, 0, 0, 3], [0, 0, 0, 0, -1]])
def test_numbers_must_fit_images_and_set(images, numbers):
    with pytest.raises(ValueError, match=r"transforms|images"):
        TransformSet.create(["identity", "median"]).apply(images, torch.tensor(numbers))


def test_an_action_that_breaks_the_contract_is_named(images):
    class Crop(Transform):
        name = "crop"

        def apply(self, images, rngs=()):
            return images[..., 1:]

    class Float(Transform):
        name = "float"

        def apply(self, images, rngs=()):
            return images.float()

    with pytest.raises(ImageContractError, match="'crop' turned"):
        Crop()(images)
    with pytest.raises(ImageContractError, match=r"the result of float is torch\.float32"):
        Float()(images)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, 32, 32, 3, dtype=torch.uint8),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
        torch.zeros(2, 3, 32, 32),
    ],
)
def test_what_is_no_image_batch_is_refused(wrong):
    chosen = TransformSet.create(["identity", "flip"])
    with pytest.raises(ImageContractError):
        chosen.apply(wrong, torch.zeros(len(wrong), dtype=torch.int64))


def test_settings_stand_in_the_name():
    assert create("jpeg-50") == Jpeg(quality=50)
    assert create("jpeg") == create("jpeg-75") == Jpeg()
    assert create("gaussian-blur-0.5").sigma == 0.5
    assert create("bilateral-10-1.5") == create("bilateral", {"levels": 10, "pixels": 1.5})
    assert TransformSet.create(["identity", "jpeg-75", "jpeg-50", "down-up-3"]).names == (
        "identity",
        "jpeg-75",
        "jpeg-50",
        "down-up-3",
    )


def test_the_same_action_under_two_names_comes_twice():
    with pytest.raises(BadConfigError, match="twice"):
        TransformSet.create(["identity", "jpeg", "jpeg-75"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("jpeg-200", "quality: .*less than or equal to 95"),
        ("jpeg-good", "quality: .*valid integer"),
        ("jpeg-75-1", "chroma: .*420 or 444"),
        ("jpeg-75-444-1", "more settings than 'jpeg' takes"),
        ("median-4", "side: .*3 or 5"),
        ("flip-1", "more settings than 'flip' takes"),
        ("gaussian-blur-nan", "sigma"),
        ("jpeg+", "an empty part"),
    ],
)
def test_settings_out_of_range_are_named(spec, message):
    with pytest.raises(BadConfigError, match=message):
        create(spec)


def test_unknown_settings_and_steps_are_named():
    with pytest.raises(BadConfigError, match="no setting 'speed'"):
        create("jpeg", {"speed": 3})
    with pytest.raises(UnknownNameError, match="did you mean median"):
        create("down-up+medion")


@given(st.floats(1e-6, 5), st.integers(1, 95))
def test_every_setting_survives_its_name(sigma, quality):
    chain = Chain((GaussianBlur(sigma=sigma), Jpeg(quality=quality)))
    assert create(chain.spec) == chain
    assert create(chain.name) == chain


def test_a_chain_is_its_steps_in_their_order(images):
    chain = create("down-up+jpeg-50+identity")
    assert torch.equal(chain(images), create("jpeg-50")(create("down-up")(images)))
    assert not torch.equal(chain(images), create("jpeg-50+down-up")(images))


def test_identities_are_marked_and_copy_nothing(images):
    chosen = TransformSet.create(["identity", "identity+identity", "flip"])
    assert chosen.identity.tolist() == [True, True, False]
    assert chosen.apply(images, torch.tensor([0, 1, 0, 1, 0])) is images
