"""Measures the time of corrections, states and logit tables as shares of the detector's.

In each round the detector, every correction and every state process the same faces in turns, so
that a busy machine slows all alike; the median of the rounds' ratios counts. A logit table is
filled beside as many bare detector passes. Example:

    python benchmarks/corrections.py --data FOLDER --detector light
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from demagnify import detectors
from demagnify.agents import states
from demagnify.data import FaceDataset, Manifest
from demagnify.detectors import Detector
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.scores import LogitTable
from demagnify.transforms import CORRECTIONS, TransformSet

DETECTOR = "detector"
FILLED = ("identity", "mask-center", "median", "gaussian-blur", "down-up", "jpeg")


def main() -> None:
    """Measures and prints the ratios."""
    options = _parse()
    manifest = Manifest.load(options.data)
    detector = detectors.load_detector(options.detector, device=options.device)
    faces = FaceDataset.open(manifest[: options.faces], size=options.size)
    corrections = TransformSet.create(options.corrections)
    changing = {one.name: one for one in corrections if not one.is_identity}
    encoders = {name: states.create(name) for name in options.states}
    report: dict[str, Any] = {
        "detector": options.detector,
        "faces": len(faces),
        "size": options.size,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "clock": "processor" if options.processor_time else "wall",
        "machine": describe_machine(str(detector.device)).model_dump(),
        "versions": describe_versions().model_dump(),
    }
    print(f"{len(faces)} faces; cost of one pass of the detector {options.detector!r}: 1")
    report["corrections"] = _printed("correction", _ratios(detector, faces, changing, options))
    report["states"] = _printed("state", _ratios(detector, faces, encoders, options))
    report["fill"] = _fill_ratio(detector, faces, TransformSet.create(options.fill), options)
    print(f"filling a table: {report['fill']}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    cheap = [name for name in states.STATES if states.create(name).needs == "nothing"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a manifest")
    parser.add_argument("--detector", default="light", help="a folder or a shipped name")
    parser.add_argument(
        "--corrections", nargs="+", default=list(CORRECTIONS), help="identity first"
    )
    parser.add_argument("--fill", nargs="+", default=FILLED, help="corrections of the logit table")
    parser.add_argument("--states", nargs="*", default=cheap)
    parser.add_argument("--size", type=int, default=224, help="side of the faces in pixels")
    parser.add_argument("--faces", type=int, default=128, help="how many faces")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count processor time instead of wall time, for a busy machine; with one thread "
        "(OMP_NUM_THREADS=1), as threads that wait for each other count too",
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


@torch.inference_mode()
def _ratios(
    detector: Detector,
    faces: FaceDataset,
    works: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
    options: argparse.Namespace,
) -> dict[str, float]:
    """Returns the time of each work as a share of the detector's, median over the rounds."""
    device = detector.device or torch.device("cpu")
    batches = [images.to(device) for _, images in faces.batches(options.batch_size)]
    shares: dict[str, list[float]] = {name: [] for name in works}
    every: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {DETECTOR: detector, **works}
    for work in every.values():
        work(batches[0])
    for _ in range(options.rounds):
        seconds = dict.fromkeys(every, 0.0)
        for images in batches:
            for name, work in every.items():
                seconds[name] += _seconds(partial(work, images), options)
        for name in works:
            shares[name].append(seconds[name] / seconds[DETECTOR])
    return {name: median(values) for name, values in shares.items()}


def _fill_ratio(
    detector: Detector, faces: FaceDataset, corrections: TransformSet, options: argparse.Namespace
) -> dict[str, float]:
    """Returns how much longer filling a table takes than its bare detector passes.

    The faces are taken batch by batch; half of a batch's passes run before its filling, the other
    half after it.
    """
    parts = [faces.subset(rows) for rows in _split(len(faces), options.batch_size)]
    passes = int((~corrections.identity).sum()) + 1
    ratios = []
    for _ in range(options.rounds):
        filling = bare = 0.0
        for part in parts:
            table = LogitTable(part, detector, corrections, batch_size=options.batch_size)
            images = part.batch(range(len(part)))
            before, after = passes // 2, passes - passes // 2
            bare += _seconds(partial(_passes, detector, images, before), options)
            filling += _seconds(table.fill, options)
            bare += _seconds(partial(_passes, detector, images, after), options)
        ratios.append(filling / bare)
    return {"corrections": len(corrections), "passes": passes, "ratio": median(ratios)}


def _split(count: int, size: int) -> Sequence[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _passes(detector: Detector, images: torch.Tensor, count: int) -> None:
    for _ in range(count):
        detector.logits(images, batch_size=len(images))


def _printed(kind: str, figures: dict[str, float]) -> dict[str, float]:
    for name, ratio in figures.items():
        print(f"{kind:10s} {name:24s} {ratio:7.3f}", flush=True)
    return figures


def _seconds(work: Callable[[], object], options: argparse.Namespace) -> float:
    clock = time.process_time if options.processor_time else time.perf_counter
    start = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


if __name__ == "__main__":
    main()
