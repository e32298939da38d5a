"""What a manifest of a million rows costs: seconds to open, and memory beside a smaller one.

Writes a table and its files (empty ones: opening reads no pixels) into a temporary folder, and
opens it in a process of its own, so that each figure starts from nothing. Example:

    python benchmarks/manifest_scale.py --rows 100000 1000000 --kinds csv jsonl parquet
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEBIBYTE = 2**20


def main() -> None:
    """Measures and prints one line for each kind and size."""
    options = _parse()
    if options.open:
        print(json.dumps(measure(options.open)))
        return
    results = []
    print(f"{'table':8}{'rows':>10}{'open s':>9}{'walk s':>9}{'columns':>9}{'peak':>9}   (MiB)")
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            tables = write(Path(scratch), rows, options.kinds, per_folder=options.per_folder)
            for kind, table in tables.items():
                command = [sys.executable, __file__, "--open", str(table)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found = {"kind": kind, "rows": rows, **json.loads(done.stdout)}
                results.append(found)
                print(
                    f"{kind:8}{rows:10}{found['open_s']:9.2f}{found['walk_s']:9.2f}"
                    f"{found['columns_mib']:9.1f}{found['grown_mib']:9.1f}",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measure(table: Path) -> dict[str, float]:
    """Opens a table and walks through its records, and says what that took.

    Returns:
        `open_s`, `split_s` (one split, the counts and the groups), `walk_s` (every record once),
        `columns_mib` (what the manifest holds), `grown_mib` (the highest memory of the process
        above what it had before, the imports done).
    """
    from demagnify.data import Manifest

    before = _peak()
    start = time.perf_counter()
    manifest = Manifest.load(table)
    opened = time.perf_counter()
    manifest.check_groups()
    manifest.describe()
    manifest.split("test")
    split = time.perf_counter()
    fakes = sum(record.label for record in manifest)
    walked = time.perf_counter()
    if len(manifest) != 2 * fakes:
        raise SystemExit("the manifest was not read as it was written")
    return {
        "open_s": opened - start,
        "split_s": split - opened,
        "walk_s": walked - split,
        "columns_mib": manifest.table.nbytes / MEBIBYTE,
        "grown_mib": (_peak() - before) / MEBIBYTE,
    }


def write(folder: Path, rows: int, kinds: list[str], *, per_folder: int) -> dict[str, Path]:
    """Makes `rows` empty files below `folder` and a table of them in each kind."""
    from demagnify.data.manifest import ManifestBuilder

    builder = ManifestBuilder(folder)
    for number in range(rows):
        label, video = number % 2, number // 20
        split = ("train", "train", "train", "val", "test")[video % 5]
        place = f"{split}/{number // per_folder:05d}"
        name = f"{place}/{number:08d}.png"
        if number % per_folder == 0 or number % 20 == 0:
            (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        builder.add_row(name, label, split, f"video-{video:06d}", extra={"method": "swap"})
    manifest = builder.build()
    paths = {kind: folder / f"metadata.{kind}" for kind in kinds}
    for path in paths.values():
        manifest.save(path)
    return paths


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--per-folder", type=int, default=10_000, help="files in each folder")
    parser.add_argument("--scratch", type=Path, help="where to put the temporary folder")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
