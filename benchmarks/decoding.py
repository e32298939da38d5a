"""How long a network waits for faces: decoded on the way, or kept by an earlier reading.

The same faces go through the same network from a stream, which decodes the next batches while the
network works, and from `FaceDataset`, which has decoded everything before. The share of time that
the network waits is what it spends asking for the next batch. Beside them: the network with all
batches at hand, and decoding without any network. Example:

    python benchmarks/decoding.py --data FOLDER --network resnet50 --device cuda
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from demagnify import detectors
from demagnify.core.parallel import default_workers
from demagnify.data import FaceDataset, FaceStream, Manifest
from demagnify.evaluation.machine import describe_machine, describe_versions

Batches = Iterable[tuple[object, torch.Tensor]]


def main() -> None:
    """Measures and prints one line for each way."""
    options = _parse()
    manifest = Manifest.load(options.data)[: options.faces]
    detector = detectors.create(options.network, weights=None, device=options.device).eval()
    size, workers = detector.input_size, options.workers or default_workers()

    def stream(depth: int) -> FaceStream:
        return FaceStream(
            manifest, size=size, batch_size=options.batch_size, workers=workers, depth=depth
        )

    _run(detector, list(stream(1))[:2])  # the first batches are slow everywhere
    print(f"{len(manifest)} faces, {options.network}, batches of {options.batch_size}")
    print(f"{'way':22}{'faces/s':>10}{'network waits':>15}")
    start = time.perf_counter()
    decoded = list(stream(2))
    alone = time.perf_counter() - start
    results = {"network alone": _run(detector, decoded), "decoding alone": (alone, alone)}
    del decoded
    start = time.perf_counter()
    faces = FaceDataset.open(manifest, size=size, workers=workers)
    results["reading Faces once"] = (seconds := time.perf_counter() - start, seconds)
    results["stream"] = _run(detector, stream(options.depth))
    results["Faces, read before"] = _run(detector, faces.batches(options.batch_size))
    report = {}
    for way, (total, waited) in results.items():
        report[way] = {"seconds": total, "waited": waited, "faces_per_s": len(manifest) / total}
        share = "" if waited == total else f"{waited / total:.1%}"
        print(f"{way:22}{len(manifest) / total:10.1f}{share:>15}")
    if options.json:
        about = {
            "network": options.network,
            "faces": len(manifest),
            "batch_size": options.batch_size,
            "workers": workers,
            "machine": describe_machine(options.device).model_dump(),
            "versions": describe_versions().model_dump(),
        }
        options.json.write_text(json.dumps({**about, **report}, indent=2) + "\n", encoding="utf-8")


def _run(detector: detectors.Detector, batches: Batches) -> tuple[float, float]:
    """Runs the network over all batches; returns the seconds in all, and those of waiting."""
    waited = 0.0
    start = time.perf_counter()
    source = iter(batches)
    with torch.inference_mode():
        while True:
            asked = time.perf_counter()
            batch = next(source, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            detector(batch[1]).cpu()  # waits until the network is done
    return time.perf_counter() - start, waited


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a manifest of face crops")
    parser.add_argument("--network", default="resnet50", help="light, resnet50, or any timm name")
    parser.add_argument("--faces", type=int, default=1000, help="how many faces")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, help="threads that decode")
    parser.add_argument("--depth", type=int, default=2, help="batches that may wait")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
