"""Every command where it cannot work: full disks, read-only folders, closed streams, no home.

    python tests/fuzz/fuzz_places.py --cases 5 --log runs/places.jsonl

Mounts are made in a name space of the campaign's own, so it needs Linux and changes nothing
outside. A command must get through, or end with exit code 1 and a message, without a traceback, at
most ten seconds later than undisturbed. After a full disk the same command, given room, must end
with the bytes of an undisturbed run. A second call with the same log goes on where it was stopped.
"""

import argparse
import ctypes
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_commands as commands
from fuzz_commands import VERBS
from fuzz_machine import digests, left, read_log, undisturbed

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_SPACE, NEW_USER = 0x00020000, 0x10000000
READ_ONLY, REMOUNT, BIND, PRIVATE = 1, 32, 4096, 16384 | 1 << 18
LATE_SECONDS = 10.0
NO_SPACE = "no name space of mounts can be made here"
OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}


def check(code: int) -> None:
    """Raises the error of a system call."""
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(target: Path, kind: str = "", flags: int = 0, *, of: Path | str = "none") -> None:
    """Mounts over a file or folder, for this process and its children alone."""
    options = (os.fsencode(of), os.fsencode(target), b"tmpfs" if kind else None, flags)
    check(LIBC.mount(*options, kind.encode()))


def own_space() -> None:
    """Gives this process mounts of its own; without root's rights it gets a user of its own too."""
    user = os.getuid()
    check(LIBC.unshare(NEW_SPACE | (NEW_USER if user else 0)))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    mount(Path("/"), flags=PRIVATE)


@dataclass
class Place:
    """Where a command runs.

    Attributes:
        environment: Variables to set, or to unset.
        out: What the command is told to write.
        before: Called in its process.
        refuses: Whether it must be refused.
        again: Called before the command runs once more, to the bytes of an undisturbed run.
        cache: Whether that includes the cache.
        noticed: Whether it must be refused, or end with those bytes at once.
        quiet: Whether a refusal may lack its line: nobody could read it.
    """

    environment: dict[str, str | None] = field(default_factory=dict)
    out: Path = Path("out")
    before: Callable[[], None] = lambda: None
    refuses: bool = False
    again: Callable[[], None] | None = None
    cache: bool = True
    noticed: bool = False
    quiet: bool = False


def full_disk(rng: random.Random, folder: Path) -> Place:
    """The folder of output and cache is on a disk that is full after so many bytes."""
    folder.mkdir()
    mount(folder, f"size={4096 * int(2 ** rng.uniform(1, 8))}")
    return Place(again=lambda: mount(folder, "size=1g", REMOUNT))


def largest_file(rng: random.Random, folder: Path) -> Place:
    """No file may be larger than so many bytes."""
    most = int(2 ** rng.uniform(4, 16))
    return Place(
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)), again=lambda: None
    )


def read_only(_: random.Random, folder: Path) -> Place:
    """Nothing can be written to the working folder; the cache is elsewhere."""
    (folder / "out").mkdir(parents=True)
    cache = folder.with_name(f"{folder.name}-cache")
    mount(folder, flags=BIND, of=folder)
    mount(folder, flags=BIND | REMOUNT | READ_ONLY)
    return Place({"DEMAGNIFY_CACHE": str(cache)}, refuses=True)


def read_only_cache(_: random.Random, folder: Path) -> Place:
    """Nothing can be written to the cache."""
    commands.cache_of(folder)
    mount(folder / "cache", flags=BIND, of=folder / "cache")
    mount(folder / "cache", flags=BIND | REMOUNT | READ_ONLY)
    return Place(again=lambda: None, cache=False)


def no_home(_: random.Random, folder: Path) -> Place:
    """Neither HOME nor an entry for the user; nothing is in the cache, and there is no network."""
    (folder / "nobody").mkdir(parents=True)

    def before() -> None:
        own_space()
        mount(Path("/etc/passwd"), flags=BIND, of="/dev/null")

    unset = dict.fromkeys(("HOME", "DEMAGNIFY_CACHE", "XDG_CACHE_HOME", "TORCH_HOME"))
    return Place({**unset, **OFFLINE}, before=before)


def offline(_: random.Random, folder: Path) -> Place:
    """An empty cache and no network."""
    (folder / "cache").mkdir(parents=True)
    return Place({**OFFLINE})


def closed(*numbers: int) -> Callable[[random.Random, Path], Place]:
    """Streams that the caller closed."""
    return lambda _, __: Place(
        before=lambda: [os.close(one) for one in numbers] and None, quiet=True
    )


def full_stdout(_: random.Random, __: Path) -> Place:
    """Nothing can be printed."""
    return Place(before=lambda: _to(os.open("/dev/full", os.O_WRONLY)))


def broken_pipe(_: random.Random, __: Path) -> Place:
    """Nobody reads what is printed."""

    def before() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        _to(writer)

    return Place(before=before, quiet=True)


def _to(handle: int) -> None:
    os.dup2(handle, 1)
    os.close(handle)


def long_name(rng: random.Random, _: Path) -> Place:
    """The output's name is longer than names may be."""
    return Place(
        out=Path(rng.choice("aäX漢") * rng.choice((130, 256, 300, 5000)) * 2), refuses=True
    )


def below_a_file(_: random.Random, folder: Path) -> Place:
    """The output is to lie below a file."""
    folder.mkdir()
    (folder / "file").write_text("")
    return Place(out=Path("file/out"), refuses=True)


def little_memory(rng: random.Random, _: Path) -> Place:
    """The process gets so much memory more than it has at its start."""
    more = int(2 ** rng.uniform(20, 30))

    def before() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return Place(before=before, again=lambda: None, cache=False)


