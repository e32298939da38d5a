"""What many faces cost: CPU time per face, memory from 1,000 to 100,000 files, one process and two.

    python benchmarks/scale.py rates --photos DIR --json src/demagnify/core/engine/costs.json
    python benchmarks/scale.py memory --photos DIR --files 1000 10000
    python benchmarks/scale.py check --photos DIR --files 960 --workers 1 2 1 2 1 2

Times are CPU times of one thread, so that other programs on the machine count little. Many files
are made of few by links under other names.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demagnify.core import engine, threads
from demagnify.core.engine import Item, Result, Work
from demagnify.core.engine.plan import Costs, plan
from demagnify.core.sealed import write_sealed

CHUNK = 16
MEBIBYTE = 2**20


def main() -> None:
    """Measures what the first argument names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("rates", "memory", "engine", "check"))
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--defense", default="light", help="what `memory` and `check` classify with"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--chunks", type=int, default=12, help="of 16 photographs, for `rates`")
    parser.add_argument("--only", help="the one verb that `rates` measures, in this process")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--costs", type=Path, help="what `rates` measured on this machine")
    options = parser.parse_args()
    photos = sorted(one for one in options.photos.rglob("*") if one.suffix in (".jpg", ".png"))
    {"rates": rates, "memory": memory, "engine": memory, "check": check}[options.what](
        options, photos
    )


