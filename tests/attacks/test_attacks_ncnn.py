"""Reading ncnn's files, whole and damaged."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from demagnify.attacks.networks import ncnn
from demagnify.errors import AssetError

PARAM = """7767517
3 3
Input            input.1  0 1 data
Convolution      Conv_0   1 1 data 1 0=2 1=1 4=0 5=1 6=3
PReLU            PRelu_1  1 1 1 output 0=2 -23310=1,2.0e-01
"""
KERNEL = np.array([0.5, -2.0, 0.25], dtype=np.float32)


def binary(tag: int) -> bytes:
    kernel = KERNEL.astype("<f2").tobytes() + b"\0\0" if tag else KERNEL.tobytes()
    rest = np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32).tobytes()
    return tag.to_bytes(4, "little") + kernel + rest


@pytest.mark.parametrize("tag", [0, 0x01306B47])
def test_weights_are_read_in_both_precisions(tag):
    param = PARAM.replace("0=2 1=1", "0=1 1=1").replace("0=2 -", "0=3 -")
    convolution, activation = ncnn.read_bin(
        binary(tag), ncnn.read_param(param, name="x.param"), name="x.bin"
    )
    assert convolution["weight"].tolist() == KERNEL.reshape(1, 3, 1, 1).tolist()
    assert convolution["bias"].tolist() == [1.0]
    assert activation["weight"].tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (binary(0)[:-1], "cut off"),
        (binary(0) + b"\0", "more weights"),
        (b"\1\2\3\4" + binary(0), "not known"),
        (b"", "cut off"),
    ],
)
def test_damaged_weights_are_refused(data, reason):
    param = PARAM.replace("0=2 1=1", "0=1 1=1").replace("0=2 -", "0=3 -")
    with pytest.raises(AssetError, match=reason):
        ncnn.read_bin(data, ncnn.read_param(param, name="x.param"), name="x.bin")


@given(text=st.text())
def test_any_text_is_parsed_or_refused(text):
    for content in (text, f"7767517\n1 1\n{text}"):
        try:
            layers = ncnn.read_param(content, name="x.param")
        except AssetError:
            continue
        assert all(isinstance(layer, ncnn.Layer) for layer in layers)


def test_a_shrunk_network_has_the_size_of_its_scale():
    module = ncnn.Shrunk(torch.nn.Upsample(scale_factor=4), 0.75)
    assert module(torch.zeros(1, 3, 7, 10)).shape == (1, 3, 21, 30)
