"""The numbered set that an agent chooses from."""

from __future__ import annotations

import pytest
import torch

from demagnify import actions
from demagnify.actions import Action, ActionSet
from demagnify.errors import BadConfigError, ImageContractError, UnknownNameError


@pytest.fixture(name="images")
def some_images():
    return torch.randint(1, 256, (5, 3, 32, 32), dtype=torch.uint8)


def test_every_image_gets_its_own_action(images):
    chosen = ActionSet.create(["leave", "mask-center", "median"])
    numbers = torch.tensor([1, 0, 2, 1, 0])
    result = chosen.apply(images, numbers)
    for index, number in enumerate(numbers):
        assert torch.equal(result[index : index + 1], chosen[number](images[index : index + 1]))


def test_the_input_stays_as_it_was(images):
    before = images.clone()
    every = ActionSet.create(actions.names())
    for number in range(len(every)):
        every.apply(images, torch.tensor([number, 0, number, 0, number]))
    assert torch.equal(images, before)


def test_one_call_per_action_however_many_images(images):
    calls = []

    class Counted(Action):
        name = "counted"

        def apply(self, images):
            calls.append(len(images))
            return images.flip(-1)

    both = ActionSet([*ActionSet.create(["leave"]), Counted()])
    both.apply(images, torch.tensor([1, 0, 1, 1, 0]))
    assert calls == [3]


def test_an_empty_batch_comes_back_empty():
    every = ActionSet.create(actions.names())
    empty = torch.zeros(0, 3, 32, 32, dtype=torch.uint8)
    for number in range(len(every)):
        assert every[number](empty).shape == empty.shape
    assert every.apply(empty, torch.zeros(0, dtype=torch.int64)).shape == empty.shape


def test_leave_comes_first_and_names_once():
    with pytest.raises(BadConfigError, match="the first action is always 'leave'"):
        ActionSet.create(["mask-center", "leave"])
    with pytest.raises(BadConfigError, match="twice"):
        ActionSet.create(["leave", "median", "median"])
    with pytest.raises(BadConfigError, match="nothing"):
        ActionSet.create([])
    with pytest.raises(UnknownNameError, match="did you mean mask-center"):
        ActionSet.create(["leave", "mask-centre"])


@pytest.mark.parametrize("numbers", [[0, 0], [0, 0, 0, 0, 3], [0, 0, 0, 0, -1]])
def test_numbers_must_fit_images_and_set(images, numbers):
    with pytest.raises(ValueError, match=r"actions|images"):
        ActionSet.create(["leave", "median"]).apply(images, torch.tensor(numbers))


def test_an_action_that_breaks_the_contract_is_named(images):
    class Crop(Action):
        name = "crop"

        def apply(self, images):
            return images[..., 1:]

    class Float(Action):
        name = "float"

        def apply(self, images):
            return images.float()

    with pytest.raises(ImageContractError, match="'crop' turned"):
        Crop()(images)
    with pytest.raises(ImageContractError, match=r"'float' returned is torch\.float32"):
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
    for name in actions.names():
        with pytest.raises(ImageContractError):
            ActionSet.create(["leave"] + [name] * (name != "leave"))[-1](wrong)
