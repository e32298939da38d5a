"""How attacks are written down."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, UnknownNameError
from demagnify.transforms import attacks
from demagnify.transforms.attacks.spec import FEEDINGS, VARIANTS, Link, file_name, parse

links = st.builds(
    Link,
    base=st.sampled_from(["srgan-x4", "nets/mine.pth", "a.b:c", "C:\\nets\\mine.pth"]),
    shrink=st.none() | st.sampled_from([1.0, 1.5, 2.0, 4.0]),
    variant=st.sampled_from(VARIANTS),
    feeding=st.sampled_from(FEEDINGS),
)


@given(st.lists(links, min_size=1, max_size=4))
def test_what_is_written_is_read_again(chain):
    assert list(parse("+".join(map(str, chain)))) == chain


def test_options_are_read_in_any_order_and_written_in_one():
    (link,) = parse("srgan-x4@bgr-255@up-then-down@k2")
    assert str(link) == "srgan-x4@k2@up-then-down@bgr-255"
    assert str(parse("srgan-x4@as-found@rgb-1@k2.50")[0]) == "srgan-x4@k2.5"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty link"),
        ("srgan-x4+", "empty link"),
        ("+srgan-x4", "empty link"),
        ("@k2", "empty link"),
        ("srgan-x4@", "no option is called ''"),
        ("srgan-x4@k", "no option is called 'k'"),
        ("srgan-x4@k-2", "no option"),
        ("srgan-x4@k0", "cannot shrink by 0"),
        ("srgan-x4@k0.5", "cannot shrink by 0.5"),
        ("srgan-x4@up_then_down", "known: k2, as-found, fit-224, up-then-down, rgb-1, bgr-255"),
        ("srgan-x4@k2@k3", "contradicts or repeats"),
        ("srgan-x4@fit-224@up-then-down", "contradicts or repeats"),
        ("srgan-x4>jpeg-90", "no attack is called"),
        ("jpeg-0", "1 to 95"),
        ("jpeg-96", "1 to 95"),
        ("bicubic-x1", "does not shrink"),
        ("jpeg-75@k2", "does not change the size"),
        ("none@fit-224", "does not change the size"),
        ("bicubic-x2@bgr-255", "no network to feed"),
        ("bicubic-x2@k3", "write bicubic-x3"),
    ],
)
def test_a_spec_that_means_nothing_is_refused_in_one_line(text, reason):
    with pytest.raises((BadConfigError, UnknownNameError), match=re.escape(reason)) as caught:
        attacks.create(text, device="cpu")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        chain = parse(text)
    except BadConfigError:
        return
    assert all(link.base for link in chain)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        *((name, name) for name in attacks.names()),
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
    attack = attacks.create(spec, device="cpu")
    assert attack.name == name
    again = attacks.create(attack.name, device="cpu")
    assert (again.name, again.fingerprint()) == (name, attack.fingerprint())


def test_scale_and_variant_may_be_given_beside_the_name():
    attack = attacks.create("dat-light", scale=2, variant="up-then-down", device="cpu")
    assert attack.name == "dat-light-x2@up-then-down"
    assert attacks.create("srgan-x4", scale=2, device="cpu").name == "srgan-x4@k2"
    assert attacks.create("srgan-x4@fit-224", variant="fit-224").name == "srgan-x4@fit-224"
    assert attacks.create("bicubic", scale=1.5).name == "bicubic-x1.5"


@pytest.mark.parametrize("wrong", [{"scale": 2}, {"variant": "fit-224"}])
def test_a_chain_has_no_scale_or_variant_of_its_own(wrong):
    with pytest.raises(BadConfigError, match="is a chain"):
        attacks.create("srgan-x4+jpeg-75", **wrong)


def test_a_variant_that_there_is_not_is_refused():
    with pytest.raises(BadConfigError, match="no variant is called 'down'"):
        attacks.create("srgan-x4", variant="down")
    with pytest.raises(BadConfigError, match="another variant"):
        attacks.create("srgan-x4@fit-224", variant="up-then-down")


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