def rates(options: argparse.Namespace, photos: Sequence[Path]) -> None:
    """Measures CPU seconds per input and the peak memory of each verb, in a process of its own."""
    if options.only:
        print(json.dumps(rate(options.only, photos, options.chunks, options.device)))
        return
    verbs = {}
    for verb in ("detect", "detect-light", "prepare", "attack"):
        command = [*sys.argv, "--only", verb]
        done = subprocess.run(
            [sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True
        )
        verbs[verb] = {options.device: json.loads(done.stdout.splitlines()[-1])}
        print(verb, verbs[verb], flush=True)
    content = {
        "machine": f"{_processor()}, {platform.system()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": "python benchmarks/scale.py rates --photos DIR "
        f"--chunks {options.chunks} --device {options.device}",
        "verbs": verbs,
    }
    if options.json:
        write_sealed(options.json, content)


def rate(verb: str, photos: Sequence[Path], chunks: int, device: str) -> dict[str, float]:
    """Does a verb on chunks of photographs, the first of them unmeasured."""
    threads.use(1)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        work = _verb(verb, Path(scratch), device)
        work(photos[:CHUNK])
        start = time.process_time() - started
        spent = []
        for number in range(1, chunks + 1):
            before = time.process_time()
            work([photos[(number * CHUNK + place) % len(photos)] for place in range(CHUNK)])
            spent.append((time.process_time() - before) / CHUNK)
    rng = np.random.default_rng(0)
    means = rng.choice(spent, (2000, len(spent))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "seconds": round(float(np.mean(spent)), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
        "inputs": chunks * CHUNK,
        "start_seconds": round(max(0.0, start - CHUNK * float(np.mean(spent))), 2),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _verb(verb: str, scratch: Path, device: str) -> Callable[[Sequence[Path]], object]:
    """Loads what a verb needs, and returns what it does with a few photographs."""
    if verb.startswith("detect"):
        from demagnify.inference.detect import DetectionConfig, classify_files
        from demagnify.inference.pipeline import Pipeline

        defense = "light" if verb == "detect-light" else "default"
        pipeline = Pipeline.load(DetectionConfig(defense=defense, device=device))
        return lambda photos: list(classify_files(pipeline, photos))

    def folder(photos: Sequence[Path], *, labelled: bool) -> Path:
        place = Path(tempfile.mkdtemp(dir=scratch)) / "in"
        for number, photo in enumerate(photos):
            label = ("real", "fake")[number % 2] if labelled else "."
            (place / label).mkdir(parents=True, exist_ok=True)
            (place / label / photo.name).symlink_to(photo.resolve())
        return place

    if verb == "attack":
        from demagnify.laundering.attack import attack
        from demagnify.laundering.config import AttackConfig
        from demagnify.transforms import create_attack

        config = AttackConfig(content="photos", device=device)
        transform = create_attack(config.attack, device=device)

        def attacked(photos: Sequence[Path]) -> object:
            place = folder(photos, labelled=False)
            return attack(place, place.with_name("out"), config, transform=transform)

        return attacked
    from demagnify.data import Manifest
    from demagnify.data.prepare import prepare

    def prepared(photos: Sequence[Path]) -> object:
        place = folder(photos, labelled=True)
        return prepare(Manifest.load(place), place.with_name("out"))

    return prepared


@dataclass(frozen=True)
class Sizes:
    """The size of each file: a task that costs next to nothing, so that the engine shows."""

    name: str = "sizes"
    strict: bool = False
    gpu: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """Returns the one column."""
        return {"bytes": "int64"}

    def identity(self) -> dict[str, str]:
        """Returns nothing: there are no settings."""
        return {}

    def open(self, _folder: Path) -> Work:
        """Returns what takes the sizes."""
        return self._sizes

    @staticmethod
    def _sizes(items: Sequence[Item]) -> list[Result]:
        with engine.fetched(items) as files:
            return [Result([{"bytes": Path(str(one)).stat().st_size}]) for one in files]


def memory(options: argparse.Namespace, photos: Sequence[Path]) -> None:
    """Prints the highest resident memory of driver and workers for each number of files."""
    print(f"{'files':>8}{'driver':>9}{'worker':>9}  MiB{'wall s':>9}{'files/s':>9}", flush=True)
    for count in options.files:
        with tempfile.TemporaryDirectory() as scratch:
            place = linked(photos, count, Path(scratch) / "in")
            arguments = [str(place), str(Path(scratch) / "out"), str(options.workers[0])]
            script = ENGINE if options.what == "engine" else DETECT.format(options.defense)
            begin = time.monotonic()
            peaks = watched([sys.executable, "-c", script, *arguments])
            wall = time.monotonic() - begin
        print(
            f"{count:8}{peaks['driver']:9.0f}{peaks['worker']:9.0f}     {wall:9.1f}"
            f"{count / wall:9.1f}",
            flush=True,
        )


ENGINE = """
import sys
from pathlib import Path
from demagnify.core import engine
from scale import Sizes
if __name__ == "__main__":
    found = engine.list_inputs([sys.argv[1]], lambda _: False, lambda *_: None)
    options = engine.EngineOptions(workers=int(sys.argv[3]))
    assert engine.run(Sizes(), found, Path(sys.argv[2]), options).rows
"""
DETECT = """
import sys
from pathlib import Path
from demagnify.core.engine import EngineOptions
from demagnify.inference import DetectionConfig
from demagnify.inference.detect_shards import detect_shards
if __name__ == "__main__":
    config = DetectionConfig(defense="{}", device="cpu")
    options = EngineOptions(workers=int(sys.argv[3]))
    assert detect_shards([sys.argv[1]], Path(sys.argv[2]), config, options).rows
"""


def watched(command: Sequence[str]) -> dict[str, float]:
    """Runs a command; returns the peaks of the resident memory of it and of its children."""
    place = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": place})
    peaks = {"driver": 0.0, "worker": 0.0}
    while process.poll() is None:
        for pid in _family(process.pid):
            kind = "driver" if pid == process.pid else "worker"
            peaks[kind] = max(peaks[kind], _resident(pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return peaks


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(task).split():
            yield from _family(int(child))


def _resident(pid: int) -> float:
    lines = [one for one in _text(Path(f"/proc/{pid}/status")).splitlines() if "VmRSS" in one]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # the process is gone
        return ""


def linked(photos: Sequence[Path], count: int, folder: Path) -> Path:
    """Makes `count` files of a few photographs, a thousand in each folder."""
    for number in range(count):
        photo = photos[number % len(photos)]
        place = folder / f"{number // 1000:04d}" / f"{number:08d}{photo.suffix}"
        if number % 1000 == 0:
            place.parent.mkdir(parents=True)
        place.symlink_to(photo.resolve())
    return folder


def check(options: argparse.Namespace, photos: Sequence[Path]) -> None:
    """Compares what `plan` predicts with runs of `detect --output`, and one worker with many.

    The efficiency is the throughput per worker over that of the last run of one worker.
    """
    count, costs, alone = options.files[0], Costs.load(options.costs), 0.0
    verb = {"default": "detect", "light": "detect-light"}[options.defense]
    heads = ("workers", "predicted", "wall s", "wall/pred", "CPU/pred", "photos/s", "efficiency")
    print("".join(f"{head:>11}" for head in (*heads, "load")))
    for workers in options.workers:
        expected = plan(costs, images=count, cores=workers)[verb].seconds
        load = os.getloadavg()[0]
        wall, spent = timed_detect(photos, count, workers, options.defense)
        alone = wall if workers == 1 else alone
        efficiency = f"{alone / wall / workers:11.2f}" if alone else f"{'':11}"
        print(
            f"{workers:11}{expected:11.1f}{wall:11.1f}{wall / expected:11.2f}"
            f"{spent / expected / workers:11.2f}{count / wall:11.1f}{efficiency}{load:11.1f}",
            flush=True,
        )


def timed_detect(
    photos: Sequence[Path], count: int, workers: int, defense: str
) -> tuple[float, float]:
    """Runs `detect --output` on as many processors as workers; returns wall and CPU seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        place = linked(photos, count, Path(scratch) / "in")
        arguments = (str(place), "--output", str(Path(scratch) / "out"), "--unit", "16")
        command = [sys.executable, "-m", "demagnify", "detect", *arguments, "--device", "cpu"]
        command += ["--workers", str(workers), "--defense", defense, "--threads", "1"]
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(everywhere)[:workers])  # inherited by the run
        done = subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(0, everywhere)
        wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        raise SystemExit(done.returncode)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _processor() -> str:
    names = [one for one in _text(Path("/proc/cpuinfo")).splitlines() if "model name" in one]
    return names[0].partition(": ")[2] if names else platform.machine()


if __name__ == "__main__":
    main()
