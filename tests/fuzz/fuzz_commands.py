"""The commands that write, at their smallest, and the forked processes that campaigns run them in.

A process is forked from one that has the libraries loaded: a command begins after milliseconds, so
kills hit its work.
"""

import contextlib
import importlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LIBRARIES = (
    *("cv2", "matplotlib.pyplot", "onnx", "onnxruntime", "pyarrow.parquet", "scipy.stats"),
    *("sklearn.linear_model", "spandrel", "timm", "torch", "torchvision", "demagnify.cli.app"),
)
DAY = "1767225600"
"""The time of every document, for `SOURCE_DATE_EPOCH`."""


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
SUITE = """
name: tiny-v1
size: 32
attacks: [bicubic-x2]
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
    "train-enhancement": lambda base, out: (
        *("train-enhancement", out, "--data", base / "data", "--network", "realesr-compact-x2"),
        *("--surrogates", 0, "--epochs", 1, "--validation-faces", 4, *EXACT),
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
        *("--target-fpr", 0.5, "--target-fnr", 0.5),
    ),
    "reproduce": lambda base, out: (
        *("reproduce", base / "photos", out, "--detector", base / "detector"),
        *("--episodes", 16, *EXACT),
    ),
    "bench-run": lambda base, out: (
        *("bench", "run", out, "--data", base / "data", "--detector", base / "defense"),
        *("--suite", base / "suite.yaml", "--resamples", 20, *EXACT),
    ),
    "scores-export": lambda base, out: (
        *("scores", "export", base / "evaluation", out, "--format", "deepfake-workbench"),
    ),
    "data-export": lambda base, out: (
        *("data", "export", base / "data", out / "set.json"),
        *("--to", "deepfakebench", "--prefix", "./set"),
    ),
    "detect-output": lambda base, out: (
        *("detect", base / "faces", "--output", out, "--workers", 1, "--unit", 2, *EXACT),
    ),
    "detect-save": lambda base, out: ("detect", base / "faces", "--save", out, *EXACT),
    "detect-report": lambda base, out: ("detect", base / "faces", "--report", out, *EXACT),
    "export": lambda base, out: ("export", base / "detector", out / "net.onnx"),
    "join": lambda base, out: (
        *("join", out, "--data", base / "data", "--detector", base / "detector"),
        *("--detector", base / "second", "--precision", "float32", *EXACT),
    ),
    "report": lambda base, out: ("report", base / "evaluation"),
    "train-processes": lambda base, out: (
        *("train-detector", "--data", base / "data", out, *SMALL, "--epochs", 3, *EXACT),
        *("--processes", 2),
    ),
    "harden-processes": lambda base, out: (
        *("harden", out, "--data", base / "data", "--detector", base / "detector"),
        *("--rounds", 1, "--epochs", 1, "--surrogates", 0, "--agent-faces", 8),
        *("--attack", "bicubic-x2", *EXACT, "--processes", 2),
    ),
}
NEEDS = {
    "train-defense": ("detector",),
    "harden": ("detector",),
    "evaluate": ("detector", "defense"),
    "adaptive-attack": ("detector", "defense"),
    "calibrate": ("detector", "defense"),
    "reproduce": ("detector",),
    "bench-run": ("detector", "defense"),
    "scores-export": ("detector", "defense", "evaluation"),
    "export": ("detector",),
    "join": ("detector", "second"),
    "harden-processes": ("detector",),
    "report": ("detector", "defense", "evaluation"),
    "detect-output": ("faces",),
    "detect-save": ("faces",),
    "detect-report": ("faces",),
}
MADE: dict[str, Command] = {
    "detector": VERBS["train-detector"],
    "second": lambda base, out: (
        *("train-detector", "--data", base / "data", out, *SMALL, "--epochs", 1, *EXACT),
        *("--seed", 1),
    ),
    "defense": VERBS["train-defense"],
    "evaluation": VERBS["evaluate"],
    "faces": VERBS["sample"],
}
"""What commands need, and the command that makes it."""
UNDISTURBED: dict[str, float] = {}
"""The seconds of a command that nothing hinders."""


def prepare(base: Path) -> None:
    """Writes what all commands start from."""
    photographs(base / "data")
    with_boxes(base / "data", base / "photos")
    (base / "tiny.yaml").write_text(PRESET)
    (base / "suite.yaml").write_text(SUITE)
    for name in LIBRARIES:
        importlib.import_module(name)


def make(name: str, base: Path) -> None:
    """Makes what a command needs, once."""
    out = base / name
    if not out.exists() and (wrong := start(MADE[name](base, out), base).finish()):
        sys.exit(f"{name}: {wrong}")


@dataclass
class Process:
    """A command that runs in a process group of its own."""

    number: int
    said: Path
    code: int | None = None

    def wait(self, seconds: float) -> bool:
        """Returns whether it has ended within so many seconds."""
        if self.code is None:
            handle = os.pidfd_open(self.number)
            try:
                ended, _, _ = select.select([handle], [], [], max(0.0, seconds))
            finally:
                os.close(handle)
            if not ended:
                return False
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])
        return True

    def kill(self) -> str:
        """Kills it, but not the processes that it started; returns what stays of them for 10 s."""
        os.kill(self.number, signal.SIGKILL)
        self.wait(60)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                os.killpg(self.number, 0)
            except ProcessLookupError:
                return self.wrong()
            time.sleep(0.02)
        os.killpg(self.number, signal.SIGKILL)
        return "its workers live on"

    def wrong(self) -> str:
        """Returns a traceback that it printed, or nothing."""
        text = self.said.read_text(encoding="utf-8", errors="replace")
        return f"traceback: {text.strip().splitlines()[-1][:200]}" if "Traceback" in text else ""

    def finish(self, seconds: float = 600.0) -> str:
        """Waits for its end, and returns what is wrong with it."""
        if not self.wait(seconds):
            os.killpg(self.number, signal.SIGKILL)
            return "hung"
        lines = self.said.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        return self.wrong() or (self.code and f"exit {self.code}: {lines[-1]}") or ""


def open_streams() -> None:
    """Makes Python's streams anew, as at the start of a process: those that are closed are None."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None
        with contextlib.suppress(OSError):
            os.fstat(number)
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def cache_of(folder: Path) -> Path:
    """The cache of a working folder; both are made if missing."""
    assets = Path(os.environ.get("DEMAGNIFY_CACHE", Path.home() / ".cache/demagnify")) / "assets"
    cache = folder / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    if assets.is_dir() and not cache.exists() and os.access(folder, os.W_OK):
        cache.mkdir()
        (cache / "assets").symlink_to(assets)
    return cache


