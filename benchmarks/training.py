"""Steps of a detector's training per second: float32, bfloat16, and what demagnify does.

Networks of grouped convolutions learn on a processor with bfloat16 and with float32 gradients of
these convolutions; see `demagnify.detectors.depthwise`. All ways run in turn, several times over,
on the same random faces. Example:

    python benchmarks/training.py --backbone light --batch-size 32
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch

from demagnify import detectors
from demagnify.core.devices import Precision
from demagnify.core.memory import give_freed_memory_back, keep_freed_memory
from demagnify.detectors import detector as module
from demagnify.detectors.depthwise import fast_gradients

Gradients = Callable[..., contextlib.AbstractContextManager[object]]


def _torch_gradients(*_: object) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext()


WAYS: dict[str, tuple[Precision, Gradients, Callable[[], bool]]] = {
    "float32": ("float32", fast_gradients, give_freed_memory_back),
    "float32, memory kept": ("float32", fast_gradients, keep_freed_memory),
    "bfloat16, torch's own gradients": ("bfloat16", _torch_gradients, give_freed_memory_back),
    "bfloat16, float32 grouped gradients": ("bfloat16", fast_gradients, give_freed_memory_back),
    "the same, memory kept: demagnify": ("bfloat16", fast_gradients, keep_freed_memory),
}


def main() -> None:
    """Measures every way and prints images per second and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backbone", default="light")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    detector = detectors.create(
        options.backbone, weights=None, input_size=options.size, device="cpu"
    ).train()
    shape = (options.batch_size, 3, options.size, options.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way in WAYS:
            _step(detector, images, way)  # warms up: the memory is another way's
            seconds[way].append(_step(detector, images, way))
    first = statistics.median(seconds["float32"])
    print(f"{options.backbone}, batches of {options.batch_size}, {torch.get_num_threads()} threads")
    for way, times in seconds.items():
        median = statistics.median(times)
        rates = [options.batch_size / one for one in (median, max(times), min(times))]
        print(
            f"{way:38}{rates[0]:7.1f} images/s ({rates[1]:.1f} to {rates[2]:.1f})"
            f"{first / median:7.2f} x float32"
        )


def _step(detector: detectors.Detector, images: torch.Tensor, way: str) -> float:
    detector.precision, gradients, allocate = WAYS[way]
    allocate()
    detector.zero_grad()
    start = time.perf_counter()
    with mock.patch.object(module, "fast_gradients", gradients):
        torch.autograd.backward(detector(images).sum())
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