def damaged_cache(rng: random.Random, folder: Path) -> Place:
    """A few files of the cache that an earlier run filled are damaged."""
    shutil.copytree(folder.parent / "whole", folder, symlinks=True)
    for path in folder.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    _damage(rng, folder / "cache")
    return Place(noticed=True)


def damaged_output(rng: random.Random, folder: Path) -> Place:
    """A few files that an earlier run wrote are damaged, and it runs again."""
    shutil.copytree(folder.parent / "whole", folder, symlinks=True)
    for path in folder.glob("out*"):
        _damage(rng, path)
    return Place(noticed=True)


def _damage(rng: random.Random, place: Path) -> None:
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    files = [one for one in files if one.is_file() and one.suffix != ".lock"]
    files = [one for one in files if "assets" not in one.parts]  # those are everybody's
    for path in rng.sample(files, min(len(files), rng.randint(1, 3))):
        data = path.read_bytes()
        way = rng.choice(["flip", "flip", "cut", "empty", "gone"])
        if way == "gone":
            path.unlink()
        elif way == "flip" and data:
            spot = rng.randrange(len(data))
            path.write_bytes(
                data[:spot] + bytes([data[spot] ^ 1 << rng.randrange(8)]) + data[spot + 1 :]
            )
        else:
            path.write_bytes(data[: rng.randrange(len(data)) if way == "cut" and data else 0])


PLACES: dict[str, Callable[[random.Random, Path], Place]] = {
    "full disk": full_disk,
    "largest file": largest_file,
    "read-only": read_only,
    "read-only cache": read_only_cache,
    "no home": no_home,
    "no network": offline,
    "closed stdout": closed(1),
    "closed stderr": closed(2),
    "closed streams": closed(0, 1, 2),
    "full stdout": full_stdout,
    "broken pipe": broken_pipe,
    "long name": long_name,
    "below a file": below_a_file,
    "little memory": little_memory,
    "damaged cache": damaged_cache,
    "damaged output": damaged_output,
}


def case(verb: str, place: Place, base: Path, folder: Path, expected: dict[str, str]) -> str:
    """Runs a command in a place, and says in a line how that ended."""
    line = VERBS[verb](base, place.out)
    ended = commands.start(line, folder, environment=place.environment, before=place.before).finish(
        LATE_SECONDS + commands.UNDISTURBED[verb]
    )
    if ended and not ended.startswith(("exit 1:", "exit 3:")):
        return ended
    if place.refuses and not ended:
        return "not refused"
    if ended and not place.quiet and "demagnify: " not in ended.splitlines()[-1]:
        return f"no word: {ended}"
    if (ended and place.noticed) or (not place.again and not place.noticed):
        return "refused" if ended else "done"
    if place.again:
        place.again()
        time.sleep(1.1)
        if wrong := commands.start(line, folder).finish():
            finished = not ended and (" exists" in wrong or " holds a case" in wrong)
            return "done" if finished else f"then {wrong}"
    if temporary := left(folder):
        return f"left: {', '.join(temporary)}"
    skip = () if place.cache else ("cache/",)
    found = {name: one for name, one in digests(folder).items() if not name.startswith(skip)}
    wanted = {name: one for name, one in expected.items() if not name.startswith(skip)}
    odd = sorted(one for one in {*found, *wanted} if found.get(one) != wanted.get(one))
    if odd:
        return f"differ: {', '.join(odd)}"
    return "refused, then same bytes" if ended else "done"


def main() -> None:
    """Runs the campaign and prints a table of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3, help="Cases of each command and place.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Most minutes of all.")
    parser.add_argument("--verbs", nargs="*", default=[one for one in VERBS if one != "report"])
    parser.add_argument("--places", nargs="*", default=list(PLACES))
    parser.add_argument("--log", type=Path, default=Path("runs/places.jsonl"))
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    rows = read_log(given.log)
    given.log.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["seed"], row["verb"], row["how"], row["case"]) for row in rows}
    try:
        own_space()
    except OSError as error:
        sys.exit(f"{NO_SPACE}: {error}")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        commands.prepare(base)
        for verb in given.verbs:
            todo = [
                (how, number)
                for how in given.places
                for number in range(given.cases)
                if (given.seed, verb, how, number) not in done
            ]
            if not todo or time.monotonic() > until:
                continue
            runs = base / "runs" / verb
            expected, commands.UNDISTURBED[verb] = undisturbed(verb, base, runs / "whole")
            for how, number in todo:
                if time.monotonic() > until:
                    break
                folder = runs / f"{how.replace(' ', '-')}{number}"
                rng = random.Random(f"{given.seed} {verb} {how} {number}")
                place = PLACES[how](rng, folder)
                row = {"seed": given.seed, "verb": verb, "how": how, "case": number}
                rows.append({**row, "outcome": case(verb, place, base, folder, expected)})
                with given.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(rows[-1]) + "\n")
                if rows[-1]["outcome"].partition(",")[0] in FINE:
                    LIBC.umount2(os.fsencode(folder / "cache"), 2)
                    LIBC.umount2(os.fsencode(folder), 2)
                    shutil.rmtree(folder, ignore_errors=True)
        for how in given.places:
            counts = Counter(row["outcome"].partition(",")[0] for row in rows if row["how"] == how)
            sys.stdout.write(f"{how:>16}: {dict(counts)}\n")
    sys.exit(any(row["outcome"].partition(",")[0] not in FINE for row in rows))


FINE = ("done", "refused")


if __name__ == "__main__":
    main()
