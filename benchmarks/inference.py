"""ONNX Runtime beside torch: parity on crops of odd sizes, faces per second, and the cold start.

Crops are cut from a folder of photographs, eight of each odd size. Both runtimes classify the same
batches in turns, so that a busy machine slows both alike. The cold start runs `demagnify detect
PHOTO` in a new process: its wall time, its processor time, and its peak
memory. Example:

    python benchmarks/inference.py --photos FOLDER --crops 1000 --threads 2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import torch

from demagnify.core import images
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.runtime import Runtime, load_runtime

ALIKE: Final = 8
"""Crops of one size: a batch."""
ONE_START: Final = """
import json, os, subprocess, sys, time
start = time.perf_counter()
command = [sys.argv[1], "-m", "demagnify", "detect", sys.argv[2], "--json"]
child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
assert status == 0, status
print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""In a small process of its own: a child's peak memory begins with that of its parent."""


def main() -> None:
    """Measures and prints as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--defense", default="default")
    parser.add_argument("--crops", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    fast = load_runtime(options.defense, threads=options.threads)
    slow = load_runtime(options.defense, runtime="torch", device="cpu")
    paths = images.list_files(options.photos)
    print(json.dumps({"defense": options.defense, "threads": options.threads}))
    print(json.dumps(describe_machine("cpu").model_dump()))
    print(json.dumps(_speed(fast, slow, paths)), flush=True)
    print(json.dumps(_start(paths[0], options.starts)), flush=True)
    print(json.dumps(_parity(fast, slow, paths, options.crops)))


def _parity(fast: Runtime, slow: Runtime, paths: list[Path], count: int) -> dict[str, float]:
    """Compares logits and verdicts on squares and rectangles cut at random, 40 to 299 pixels."""
    rng = np.random.default_rng(0)
    worst, flips = 0.0, 0
    for first in range(0, count, ALIKE):
        photos = [images.load(paths[n % len(paths)]) for n in range(first, first + ALIKE)]
        sides = [
            int(min(rng.integers(40, 300), *(photo.shape[axis] for photo in photos)))
            for axis in (0, 1)
        ]
        crops = []
        for photo in photos:
            top, left = (
                int(rng.integers(0, have - side + 1))
                for have, side in zip(photo.shape[:2], sides, strict=True)
            )
            crops.append(photo[top : top + sides[0], left : left + sides[1]])
        a, b = (one.decide(np.stack(crops)).logits for one in (fast, slow))
        worst = max(worst, float(np.abs(a - b).max()))
        flips += int(((a > fast.threshold) != (b > slow.threshold)).sum())
    return {"crops": count, "largest_logit_difference": worst, "verdicts_that_differ": flips}


def _speed(fast: Runtime, slow: Runtime, paths: list[Path]) -> dict[str, float]:
    """Returns the medians of three rounds in turns, of 64 crops each."""
    crops = np.stack([images.fit(images.load(path), fast.input_size) for path in paths[:64]])
    rounds = []
    for _ in range(3):
        speeds = []
        for one in (fast, slow):
            start = time.perf_counter()
            for at in range(0, len(crops), 32):
                one.decide(crops[at : at + 32])
            speeds.append(len(crops) / (time.perf_counter() - start))
        rounds.append((*speeds, speeds[0] / speeds[1]))
    onnx, in_torch, ratio = (round(float(one), 2) for one in np.median(rounds, axis=0))
    return {"onnx_faces_per_second": onnx, "torch_faces_per_second": in_torch, "ratio": ratio}


def _start(photo: Path, count: int) -> dict[str, float]:
    """Returns the cold start of the command, the medians of several."""
    command = [sys.executable, "-c", ONE_START, sys.executable, str(photo)]
    starts = [json.loads(subprocess.check_output(command)) for _ in range(count)]
    wall, processor, peak = np.median(starts, axis=0)
    return {
        "start_wall_seconds": round(float(wall), 2),
        "start_processor_seconds": round(float(processor), 2),
        "peak_mib": round(float(peak) / 1024),
    }


if __name__ == "__main__":
    main()
