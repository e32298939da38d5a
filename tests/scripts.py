"""The benchmarks as modules, for tests of what they do from the command line."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # as Python does for a script, so that one can import another


def load(name: str) -> ModuleType:
    """Returns a script of benchmarks/ as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def run(module: ModuleType, monkeypatch, *words: object) -> None:
    """Runs a script's `main` as if called with these words."""
    monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, words)])
    module.main()
