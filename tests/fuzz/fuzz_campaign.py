"""Fuzzing campaigns that go on where they were stopped: `make fuzz FUZZ_ARGS="--cases 1000"`.

Each kind runs in a process of its own, so that a crash in a library is a finding and not the end.
Outcomes are appended to a log; a second call with the same seed and log does what is missing.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
SLOW_SECONDS = 10.0
HUNG_SECONDS = 60.0
NOTE = "seed {seed} kind {kind} case {number}"


def finished(log: Path, seed: int, kind: str) -> list[dict[str, object]]:
    """The outcomes of a kind so far."""
    if not log.exists():
        return []
    rows = []
    for line in log.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):  # the last line of a killed campaign
            rows.append(json.loads(line))
    return [row for row in rows if (row["seed"], row["kind"]) == (seed, kind)]


def work(arguments: argparse.Namespace) -> None:
    """Runs the cases of one kind from `--start` on, and prints an outcome per line."""
    import fuzz_kinds

    warnings.simplefilter("ignore")
    sink = os.open(os.devnull, os.O_WRONLY)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(sink, 1)  # libraries print there
    os.dup2(sink, 2)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.start, arguments.cases):
            begun = time.monotonic()
            outcome = fuzz_kinds.run(arguments.worker, arguments.seed, number, Path(folder))
            seconds = time.monotonic() - begun
            if seconds > SLOW_SECONDS and outcome in ("read", "refused"):
                outcome = f"slow: {seconds:.1f} s"
            out.write(json.dumps([number, outcome]) + "\n")
            out.flush()


def outcomes(
    kind: str, seed: int, start: int, cases: int, until: float
) -> Iterator[tuple[int, str]]:
    """Yields the outcome of each case; a worker that crashes or hangs is one, and is replaced."""
    while start < cases and time.monotonic() < until:
        command = [sys.executable, __file__, "--worker", kind, "--seed", str(seed)]
        command += ["--start", str(start), "--cases", str(cases)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE) as worker:
            for line in worker.stdout:
                number, outcome = json.loads(line)
                yield number, outcome
                start = number + 1
                if time.monotonic() > until:
                    worker.kill()
                    return
        if start < cases:
            yield start, f"crash: the process ended with {worker.returncode}"
            start += 1


def main() -> None:
    """Runs a campaign and prints a table of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="Cases of each kind.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Most minutes of each kind.")
    parser.add_argument("--log", type=Path, default=Path("runs/fuzz.jsonl"))
    parser.add_argument("--kinds", nargs="*", help="All if none is given.")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    import fuzz_kinds

    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    bad = 0
    for kind in arguments.kinds or fuzz_kinds.KINDS:
        rows = finished(arguments.log, arguments.seed, kind)
        start = 1 + max((row["case"] for row in rows), default=-1)
        until = time.monotonic() + 60 * arguments.minutes
        with arguments.log.open("a", encoding="utf-8") as log:
            for number, outcome in outcomes(kind, arguments.seed, start, arguments.cases, until):
                row = {"seed": arguments.seed, "kind": kind, "case": number, "outcome": outcome}
                rows.append(row)
                log.write(json.dumps(row) + "\n")
                log.flush()
        counts = Counter(str(row["outcome"]).partition(":")[0] for row in rows)
        sys.stdout.write(f"{kind:>18}: {len(rows)} cases, {dict(counts)}\n")
        for row in [one for one in rows if one["outcome"] not in ("read", "refused")][:5]:
            bad += 1
            note = NOTE.format(seed=row["seed"], kind=kind, number=row["case"])
            sys.stdout.write(f"    {note}: {row['outcome']}\n")
        sys.stdout.flush()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
