"""Reading ncnn's files, whole and damaged."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from demagnify.core.errors import AssetError, BadArtifactError, DemagnifyError
from demagnify.transforms import create
from demagnify.transforms.super_resolution import ncnn

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


def chain(*lines: str) -> list[ncnn.Layer]:
    return ncnn.read_param("7767517\n1 1\n" + "\n".join(lines), name="x.param")


def test_a_chain_enlarges_and_keeps_its_border():
    layers = chain(
        "Input in 0 1 data",
        "Convolution one 1 1 data a 0=4 1=3 5=1 6=108 9=2 -23310=1,0.1",
        "Deconvolution two 1 1 a b 0=3 1=4 3=2 4=3 5=1 6=192",
    )
    weights = [
        {"weight": torch.rand(4, 3, 3, 3), "bias": torch.rand(4)},
        {"weight": torch.rand(3, 4, 4, 4), "bias": torch.rand(3)},
    ]
    network = ncnn.from_layers(layers, weights, name="x.param")
    assert network.scale == 2
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 9, 12)).shape == (2, 3, 18, 24)


@pytest.mark.parametrize("last", ["PixelShuffle p 1 1 a b 0=2", "Pooling p 1 1 a b"])
def test_a_chain_of_another_kind_is_refused(last):
    layers = chain("Input in 0 1 data", "Convolution one 1 1 data a 0=4 1=3 4=1 5=1 6=108", last)
    weights = [{"weight": torch.rand(4, 3, 3, 3), "bias": torch.rand(4)}]
    with pytest.raises(BadArtifactError, match=r"neither SRMD|not known"):
        ncnn.from_layers(layers, weights, name="x.param")


CHAIN = """7767517
3 3
Input            in   0 1 data
Convolution      c    1 1 data 1 0=3 1=3 4=0 5=1 6=81
Deconvolution    d    1 1 1 output 0=3 1=4 3=2 4=3 5=1 6=144
"""


def pair(folder, param=CHAIN):
    """Writes both files of a small network that enlarges by 2; returns the first."""
    numbers = np.random.default_rng(0).normal(0.05, 0.05, 81 + 3 + 144 + 3).astype("<f4")
    parts = [b"\0" * 4, numbers[:84].tobytes(), b"\0" * 4, numbers[84:].tobytes()]
    (folder / "mine.param").write_text(param)
    (folder / "mine.bin").write_bytes(b"".join(parts))
    return folder / "mine.param"


def test_a_users_pair_of_files_is_an_attack(tmp_path):
    param = pair(tmp_path)
    attack = create(f"{param}@k3", device="cpu")
    images = torch.randint(0, 256, (2, 3, 41, 50), dtype=torch.uint8)
    assert (attack.name, attack.scale, attack(images).shape) == ("mine@k3", 2, images.shape)
    before = attack.fingerprint()
    data = bytearray((tmp_path / "mine.bin").read_bytes())
    data[4] ^= 1
    (tmp_path / "mine.bin").write_bytes(data)
    assert create(f"{param}@k3", device="cpu").fingerprint() != before


@pytest.mark.parametrize(
    ("param", "reason"),
    [
        (CHAIN.replace("Deconvolution", "Attention"), "not known: Attention"),
        (CHAIN.replace("7767517", "hello"), "not an ncnn"),
        (CHAIN.replace("0=3 1=4", "0=3 1=9"), "do not fit each other"),
        (CHAIN.replace("6=81", "6=x"), "do not fit each other"),
        (CHAIN.replace("6=144", "6=900"), "cut off"),
        (CHAIN.replace("Input ", "Split "), "neither RRDB"),
        ("7767517\n1 1\nInput in 0 1 data\n", "more weights"),
    ],
)
def test_a_users_pair_of_another_network_is_told_in_one_line(tmp_path, param, reason):
    with pytest.raises(DemagnifyError, match=reason) as caught:
        create(pair(tmp_path, param))
    assert "\n" not in str(caught.value)


def test_a_pair_without_its_other_half_is_told(tmp_path):
    pair(tmp_path)
    (tmp_path / "mine.bin").unlink()
    with pytest.raises(BadArtifactError, match=r"mine\.bin: there is no such file"):
        create(tmp_path / "mine.param")
