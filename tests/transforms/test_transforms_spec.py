"""How attacks are written down."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, UnknownNameError
from demagnify.core.files import file_name
from demagnify.core.specs import Part, parse
from demagnify.transforms import ATTACKS, create, create_attack
from demagnify.transforms.super_resolution.magnification import FEEDINGS, VARIANTS, Geometry

options = st.builds(
    Geometry,
    shrink=st.none() | st.sampled_from([1.0, 1.5, 2.0, 4.0]),
    variant=st.sampled_from(VARIANTS),
    feeding=st.sampled_from(FEEDINGS),
)
bases = st.sampled_from(["srgan-x4", "nets/mine.pth", "a.b:c", "C:\\nets\\mine.pth"])


@given(st.lists(st.tuples(bases, options), min_size=1, max_size=4))
def test_what_is_written_is_read_again(chain):
    parts = parse("+".join(f"{base}{geometry}" for base, geometry in chain))
    assert [(part.base, Geometry.read(part)) for part in parts] == chain


def test_options_are_read_in_any_order_and_written_in_one():
    (part,) = parse("srgan-x4@bgr-255@up-then-down@k2")
    assert str(Geometry.read(part)) == "@k2@up-then-down@bgr-255"
    assert str(Geometry.read(Part("x", ("as-found", "rgb-1", "k2.50")))) == "@k2.5"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty part"),
        ("srgan-x4+", "empty part"),
        ("+srgan-x4", "empty part"),
        ("@k2", "empty part"),
        ("srgan-x4@", "no option is called ''"),
        ("srgan-x4@k", "no option is called 'k'"),
        ("srgan-x4@k-2", "no option"),
        ("srgan-x4@k0", "cannot shrink by 0"),
        ("srgan-x4@k0.5", "cannot shrink by 0.5"),
        ("srgan-x4@up_then_down", "known: k2, as-found, fit-224, up-then-down, rgb-1, bgr-255"),
        ("srgan-x4@k2@k3", "contradicts or repeats"),
        ("srgan-x4@fit-224@up-then-down", "contradicts or repeats"),
        ("srgan-x4>jpeg-90", "no transform is called"),
        ("jpeg-0", "greater than or equal to 1"),
        ("jpeg-96", "less than or equal to 95"),
        ("bicubic-x1", "greater than 1"),
        ("jpeg-75@k2", "has no option 'k2'"),
        ("identity@fit-224", "has no option 'fit-224'"),
        ("bicubic-x2@bgr-255", "no network to feed"),
        ("bicubic-x2@k3", "write bicubic-x3"),
    ],
)
def test_a_spec_that_means_nothing_is_refused_in_one_line(text, reason):
    with pytest.raises((BadConfigError, UnknownNameError), match=re.escape(reason)) as caught:
        create(text, device="cpu")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        chain = parse(text)
    except BadConfigError:
        return
    assert all(part.base for part in chain)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        *((name, name) for name in ATTACKS),
        ("bicubic-x1.5", "bicubic-x1.5"),
        ("bicubic-x2@k2", "bicubic-x2"),
        ("jpeg-85", "jpeg-85"),
        ("jpeg-85-444", "jpeg-85-444"),
        ("srgan-x4@k4", "srgan-x4"),
        ("srgan-x4@k2", "srgan-x4@k2"),
        ("dat-light-x2@bgr-255@up-then-down", "dat-light-x2@up-then-down@bgr-255"),
        ("bicubic-x2@fit-224", "bicubic-x2@fit-224"),
        ("srgan-x4@k2+jpeg-75+srgan-x4", "srgan-x4@k2+jpeg-75+srgan-x4"),
        ("srgan-x4 + srgan-x4", "srgan-x4+srgan-x4"),
    ],
)
def test_a_name_makes_the_attack_that_it_names(spec, name):
    attack = create(spec, device="cpu")
    assert attack.name == name
    again = create(attack.name, device="cpu")
    assert (again.name, again.fingerprint()) == (name, attack.fingerprint())


def test_scale_and_variant_may_be_given_beside_the_name():
    attack = create_attack("dat-light", scale=2, variant="up-then-down", device="cpu")
    assert attack.name == "dat-light-x2@up-then-down"
    assert create_attack("srgan-x4", scale=2, device="cpu").name == "srgan-x4@k2"
    assert create_attack("srgan-x4@fit-224", variant="fit-224").name == "srgan-x4@fit-224"
    assert create_attack("bicubic", scale=1.5).name == "bicubic-x1.5"


@pytest.mark.parametrize("wrong", [{"scale": 2}, {"variant": "fit-224"}])
def test_a_chain_has_no_scale_or_variant_of_its_own(wrong):
    with pytest.raises(BadConfigError, match="is a chain"):
        create_attack("srgan-x4+jpeg-75", **wrong)


def test_a_variant_that_there_is_not_is_refused():
    with pytest.raises(BadConfigError, match="no variant is called 'down'"):
        create_attack("srgan-x4", variant="down")
    with pytest.raises(BadConfigError, match="another variant"):
        create_attack("srgan-x4@fit-224", variant="up-then-down")


@given(st.text(min_size=1), st.text(min_size=1))
def test_file_names_are_safe_and_tell_names_apart(one, other):
    safe = file_name(one)
    assert 0 < len(safe) <= 100
    assert not set(safe) & set('/\\:*?"<>| \t\n\0')
    assert not safe.startswith(".")
    assert one == other or safe != file_name(other)


def test_file_names_stay_as_they_are_where_they_can():
    assert file_name("srgan-x4@k2+jpeg-75") == "srgan-x4@k2+jpeg-75"
    assert file_name("a.b:c").startswith("a.b-c-")
