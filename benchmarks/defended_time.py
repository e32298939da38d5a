"""What the defence costs: the defended detector beside the bare one, on the same faces.

Both classify the same face images in one run, batch by batch in turns, so that a busy machine slows
both alike; the best of several rounds counts. Also how close filling a reward table comes to the
bare detector's speed. Example:

    python benchmarks/defended_time.py --data FOLDER --defense default
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.data import FaceDataset, Manifest
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.scores import LogitTable


def main() -> None:
    """Measures and prints the ratios."""
    options = _parse()
    manifest = Manifest.load(options.data)
    defended = load_defense(options.defense, device=options.device)
    faces = FaceDataset.open(manifest[: options.faces], size=defended.input_size)
    report = {
        "defense": options.defense,
        "faces": len(faces),
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        **_ratios(defended, faces, options.batch_size, options.rounds),
        "machine": describe_machine(str(defended.device)).model_dump(),
        "versions": describe_versions().model_dump(),
    }
    print(f"{len(faces)} faces, batches of {options.batch_size}, best of {options.rounds} rounds")
    print(f"bare detector      {report['bare_ms']:8.2f} ms per face   1.00")
    print(f"defended           {report['defended_ms']:8.2f} ms per face   {report['ratio']:.2f}")
    print(f"reward table       {report['fill_ms']:8.2f} ms per answer {report['fill_ratio']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a manifest")
    parser.add_argument("--defense", default="default", help="a folder or a shipped name")
    parser.add_argument("--faces", type=int, default=256, help="how many faces")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


@torch.inference_mode()
def _ratios(
    defended: DefendedDetector, faces: FaceDataset, batch_size: int, rounds: int
) -> dict[str, float]:
    """Milliseconds per face of both, and per answer of a table that is filled from nothing."""
    batches = [images for _, images in faces.batches(batch_size)]
    times: dict[str, list[float]] = {"bare": [], "defended": [], "fill": []}
    for images in batches[:2]:
        defended(images)
    for _ in range(rounds):
        sums = {"bare": 0.0, "defended": 0.0}
        for images in batches:
            sums["bare"] += _seconds(lambda x=images: defended.detector(x))  # type: ignore[misc]
            sums["defended"] += _seconds(lambda x=images: defended(x))  # type: ignore[misc]
        for name, seconds in sums.items():
            times[name].append(seconds)
        table = LogitTable(faces, defended.detector, defended.actions, batch_size=batch_size)
        times["fill"].append(_seconds(table.fill) / len(defended.actions))
    bare, after, fill = (1000 * min(times[name]) / len(faces) for name in times)
    return {
        "bare_ms": bare,
        "defended_ms": after,
        "ratio": after / bare,
        "fill_ms": fill,
        "fill_ratio": fill / bare,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
