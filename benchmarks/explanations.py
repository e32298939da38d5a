"""Heat maps of verdicts: which methods pass the check, and do the maps depend on the weights?

    pip install captum
    python benchmarks/explanations.py --data FACES --faces 24

Each method marks the tenth of a face that speaks most for the detector's side; `demagnify.explain`
says what the check is. "centre", "edges" and "noise" are controls that know nothing of the
detector. The second table gives Spearman's correlation of the occlusion map with that of the same
network after its upper layers got random weights (Adebayo et al. 2018).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional

from demagnify import Detector, FaceDataset, Manifest, load_detector
from demagnify.core import rng
from demagnify.core.images import Pixels, from_batch, to_batch
from demagnify.inference.explanation import GRID, checked, occlusion
from demagnify.inference.runtime import TorchRuntime, load_runtime

Heat = NDArray[np.float32]
Method = Callable[[Pixels, float], Heat]
_STEPS: Final = 16
_LAYERS: Final = ("classifier", "conv_head", "blocks.6", "blocks.5", "blocks.4", "blocks")
"""Of EfficientNet-Lite0 in timm, from the top."""


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="face crops; the split test")
    parser.add_argument("--faces", type=int, default=24, help="half of them real")
    parser.add_argument("--randomised", type=int, default=6, help="faces of the second table")
    options = parser.parse_args()
    crops = choose(options.data, options.faces)
    detector = load_detector("hardened", device="cpu", precision="float32")
    detector.requires_grad_(requires_grad=False)
    print("| map | passes the check | change | elsewhere, mean of the most | seconds |")
    print("|---|--:|--:|--:|--:|")
    for name, method in methods(detector).items():
        print(row(name, method, crops))
    print("\n| random weights from the top down to | correlation with the trained map |\n|---|--:|")
    for name, values in randomised(detector, crops[: options.randomised]).items():
        print(f"| {name} | {np.mean(values):+.2f} ({min(values):+.2f} to {max(values):+.2f}) |")


def choose(data: Path, count: int) -> list[Pixels]:
    """Returns as many real as fake test faces."""
    faces = FaceDataset.open(Manifest.load(data).split("test"), size=224)
    draw, labels = rng.generator(0, "explanations"), np.asarray(faces.labels)
    chosen = [draw.permutation(np.flatnonzero(labels == one))[: count // 2] for one in (0, 1)]
    return from_batch(faces.batch(np.stack(chosen, axis=1).ravel()))


def methods(detector: Detector) -> dict[str, Method]:
    """Returns the methods by name: face and side (+1 fake, -1 real) to heat."""
    runtime = load_runtime("default", threads=1)
    both = {name: partial(_both_views, one) for name, one in _gradients(detector).items()}
    centre = np.arange(GRID) - (GRID - 1) / 2
    disc = -np.hypot(*np.meshgrid(centre, centre)).astype(np.float32)
    draw = rng.generator(0, "noise")
    return {
        "occlusion": lambda face, side: (
            side * occlusion(face, float(runtime.decide(face[None]).logits[0]), runtime)
        ),
        **both,
        "centre": lambda _face, _side: disc,
        "edges": lambda face, _side: _cells(np.abs(cv2.Laplacian(face.astype(np.float32), -1))),
        "noise": lambda _face, _side: draw.random((GRID, GRID), np.float32),
    }


def _gradients(detector: Detector) -> dict[str, Callable[[torch.Tensor, float], Heat]]:
    from captum.attr import IntegratedGradients, LayerGradCam

    network: Any = detector.network

    def integrated(image: torch.Tensor, side: float) -> Heat:
        blurred: Pixels = cv2.GaussianBlur(
            from_batch((image * 255).round().byte())[0], (0, 0), 10
        ).astype(np.uint8)
        found = IntegratedGradients(lambda given: side * detector(given)).attribute(
            image, to_batch([blurred]) / 255, n_steps=_STEPS, internal_batch_size=_STEPS
        )
        values: Heat = found[0].permute(1, 2, 0).numpy()
        return cv2.blur(_cells(values), (3, 3)).astype(np.float32)

    def cam(image: torch.Tensor, side: float) -> Heat:
        found = LayerGradCam(lambda given: side * detector(given), network.conv_head).attribute(
            image.requires_grad_()
        )
        size = (GRID, GRID)
        heat: Heat = functional.interpolate(found.detach(), size, mode="bilinear")[0, 0].numpy()
        return heat

    return {"integrated gradients": integrated, "Grad-CAM": cam}


def _both_views(method: Callable[[torch.Tensor, float], Heat], face: Pixels, side: float) -> Heat:
    """Returns the mean of a face and its mirror image, as the defence `default` looks at it."""
    image = to_batch([face]) / 255
    return method(image, side) + method(image.flip(-1), side)[:, ::-1]


def _cells(values: NDArray[np.float32]) -> Heat:
    heat: Heat = cv2.resize(values.sum(2), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return heat


def row(name: str, method: Method, crops: list[Pixels]) -> str:
    """Returns the line of one method in the first table."""
    runtime = load_runtime("default", threads=1)
    found, seconds = [], 0.0
    for face in crops:
        logit = float(runtime.decide(face[None]).logits[0])
        fake = logit > runtime.threshold
        start = time.process_time()
        heat = method(face, 1 if fake else -1)
        seconds += time.process_time() - start
        found.append(checked(face, logit, heat, "fake" if fake else "real", runtime))
    passed = sum(one.heat is not None for one in found)
    limits = stats.binomtest(passed, len(found)).proportion_ci(method="exact")
    change, elsewhere = (
        np.mean([getattr(one, key) for one in found]) for key in ("change", "elsewhere")
    )
    return (
        f"| {name} | {passed} of {len(found)} ({limits.low:.0%} to {limits.high:.0%}) "
        f"| {change:+.2f} | {elsewhere:+.2f} | {seconds / len(found):.1f} |"
    )


def randomised(detector: Detector, crops: list[Pixels]) -> dict[str, list[float]]:
    """Returns Spearman's correlations with the trained network's maps, by the lowest layer."""
    maps = [_map(detector, face) for face in crops]
    found: dict[str, list[float]] = {}
    for number, layer in enumerate(_LAYERS):
        generator = rng.torch_generator(0, "weights", number)
        for parameter in detector.network.get_submodule(layer).parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.data = parameter.flatten()[order].view_as(parameter).clone()
        again = [_map(detector, face) for face in crops]
        found[layer] = [
            float(stats.spearmanr(old, new, axis=None).statistic)
            for old, new in zip(maps, again, strict=True)
        ]
    return found


def _map(detector: Detector, face: Pixels) -> Heat:
    runtime = TorchRuntime(detector)
    return occlusion(face, float(runtime.decide(face[None]).logits[0]), runtime)


if __name__ == "__main__":
    main()
