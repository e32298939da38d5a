"""Commands that are killed at random, or start at the same time in one folder, against the machine.

    python tests/fuzz/fuzz_machine.py --kills 100 --log runs/machine.jsonl

A killed command is started again until it ends; then everything that it left must have the bytes of
an undisturbed run, and no temporary file may be left. `MEASURED` names all that may differ. Two
that start at once in one folder: one does the work, the other waits or is refused in one line. Two
in folders of their own share a cache, and both do the work. A second call with the same log goes on
where the first was stopped.
"""

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import fuzz_commands as commands
from fuzz_commands import VERBS
from pyarrow import parquet

from demagnify.core.sealed import unsealed

MEASURED = {"costs", "timings", "images_per_second", "seconds", "found", "output"}
"""Fields of JSON documents that hold measured times, or of summary.json where it is and what an
earlier run had done; documents are compared without."""
REPORTS = ("report.html", "report.md", "report.tex")
YOUNG_SECONDS = 1.1
"""Temporary files of this age are left alone by the next run: their writer may live."""


TEMPORARY = "tmp"
"""The folder in a working folder for what commands would put in /tmp."""


def start(line: tuple[object, ...], folder: Path, cache: Path | None = None) -> commands.Process:
    """Starts a command in a folder; see `commands.start`."""
    (folder / TEMPORARY).mkdir(parents=True, exist_ok=True)
    environment = {"TMPDIR": str(folder / TEMPORARY)}
    if cache:
        environment["DEMAGNIFY_CACHE"] = str(cache)
    return commands.start(line, folder, environment=environment)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that a command left in its folder, measured times taken out."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    found = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        if not name.startswith(("cache/assets/", f"{TEMPORARY}/")):
            found[name] = hashlib.sha256(_content(path)).hexdigest()
    return found


def _content(path: Path) -> bytes:
    if path.name == "costs.json":
        return b""
    data = path.read_bytes()
    if path.suffix == ".json":
        with contextlib.suppress(ValueError):  # a damaged one is what it is
            document = json.loads(data)
            return json.dumps(_unmeasured(_without_seal(document))).encode()
    if path.suffix == ".jsonl":  # a journal: threads finish in any order, lines may be cut
        return b"\n".join(sorted({line for line in data.splitlines() if _is_whole(line)}))
    if path.suffix == ".prom":
        return b"\n".join(one for one in data.splitlines() if b"demagnify_seconds{" not in one)
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        about = _unmeasured(json.loads((table.schema.metadata or {}).get(b"demagnify", b"{}")))
        return json.dumps(
            [about, str(table.schema.remove_metadata()), table.to_pylist()], default=str
        ).encode()
    if path.name in REPORTS and (path.parent / "results.json").is_file():
        return _report_of(path).encode()
    return data


