"""Python functions and modules as networks."""

import pytest
import torch

from demagnify import attacks
from demagnify.attacks.controls import BicubicAttack
from demagnify.errors import BadConfigError

MODULE = """
import torch
from torch.nn import functional

def double(images):
    return functional.interpolate(
        images, scale_factor=2, mode="bicubic", align_corners=False, antialias=True
    )

def same(images):
    return images.clone()

def odd(images):
    return functional.interpolate(images, size=(70, 90))

def levels(images):
    return (double(images) * 255).to(torch.uint8)

def arrays(images):
    return double(images).numpy()

def broken(images):
    raise ValueError("no weights here\\nand more")

class Nets:
    twice = torch.nn.Upsample(scale_factor=2)

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A Python file in the working folder, under a name that no other test uses."""
    name = f"nets_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 40, 52), generator=generator).to(torch.uint8)


def test_a_function_makes_an_attack_and_tells_its_scale_itself(module):
    attack = attacks.create(f"{module}:double", device="cpu")
    assert (attack.name, attack.scale) == (f"{module}:double", 2)
    assert torch.equal(attack(pictures()), BicubicAttack(2)(pictures()))


def test_a_function_takes_options_and_stands_in_chains(module):
    attack = attacks.create(f"{module}:double@k4+jpeg-75+{module}:Nets.twice", device="cpu")
    assert attack.name == f"{module}:double@k4+jpeg-75+{module}:Nets.twice"
    assert attack(pictures()).shape == pictures().shape


def test_a_function_that_does_not_enlarge_is_a_restorer(module):
    assert torch.equal(attacks.create(f"{module}:same", device="cpu")(pictures()), pictures())


def test_another_source_has_another_fingerprint(module, tmp_path):
    before = attacks.create(f"{module}:double").fingerprint()
    assert attacks.create(f"{module}:double").fingerprint() == before
    (tmp_path / f"{module}.py").write_text(MODULE + "# changed\n")
    assert attacks.create(f"{module}:double").fingerprint() != before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("odd", r"makes \(1, 3, 70, 90\) of \(1, 3, 48, 64\)"),
        ("levels", "gives torch.uint8"),
        ("arrays", "gives ndarray"),
        ("broken", r"fails on float RGB images \(1, 3, 48, 64\): ValueError: no weights here$"),
        ("nothing", "has no nothing"),
        ("Nets", "is no function"),
        ("number", "is no function"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(module, name, reason):
    with pytest.raises(BadConfigError, match=reason) as caught:
        attacks.create(f"{module}:{name}", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_imported_is_told(module, tmp_path):
    with pytest.raises(BadConfigError, match="no_such_package cannot be imported"):
        attacks.create("no_such_package:net")
    (tmp_path / f"{module}_bad.py").write_text("import no_such_thing\n")
    with pytest.raises(BadConfigError, match="No module named 'no_such_thing'"):
        attacks.create(f"{module}_bad:net")
