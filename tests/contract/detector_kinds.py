"""One small detector of every kind that demagnify takes, made in the test."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from demagnify import detectors
from demagnify.detectors import Detector, Preprocessing, backbones

SIDE = 24
CODE = '''
import numpy as np
import torch
from torch import nn


def brightness(images):
    return images.float().mean(dim=(1, 2, 3)) - 100


def as_array(images):
    return images.double().mean(dim=(1, 2, 3)).numpy() - 100


def probability(images):
    return torch.sigmoid((images.float().mean(dim=(1, 2, 3)) - 100) / 30)


class Config:
    id2label = {0: "Fake", 1: "Real"}


class Named(nn.Module):
    """Knows which of its outputs is fake."""

    def __init__(self):
        super().__init__()
        self.config = Config()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 6).view(3, 2))

    def forward(self, images):
        return {"logits": images.mean(dim=(2, 3)) @ self.weight}


def make():
    return Named()
'''


class MeanColor(nn.Module):
    """A stand-in for a user's own network: its outputs have an extra axis."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(3, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.float().mean(dim=(2, 3)) / 255)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def write_onnx(
    path: Path,
    *,
    shape: list[int | str],
    outputs: int = 1,
    dtype: int = TensorProto.FLOAT,
    last: str = "",
    squeeze: bool = False,
) -> Path:
    """Writes a network that averages pixels and gives weighted sums of the three channels."""
    nhwc = shape[3] == 3
    weights = np.linspace(-2.0, 3.0, 3 * outputs, dtype=np.float32).reshape(3, outputs)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["sums"]),
    ]
    made = "sums"
    for kind in filter(None, (last, "Squeeze" if squeeze else "")):
        inputs = [made, "one"] if kind == "Squeeze" else [made]
        nodes.append(helper.make_node(kind, inputs, [kind]))
        made = kind
    nodes[-1].output[0] = "scores"
    output_shape = shape[:1] if squeeze else [shape[0], outputs]
    graph = helper.make_graph(
        nodes,
        "mean-color",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, output_shape)],
        [
            numpy_helper.from_array(np.array([1, 2] if nhwc else [2, 3]), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def from_onnx(path: Path, card: dict[str, object], **network: object) -> Detector:
    write_onnx(path, **network)
    path.with_suffix(".json").write_text(json.dumps(card))
    return detectors.load_detector(path, device="cpu")


def from_torch_export(path: Path) -> Detector:
    network = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), two_layers()
        )
    )
    nn.init.constant_(network[-1][-1].bias, -1.0)
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 3, SIDE, SIDE),),
        path,
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
    )
    path.with_suffix(".json").write_text(json.dumps({"mean": 0.5, "std": 0.5}))
    return detectors.load_detector(path, device="cpu")


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def make_timm(name: str) -> Detector:
    return detectors.create(name, input_size=64, device="cpu", precision="float32")


def from_folder(folder: Path) -> Detector:
    make_timm("test_resnet").save(folder / "saved", {})
    return detectors.load_detector(folder / "saved", device="cpu", precision="float32")


def from_checkpoint(folder: Path, outputs: int, options: str = "") -> Detector:
    network = backbones.build("test_resnet", input_size=64, outputs=outputs)
    save_file(network.state_dict(), folder / f"{outputs}.safetensors")
    return detectors.load_detector(
        f"timm:test_resnet@weights={folder}/{outputs}.safetensors{options}",
        device="cpu",
        precision="float32",
    )


def imported(folder: Path, name: str, **options: object) -> Detector:
    """Loads from a module in the working folder, as users do."""
    (folder / "contract_code.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return detectors.load_detector(f"contract_code:{name}", device="cpu", **options)


RAW = {"range": [0, 255]}

KINDS: dict[str, Callable[[Path], Detector]] = {
    "light": lambda _: make_timm("light"),
    "mobilenetv3": lambda _: make_timm("mobilenetv3_small_050"),
    "vit": lambda _: make_timm("test_vit"),
    "shipped": lambda _: detectors.load_detector("light", device="cpu", precision="float32"),
    "folder": from_folder,
    "timm-checkpoint": lambda folder: from_checkpoint(folder, 1),
    "timm-two-logit": lambda folder: from_checkpoint(folder, 2, "@head=two-logit@fake_index=0"),
    "function": lambda _: detectors.wrap(
        lambda images: images.double().mean(dim=(1, 2, 3)) - 100, name="brightness"
    ),
    "module": lambda _: detectors.wrap(seeded(MeanColor), name="mean-color").eval(),
    "module-two-logit": lambda _: detectors.wrap(
        seeded(lambda: MeanColor(2)), name="mean-color", head="two-logit", labels=["fake", "real"]
    ).eval(),
    "module-prepared": lambda _: detectors.wrap(
        seeded(MeanColor),
        name="mean-color",
        preprocessing=Preprocessing(size=SIDE, mean=0.5, std=0.25, channels="bgr", crop_pct=0.9),
    ).eval(),
    "probability": lambda _: detectors.wrap(
        lambda images: torch.sigmoid(images.float().mean(dim=(1, 2, 3)) - 127),
        name="probability",
        head="probability",
    ),
    "probability-real": lambda _: detectors.wrap(
        lambda images: torch.sigmoid(images.float().mean(dim=(1, 2, 3)) - 127),
        name="probability-real",
        head="probability-real",
    ),
    "imported-function": lambda folder: imported(folder, "brightness"),
    "imported-array": lambda folder: imported(folder, "as_array"),
    "imported-probability": lambda folder: imported(folder, "probability", head="probability"),
    "imported-factory": lambda folder: imported(
        folder, "make", head="two-logit", output="logits", mean=0.4, input_size=SIDE
    ),
    "onnx-nchw": lambda folder: from_onnx(
        folder / "nchw.onnx", RAW, shape=["n", 3, SIDE, SIDE], squeeze=True
    ),
    "onnx-nhwc-uint8": lambda folder: from_onnx(
        folder / "nhwc.onnx", {}, shape=["n", "h", "w", 3], dtype=TensorProto.UINT8
    ),
    "onnx-float16": lambda folder: from_onnx(
        folder / "half.onnx",
        {"mean": [0.5, 0.4, 0.3], "std": 0.5},
        shape=["n", 3, SIDE, SIDE + 8],
        dtype=TensorProto.FLOAT16,
    ),
    "onnx-fixed-batch-1": lambda folder: from_onnx(
        folder / "one.onnx", RAW, shape=[1, 3, SIDE, SIDE]
    ),
    "onnx-fixed-batch-4": lambda folder: from_onnx(
        folder / "four.onnx", RAW, shape=[4, SIDE, SIDE, 3]
    ),
    "onnx-softmax": lambda folder: from_onnx(
        folder / "softmax.onnx",
        {"range": [0, 1], "head": "two-probability", "id2label": {"0": "Real", "1": "Fake"}},
        shape=["n", 3, SIDE, SIDE],
        outputs=2,
        last="Softmax",
    ),
    "onnx-sigmoid": lambda folder: from_onnx(
        folder / "sigmoid.onnx",
        {"range": [-1, 1], "head": "probability"},
        shape=["n", 3, SIDE, SIDE],
        last="Sigmoid",
    ),
    "onnx-of-torch": lambda folder: from_torch_export(folder / "torch.onnx"),
}