def _without_seal(document: Any) -> Any:
    """Returns a document without its checksum, which is over measured times too, if it is right."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        return unsealed(document)
    return document


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmeasured(one) for key, one in value.items() if key not in MEASURED}
    return [_unmeasured(one) for one in value] if isinstance(value, list) else value


def _is_whole(line: bytes) -> bool:
    checksum, _, content = line.partition(b" ")
    return checksum == f"{zlib.crc32(content):08x}".encode()


_rendered: dict[str, dict[str, bytes]] = {}


def _report_of(path: Path) -> str:
    """Says whether a report is what its results give, byte for byte; those are compared apart."""
    from demagnify.evaluation.report import write_report

    sources = [path.parent / "results.json", *sorted((path.parent / "examples").glob("*"))]
    key = hashlib.sha256(b"".join(one.read_bytes() for one in sources)).hexdigest()
    if key not in _rendered:
        with tempfile.TemporaryDirectory() as name:
            again = Path(name) / path.parent.name
            shutil.copytree(path.parent, again)
            write_report(again)
            _rendered[key] = {one: (again / one).read_bytes() for one in REPORTS}
    same = _rendered[key][path.name] == path.read_bytes()
    return "as its results" if same else f"not as its results: {path.read_bytes()!r}"


def left(folder: Path) -> list[str]:
    """The temporary files in a folder."""
    from demagnify.core.files import is_temporary

    ours = [path for path in folder.rglob("*") if is_temporary(path)]
    ours += (folder / TEMPORARY).glob("demagnify*")  # other libraries leave some, too
    return [str(path.relative_to(folder)) for path in ours]


_wholes: dict[str, tuple[dict[str, str], float]] = {}


def undisturbed(verb: str, base: Path, folder: Path) -> tuple[dict[str, str], float]:
    """Runs a command to its end; returns the digests of what it wrote, and its seconds."""
    for name in commands.NEEDS.get(verb, ()):
        commands.make(name, base)
    begun = time.monotonic()
    wrong = start(VERBS[verb](base, Path("out")), folder).finish()
    seconds = time.monotonic() - begun
    if wrong:
        sys.exit(f"{verb}: {wrong}")
    return digests(folder), seconds


def killed(verb: str, rng: random.Random, base: Path, folder: Path, seconds: float) -> Any:
    """Kills a command at random times until it gets through; returns kills and what is wrong."""
    line, kills = VERBS[verb](base, Path("out")), 0
    for _ in range(rng.randint(1, 3)):
        process = start(line, folder)
        if process.wait(rng.uniform(0.02, 1.0) * seconds):
            if wrong := process.finish():
                return kills, wrong
            break
        kills += 1
        if wrong := process.kill():
            return kills, wrong
    time.sleep(YOUNG_SECONDS)
    end = start(line, folder).finish()
    return kills, "" if end.startswith("exit 1") and " holds a case (" in end else end


def at_once(verb: str, base: Path, folder: Path) -> str:
    """Starts two commands in one folder; one of them may be refused in one line."""
    line = VERBS[verb](base, Path("out"))
    both = [start(line, folder) for _ in range(2)]
    ends = [one.finish() for one in both]
    bad = [end for end in ends if end.startswith(("traceback", "hung")) or end.count("\n")]
    if bad:
        return bad[0]
    return "" if "" in ends else f"neither got through: {ends[0]}"


def one_cache(verb: str, base: Path, folder: Path, expected: dict[str, str]) -> str:
    """Starts two commands in folders of their own, with one cache; both must get through."""
    line, cache = VERBS[verb](base, Path("out")), commands.cache_of(folder)
    places = [folder / "one", folder / "two"]
    both = [start(line, at, cache) for at in places]
    ends = [one.finish() for one in both]
    if bad := [end for end in ends if end]:
        return bad[0]
    wanted = {name: one for name, one in expected.items() if not name.startswith("cache/")}
    return "; ".join(filter(None, (_odd(digests(at), wanted) for at in places)))


def _odd(found: dict[str, str], expected: dict[str, str]) -> str:
    names = sorted(one for one in {*found, *expected} if found.get(one) != expected.get(one))
    return f"differ: {', '.join(names)}" if names else ""


def outcome(wrong: str, folder: Path, expected: dict[str, str]) -> str:
    """Says in a line how a case ended."""
    if wrong:
        return wrong
    if temporary := left(folder):
        return f"left: {', '.join(temporary)}"
    return _odd(digests(folder), expected) or "same bytes"


def read_log(path: Path) -> list[dict[str, Any]]:
    """The cases of earlier calls."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def main() -> None:
    """Runs the campaign and prints a table of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="Kills of each command.")
    parser.add_argument(
        "--pairs", type=int, default=3, help="Pairs of each command, of both kinds."
    )
    parser.add_argument("--turn", type=int, default=20, help="Kills before the next has its turn.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Most minutes of all.")
    parser.add_argument("--verbs", nargs="*", default=list(VERBS))
    parser.add_argument("--log", type=Path, default=Path("runs/machine.jsonl"))
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    rows = read_log(given.log)
    given.log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        commands.prepare(base)
        own = {
            verb: [row for row in rows if (row["verb"], row["seed"]) == (verb, given.seed)]
            for verb in given.verbs
        }
        for kills in range(given.turn, given.kills + given.turn, given.turn):
            hows = {"kill": min(kills, given.kills), "pair": given.pairs, "cache": given.pairs}
            for verb, mine in own.items():
                _campaign(verb, base, mine, hows, given, until)
        for verb, mine in own.items():
            for how in hows:
                some = [row for row in mine if row["how"] == how]
                kills = sum(row.get("kills", 0) for row in some)
                counts = dict(Counter(row["outcome"] for row in some))
                sys.stdout.write(f"{verb:>17} {how}: {kills} kills, {counts}\n")
    sys.exit(any(row["outcome"] != "same bytes" for mine in own.values() for row in mine))


def _campaign(
    verb: str,
    base: Path,
    mine: list[dict[str, Any]],
    hows: dict[str, int],
    given: argparse.Namespace,
    until: float,
) -> None:
    """Does the missing cases of a command, and adds them to `mine` and the log."""
    done = {(row["how"], row["case"]) for row in mine}

    def missing(how: str, most: int) -> bool:
        some = [row for row in mine if row["how"] == how]
        reached = sum(row["kills"] for row in some) if how == "kill" else len(some)
        return reached < most and time.monotonic() < until

    if not any(missing(how, most) for how, most in hows.items()):
        return
    runs = base / "runs" / verb
    if verb not in _wholes:
        _wholes[verb] = undisturbed(verb, base, runs / "whole")
    expected, seconds = _wholes[verb]
    for how, most in hows.items():
        number = 0
        while missing(how, most):
            if (how, number) not in done:
                folder = runs / f"{how}{number}"
                rng = random.Random(f"{given.seed} {verb} {how} {number}")
                if how == "kill":
                    kills, wrong = killed(verb, rng, base, folder, seconds)
                elif how == "pair":
                    kills, wrong = 0, at_once(verb, base, folder)
                else:
                    kills, wrong = 0, one_cache(verb, base, folder, expected)
                row = {"seed": given.seed, "verb": verb, "how": how, "case": number}
                end = wrong or "same bytes" if how == "cache" else outcome(wrong, folder, expected)
                mine.append({**row, "kills": kills, "outcome": end})
                with given.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(mine[-1]) + "\n")
                if mine[-1]["outcome"] == "same bytes":
                    shutil.rmtree(folder)
            number += 1


if __name__ == "__main__":
    main()
