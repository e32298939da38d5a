"""ONNX files as networks."""

import numpy as np
import pytest
import torch

from demagnify.core.errors import BadArtifactError, BadConfigError, DemagnifyError
from demagnify.transforms import create, from_callable
from demagnify.transforms.super_resolution.magnification import Geometry

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WEIGHTS = np.random.default_rng(0).normal(0.3, 0.1, (12, 3, 1, 1)).astype(np.float32)


def write(path, shape=("n", 3, "h", "w"), dtype="FLOAT", nodes=None, block=2):
    """Writes a network: a convolution and a pixel shuffle that enlarges by `block`."""
    kind = getattr(onnx.TensorProto, dtype)
    weights = WEIGHTS.astype(np.float16 if dtype == "FLOAT16" else np.float32)
    nodes = nodes or [
        onnx.helper.make_node("Conv", ["x", "w"], ["features"]),
        onnx.helper.make_node("DepthToSpace", ["features"], ["y"], blocksize=block, mode="CRD"),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info("x", kind, list(shape))],
        [onnx.helper.make_tensor_value_info("y", kind, ["n", "c", "H", "W"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def same(images: torch.Tensor) -> torch.Tensor:
    features = torch.nn.functional.conv2d(images, torch.from_numpy(WEIGHTS))
    return torch.nn.functional.pixel_shuffle(features, 2)


def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 41, 55), generator=generator).to(torch.uint8)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (("n", 3, "h", "w"), "FLOAT"),
        ((1, 3, "h", "w"), "FLOAT"),
        (("n", 3, "h", "w"), "FLOAT16"),
    ],
)
def test_an_onnx_file_is_an_attack_like_the_network_that_it_came_from(tmp_path, shape, dtype):
    attack = create(f"{write(tmp_path / 'mine.onnx', shape, dtype)}@k3", device="cpu")
    assert (attack.name, attack.scale) == ("mine@k3", 2)
    expected = from_callable(same, 2, "same", device="cpu")
    expected.options = Geometry(shrink=3.0)
    away = (attack(pictures()).int() - expected(pictures()).int()).abs().max()
    assert away <= (2 if dtype == "FLOAT16" else 1)


def test_its_fingerprint_is_that_of_the_file(tmp_path):
    first = create(write(tmp_path / "a.onnx"), device="cpu").fingerprint()
    assert create(write(tmp_path / "b.onnx"), device="cpu").fingerprint() == first
    other = write(tmp_path / "c.onnx", ("batch", 3, "h", "w"))
    assert create(other, device="cpu").fingerprint() != first


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"shape": ("n", 3, 64, 64)}, "one size only.*dynamic_axes"),
        ({"shape": (4, 3, "h", "w")}, "takes 4 images at once"),
        ({"shape": ("n", 1, "h", "w")}, "not float RGB images|no ONNX network"),
        ({"nodes": "mean"}, "makes .* both sides must grow"),
    ],
)
def test_another_network_is_told_in_one_line(tmp_path, settings, reason):
    if settings.get("nodes") == "mean":
        settings = {"nodes": [onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])]}
    with pytest.raises(DemagnifyError, match=reason) as caught:
        create(write(tmp_path / "mine.onnx", **settings), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_damaged_or_missing_file_is_told(tmp_path):
    with pytest.raises(BadArtifactError, match="no such"):
        create(tmp_path / "mine.onnx", device="cpu")
    (tmp_path / "mine.onnx").write_text("hello")
    with pytest.raises(BadArtifactError, match="no ONNX network"):
        create(tmp_path / "mine.onnx", device="cpu")


def test_bfloat16_is_refused(tmp_path):
    with pytest.raises(BadConfigError, match="bfloat16"):
        create(write(tmp_path / "m.onnx"), device="cpu", precision="bfloat16")
