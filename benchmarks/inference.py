"""ONNX Runtime beside torch: parity on crops of odd sizes, faces per second, and the cold start.

Crops come from a manifest or folder of faces. Both runtimes classify the same batches in turns, so
that a busy machine slows both alike. The cold start runs `demagnify detect PHOTO` in a new process:
its wall time, its processor time, which other work on the machine does not change, and its peak
memory. Example:

    python benchmarks/inference.py --photos FOLDER --crops 1000 --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from demagnify.core import images
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.runtime import Runtime, load_runtime


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
    report = {
        "defense": options.defense,
        "threads": options.threads,
        **_parity(fast, slow, paths, options.crops),
        **_speed(fast, slow, paths),
        **_start(paths[0], options.starts),
        "machine": describe_machine("cpu").model_dump(),
    }
    print(json.dumps(report, indent=2))


def _parity(fast: Runtime, slow: Runtime, paths: list[Path], count: int) -> dict[str, float]:
    """Compares logits and verdicts on squares and rectangles cut at random, 40 to 299 pixels."""
    rng = np.random.default_rng(0)
    worst, flips = 0.0, 0
    for number in range(count):
        photo = images.load(paths[number % len(paths)])
        sides = [int(min(rng.integers(40, 300), side)) for side in photo.shape[:2]]
        top, left = (
            int(rng.integers(0, have - side + 1))
            for have, side in zip(photo.shape[:2], sides, strict=True)
        )
        crop = photo[None, top : top + sides[0], left : left + sides[1]]
        a, b = (float(one.decide(crop).logits[0]) for one in (fast, slow))
        worst = max(worst, abs(a - b))
        flips += (a > fast.threshold) != (b > slow.threshold)
    return {"crops": count, "largest_logit_difference": worst, "verdicts_that_differ": flips}


def _speed(fast: Runtime, slow: Runtime, paths: list[Path]) -> dict[str, float]:
    """Returns faces per second of both, the best of three rounds in turns."""
    crops = np.stack([images.fit(images.load(path), fast.input_size) for path in paths[:64]])
    best: dict[str, float] = {"onnx": 0.0, "torch": 0.0}
    for _ in range(3):
        for name, one in (("onnx", fast), ("torch", slow)):
            start = time.perf_counter()
            for at in range(0, len(crops), 32):
                one.decide(crops[at : at + 32])
            best[name] = max(best[name], len(crops) / (time.perf_counter() - start))
    speeds = {f"{name}_faces_per_second": round(value, 1) for name, value in best.items()}
    return {**speeds, "ratio": round(best["onnx"] / best["torch"], 2)}


def _start(photo: Path, count: int) -> dict[str, float]:
    """Returns the cold start of the command, the best of several."""
    walls, processor = [], []
    for _ in range(count):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "demagnify", "detect", str(photo)],
            check=True,
            capture_output=True,
            env={**os.environ},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - start)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "start_wall_seconds": round(min(walls), 2),
        "start_processor_seconds": round(min(processor), 2),
        "peak_mib": round(peak),
    }


if __name__ == "__main__":
    main()
