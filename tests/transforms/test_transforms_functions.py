"""Python functions and modules as networks."""

import sys

import pytest
import torch

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.transforms import create, from_callable
from demagnify.transforms.resize import Bicubic

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

def make():
    return torch.nn.Upsample(scale_factor=3)

def make_broken():
    raise FileNotFoundError("net.pth")

def needs_even_sides(images):
    return double(images[..., ::2, ::2].view(-1, 3, 24, 32))

def gives_nothing(images):
    return double(images) if images.shape[-2] == 48 else double(images) * float("nan")

class Views(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 12, 3, padding=1)
        self.deep = torch.nn.Parameter(torch.ones(1, 1, 1, 1, 1))

    def forward(self, images):
        count, _, height, width = images.shape
        seen = self.layer(images).view(count, -1).view(count, 12, height, width)
        return torch.nn.functional.pixel_shuffle(seen, 2)

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
    attack = create(f"{module}:double", device="cpu")
    assert (attack.name, attack.scale) == (f"{module}:double", 2)
    assert torch.equal(attack(pictures()), Bicubic(2)(pictures()))


def test_a_function_takes_options_and_stands_in_chains(module):
    attack = create(f"{module}:double@k4+jpeg-75+{module}:Nets.twice", device="cpu")
    assert attack.name == f"{module}:double@k4+jpeg-75+{module}:Nets.twice"
    assert attack(pictures()).shape == pictures().shape


def test_a_function_that_does_not_enlarge_is_a_restorer(module):
    assert torch.equal(create(f"{module}:same", device="cpu")(pictures()), pictures())


def test_another_source_has_another_fingerprint(module, tmp_path):
    before = create(f"{module}:double").fingerprint()
    assert create(f"{module}:double").fingerprint() == before
    (tmp_path / f"{module}.py").write_text(MODULE + "# changed\n")
    assert create(f"{module}:double").fingerprint() != before


def test_a_fingerprint_of_its_own_takes_the_place_of_the_file(module, tmp_path):
    (tmp_path / f"{module}_told.py").write_text(MODULE + 'double.fingerprint = "1"\n')
    before = create(f"{module}_told:double").fingerprint()
    sys.modules[f"{module}_told"].double.fingerprint = "2"
    assert create(f"{module}_told:double").fingerprint() != before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("odd", r"makes \(1, 3, 70, 90\) of \(1, 3, 48, 64\)"),
        ("levels", "gives torch.uint8"),
        ("arrays", "gives ndarray"),
        ("broken", r"fails on float RGB images \(1, 3, 48, 64\): ValueError: no weights here$"),
        ("nothing", "has no 'nothing'"),
        ("Nets", "gave a Nets, which cannot be called"),
        ("number", "is a int, which cannot be called"),
        ("make_broken", "make_broken cannot be made: FileNotFoundError: net.pth$"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(module, name, reason):
    with pytest.raises(BadConfigError, match=reason) as caught:
        create(f"{module}:{name}", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_imported_is_told(module, tmp_path):
    with pytest.raises(BadConfigError, match="there is no module 'no_such_package'"):
        create("no_such_package:net")
    (tmp_path / f"{module}_bad.py").write_text("import no_such_thing\n")
    with pytest.raises(BadConfigError, match="needs the module 'no_such_thing'"):
        create(f"{module}_bad:net")
    (tmp_path / f"{module}_ends.py").write_text("raise SystemExit(2)\n")
    with pytest.raises(BadConfigError, match="cannot be imported: SystemExit: 2"):
        create(f"{module}_ends:net")


def test_a_function_without_arguments_makes_the_network(module):
    attack = create(f"{module}:make", device="cpu")
    assert (attack.scale, attack(pictures()).shape) == (3, pictures().shape)


def test_code_that_looks_at_the_layout_of_its_images_runs(module):
    attack = create(f"{module}:Views", device="cpu")
    assert attack(pictures()).shape == pictures().shape


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("needs_even_sides", "the network fails on 2 x 3 x 40 x 52 values: RuntimeError: "),
        ("gives_nothing", "gave 12480 of 12480 values that are no finite number"),
    ],
)
def test_a_network_that_fails_later_is_told_with_its_name_and_cause(module, name, reason):
    attack = create(f"{module}:{name}", device="cpu")
    with pytest.raises(ImageContractError, match=reason) as caught:
        attack(pictures())
    assert str(caught.value).startswith(f"{module}:{name}: ")
    assert "\n" not in str(caught.value)
    assert (caught.value.__cause__ is None) == (name == "gives_nothing")


@pytest.mark.parametrize("scale", [0, 1.5, "2"])
def test_a_scale_that_is_no_whole_number_is_refused(scale):
    with pytest.raises(BadConfigError, match="cannot enlarge by"):
        from_callable(lambda images: images, scale, "mine")
