"""Writes the ONNX files of the shipped detectors and defences, small graphs beside their weights.

Run it after `ship.py`, or after any change to the shipped weights or cards. Example:

    python benchmarks/ship_onnx.py
"""

from __future__ import annotations

import argparse

from demagnify import detectors
from demagnify.agents.loading import shipped
from demagnify.inference.export import ship


def main() -> None:
    """Writes them all, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which; all if none is given")
    for name in parser.parse_args().names or [*detectors.shipped(), *shipped()]:
        path = ship(name)
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
