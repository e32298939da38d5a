"""A task that measures files, and dies, fails or waits where their content says so."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from demagnify.core import engine
from demagnify.core.engine import Result


@dataclass(frozen=True)
class Measure:
    name: str = "measure"
    strict: bool = False
    gpu: bool = False
    factor: int = 1

    @property
    def columns(self):
        return {"size": "int32", "text": "string"}

    def identity(self):
        return {"factor": self.factor}

    def open(self, folder):
        with (folder / "opened.txt").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return self.measure

    def measure(self, items):
        with engine.fetched(items) as files:
            return [self.one(path) for path in files]

    def one(self, path):
        if not isinstance(path, Path):
            return Result(problem=str(path))
        text = path.read_text()
        flag = path.with_suffix(".flag")
        if text == "die" or (text == "die once" and not flag.exists()):
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "fault":
            raise ValueError("no such letter")
        if text == "slow":
            time.sleep(0.2)
        if text == "for ever":
            time.sleep(600)
        if text == "empty":
            return Result(problem="there is nothing")
        return Result([{"size": len(text) * self.factor, "text": text}] * (2 if "2" in text else 1))
