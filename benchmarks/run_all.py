"""Every benchmark, one after the other, on the sample set; results go to `runs/benchmarks`.

Takes about half an hour on two cores; with --quick minutes, the slow loops then being extrapolated
from few episodes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUTPUT = Path("runs/benchmarks")


def main() -> None:
    """Makes the sample set if it is not there, then runs the benchmarks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few episodes of the slow loops")
    quick = parser.parse_args().quick
    sample = OUTPUT / "sample"
    _run("-m", "demagnify", "sample", str(sample))
    _python("defended_time.py", sample, "defended-time")
    for detector, most in (("light", "5000"), ("resnet50", "300")):
        episodes = "60" if quick else most
        options = ("--detector", detector, "--loop-episodes", episodes)
        _python("paper_loop.py", sample, f"paper-loop-{detector}", *options)
    _run(str(HERE / "corrections.py"), "--data", str(sample))
    _run(str(HERE / "learners.py"))
    _run(str(HERE / "training.py"))
    _run(str(HERE / "decoding.py"), "--data", str(sample))
    _run(str(HERE / "attack_throughput.py"))
    _run(str(HERE / "manifest_scale.py"), "--rows", "100000" if quick else "1000000")


def _python(script: str, data: Path, name: str, *options: str) -> None:
    _run(str(HERE / script), "--data", str(data), "--json", str(OUTPUT / f"{name}.json"), *options)


def _run(*arguments: str) -> None:
    print("\n$ python " + " ".join(arguments), flush=True)
    subprocess.run([sys.executable, *arguments], check=True)


if __name__ == "__main__":
    main()