def start(
    arguments: tuple[object, ...],
    folder: Path,
    *,
    environment: Mapping[str, str | None] | None = None,
    before: Callable[[], None] = lambda: None,
) -> Process:
    """Starts a command in `folder`, where its cache is too, but for the assets.

    Args:
        arguments: The command line after `demagnify`.
        folder: The working folder; made if missing.
        environment: Variables to set, or to unset where the value is None.
        before: Called in the new process, as to close streams.
    """
    cache = cache_of(folder)
    if arguments[0] == "report":  # it writes where it reads
        if not (folder / "out").exists():
            shutil.copytree(Path(str(arguments[1])), folder / "out")
        arguments = ("report", "out")
    handle, said = tempfile.mkstemp(dir=folder.parent, prefix="said-")
    number = os.fork()
    if number:
        os.close(handle)
        return Process(number, Path(said))
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(handle, 2)
        os.close(handle)
        os.chdir(folder)
        changed = {"DEMAGNIFY_CACHE": str(cache), "SOURCE_DATE_EPOCH": DAY, **(environment or {})}
        for name, value in changed.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        tempfile.tempdir = None  # it was read before the fork
        sys.argv = ["demagnify", *map(str, arguments)]
        before()
        open_streams()
        from demagnify import cli

        cli.main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001  the process must not go on as the campaign
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    finally:
        os._exit(0)
