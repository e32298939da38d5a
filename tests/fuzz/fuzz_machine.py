"""Commands that are killed at random, or start at the same time in one folder, against the machine.

    python tests/fuzz/fuzz_machine.py --kills 20 --log runs/machine.jsonl

A killed command is started again until it ends; then every file that it left, but for locks, must
have the bytes of an undisturbed run. Two that start at once: one does the work, the other waits or
is refused in one line. A second call with the same log goes on where the first was stopped.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HUNG_SECONDS = 600.0
SPEED = re.compile(rb'"images_per_second": [0-9.e+-]+')


def photographs(folder: Path) -> None:
    """Two classes of smooth noise, with a table: no face needs to be found in crops."""
    rng = np.random.default_rng(0)
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        for number in range(12):
            coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
            image.save(folder / label / f"{number:02d}.png")
    names = [f"{label}/{number:02d}.png" for label in ("real", "fake") for number in range(12)]
    rows = [
        f"{name},{name.partition('/')[0]},{('train', 'train', 'val', 'test')[number % 4]}\n"
        for number, name in enumerate(names)
    ]
    (folder / "metadata.csv").write_text("file_name,label,split\n" + "".join(rows))


def with_boxes(data: Path, folder: Path) -> None:
    """The same pictures as photographs with a box each, for `data prepare`."""
    shutil.copytree(data, folder)
    head, *rows = (data / "metadata.csv").read_text().splitlines()
    boxed = [f"{row},8,8,40,40" for row in rows]
    (folder / "metadata.csv").write_text("\n".join([f"{head},x,y,width,height", *boxed, ""]))


PRESET = """
defense:
  actions: [identity, median]
  state: thumbnail
  seed: 7
  learner: {episodes: 64, environments: 8, hidden: 8}
"""
EXACT = ("--device", "cpu")
SMALL = ("--backbone", "test_efficientnet", "--weights", "none", "--size", "32")
QUICK = ("--attack", "bicubic-x2", "--resamples", "20", "--precision", "float32")

Command = Callable[[Path, Path], tuple[object, ...]]
VERBS: dict[str, Command] = {
    "attack": lambda base, out: ("attack", base / "data", out, "--model", "jpeg-75", "--crops"),
    "describe": lambda base, out: ("data", "describe", base / "data", "--out", out),
    "prepare": lambda base, out: ("data", "prepare", base / "photos", out),
    "sample": lambda base, out: ("sample", out, "--limit", 6),
    "train-detector": lambda base, out: (
        *("train-detector", "--data", base / "data", out, *SMALL, "--epochs", 3, *EXACT),
    ),
    "train-defense": lambda base, out: (
        *("train-defense", out, "--data", base / "data", "--detector", base / "detector"),
        *("--preset", base / "tiny.yaml", "--attack", "bicubic-x2", *EXACT),
    ),
    "harden": lambda base, out: (
        *("harden", out, "--data", base / "data", "--detector", base / "detector"),
        *("--rounds", 1, "--epochs", 1, "--surrogates", 0, "--agent-faces", 8),
        *("--attack", "bicubic-x2", *EXACT),
    ),
    "evaluate": lambda base, out: (
        *("evaluate", out, "--data", base / "data", "--defense", base / "defense"),
        *("--title", "kills", *QUICK, *EXACT),
    ),
    "adaptive-attack": lambda base, out: (
        *("adaptive-attack", base / "data", out, "--against", base / "defense"),
        *("--split", "test", "--budget", 2, *QUICK, *EXACT),
    ),
    "calibrate": lambda base, out: (
        *("calibrate", out, "--data", base / "data", "--defense", base / "defense"),
        *("--attack", "bicubic-x2", "--precision", "float32", *EXACT),
    ),
    "detect-output": lambda base, out: (
        *("detect", base / "faces", "--output", out, "--workers", 1, "--unit", 2, *EXACT),
    ),
    "detect-report": lambda base, out: ("detect", base / "faces", "--report", out, *EXACT),
    "export": lambda base, out: ("export", base / "detector", out / "net.onnx"),
}
NEEDS = {
    "train-defense": ("detector",),
    "harden": ("detector",),
    "evaluate": ("detector", "defense"),
    "adaptive-attack": ("detector", "defense"),
    "calibrate": ("detector", "defense"),
    "export": ("detector",),
    "detect-output": ("faces",),
    "detect-report": ("faces",),
}
MADE: dict[str, Command] = {
    "detector": VERBS["train-detector"],
    "defense": VERBS["train-defense"],
    "faces": VERBS["sample"],
}
"""What commands need, and the command that makes it."""


def make(name: str, base: Path) -> None:
    """Makes what a command needs, once."""
    out = base / name
    if out.exists():
        return
    wrong = finish(start(MADE[name](base, out), base / "cache"))
    if wrong:
        sys.exit(f"{name}: {wrong}")


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file but locks and journals, without the speeds in cards."""
    left_out = (".lock", ".jsonl")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in left_out)
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            SPEED.sub(b"", path.read_bytes()) if path.suffix == ".json" else path.read_bytes()
        ).hexdigest()
        for path in files
    }


