"""One grammar for everything with settings."""

import pytest

from demagnify.core.errors import BadConfigError
from demagnify.core.specs import Part, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jpeg-50", (Part("jpeg-50"),)),
        ("a+ b", (Part("a"), Part("b"))),
        ("srgan-x4@k2@up-then-down", (Part("srgan-x4", ("k2", "up-then-down")),)),
        (
            "x@head=two-logit@fake_index=1",
            (Part("x", (), {"head": "two-logit", "fake_index": "1"}),),
        ),
    ],
)
def test_a_spec_is_read(text, parts):
    assert parse(text) == parts


def test_file_names_may_hold_signs_where_they_mean_nothing():
    assert parse("a+b@2.onnx@head=logit", chain=False, flags=False) == (
        Part("a+b@2.onnx", (), {"head": "logit"}),
    )


@pytest.mark.parametrize("text", ["", "+a", "a++b", "@k2", "a@x=1@x=2"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(BadConfigError):
        parse(text)