def start(arguments: tuple[object, ...], cache: Path) -> subprocess.Popen[str]:
    """Starts a command, with a cache of its own but for the assets."""
    assets = Path(os.environ.get("DEMAGNIFY_CACHE", Path.home() / ".cache/demagnify")) / "assets"
    if assets.is_dir() and not cache.exists():
        cache.mkdir(parents=True)
        (cache / "assets").symlink_to(assets)
    command = [sys.executable, "-m", "demagnify", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DEMAGNIFY_CACHE": str(cache)},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for a command and returns what is wrong with its end."""
    try:
        _, said = process.communicate(timeout=HUNG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return "hung"
    if "Traceback" in said:
        return "traceback: " + said.strip().splitlines()[-1][:200]
    return "" if process.returncode == 0 else f"exit {process.returncode}: {said.strip()[-200:]}"


def killed(verb: str, rng: random.Random, base: Path, folder: Path, seconds: float) -> str:
    """Kills a command at random times until it gets through."""
    out, cache = folder / "out", folder / "cache"
    for _ in range(rng.randint(1, 3)):
        process = start(VERBS[verb](base, out), cache)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.1, 1.1) * seconds)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        if "Traceback" in said:
            return "traceback: " + said.strip().splitlines()[-1][:200]
    return finish(start(VERBS[verb](base, out), cache))


def at_once(verb: str, base: Path, folder: Path) -> str:
    """Starts two commands in one folder; one of them may be refused in one line."""
    both = [start(VERBS[verb](base, folder / "out"), folder / "cache") for _ in range(2)]
    ends = [finish(one) for one in both]
    bad = [end for end in ends if end.startswith(("traceback", "hung")) or end.count("\n")]
    if bad:
        return bad[0]
    return "" if "" in ends else f"neither got through: {ends[0]}"


def main() -> None:
    """Runs the campaign and prints a table of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="Cases of each command.")
    parser.add_argument("--pairs", type=int, default=3, help="Pairs of each command.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Most minutes of all.")
    parser.add_argument("--verbs", nargs="*", default=list(VERBS))
    parser.add_argument("--log", type=Path, default=Path("runs/machine.jsonl"))
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    rows = []
    if given.log.exists():
        rows = [json.loads(line) for line in given.log.read_text(encoding="utf-8").splitlines()]
    given.log.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["seed"], row["verb"], row["how"], row["case"]) for row in rows}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        photographs(base / "data")
        with_boxes(base / "data", base / "photos")
        (base / "tiny.yaml").write_text(PRESET)
        for verb in given.verbs:
            for name in NEEDS.get(verb, ()):
                make(name, base)
            begun = time.monotonic()
            whole = base / "runs" / verb / "whole"
            wrong = finish(start(VERBS[verb](base, whole / "out"), whole / "cache"))
            seconds = time.monotonic() - begun
            if wrong:
                sys.exit(f"{verb}: {wrong}")
            expected = digests(whole / "out")
            cases = [("kill", number) for number in range(given.kills)]
            cases += [("pair", number) for number in range(given.pairs)]
            for how, number in cases:
                if (given.seed, verb, how, number) in done or time.monotonic() > until:
                    continue
                folder = base / "runs" / verb / f"{how}{number}"
                rng = random.Random(f"{given.seed} {verb} {how} {number}")
                if how == "kill":
                    wrong = killed(verb, rng, base, folder, seconds)
                else:
                    wrong = at_once(verb, base, folder)
                found = digests(folder / "out")
                odd = sorted(
                    one for one in {*found, *expected} if found.get(one) != expected.get(one)
                )
                outcome = wrong or (f"differ: {', '.join(odd)}" if odd else "same bytes")
                row = {"seed": given.seed, "verb": verb, "how": how, "case": number}
                rows.append({**row, "outcome": outcome})
                with given.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(rows[-1]) + "\n")
            for how in ("kill", "pair"):
                outcomes = [r["outcome"] for r in rows if (r["verb"], r["how"]) == (verb, how)]
                sys.stdout.write(f"{verb:>15} {how}: {dict(Counter(outcomes))}\n")
                sys.stdout.flush()
    sys.exit(any(row["outcome"] != "same bytes" for row in rows))


if __name__ == "__main__":
    main()
