"""What is installed only on request, and which request is the smallest."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Final, Literal

from demagnify.core.errors import BadConfigError

Extra = Literal[
    "data", "heif", "mlflow", "pdf", "ray", "research", "sb3", "serve", "tensorboard",
    "transformers", "ui", "video",
]  # fmt: skip

_DATA: Final = ("pyarrow", "scipy")
_RESEARCH: Final = (
    *("gymnasium", "h5py", "huggingface_hub", "matplotlib", "onnx", "onnxscript", "safetensors"),
    *("sklearn", "spandrel", "timm", "torch", "torchvision"),
)
_BY_EXTRA: Final[Mapping[Extra, tuple[str, ...]]] = defaultdict(
    tuple, {"data": _DATA, "research": _DATA + _RESEARCH}
)
"""Extra -> the modules that it brings beside what is always installed."""
_ALL: Final = "research"


def install(extra: Extra) -> str:
    """Returns the command that installs an extra, for a hint.

    In a checkout the command names its folder, elsewhere the package.
    """
    home = Path(__file__).resolve().parents[3]
    project = home / "pyproject.toml"
    if project.is_file() and 'name = "demagnify"' in project.read_text("utf-8"):
        return f"pip install -e '{min(os.path.relpath(home), str(home), key=len)}[{extra}]'"
    return f"pip install 'demagnify[{extra}]'"


def missing(error: ModuleNotFoundError, extra: Extra = "data") -> BadConfigError | None:
    """Returns what to say where an import failed; None if no extra brings that module.

    Args:
        error: The failed import.
        extra: The smallest extra with all that the command needs, if that is known.

    Example:
        >>> missing(ModuleNotFoundError(name="pyarrow.parquet")).message
        'this command needs pyarrow, which is not installed'
    """
    name = (error.name or "").partition(".")[0]
    found: Extra | None = next((one for one in (extra, _ALL) if name in _BY_EXTRA[one]), None)
    return _absent(name, "this command needs", found) if found else None


def need(extra: Extra, *modules: str, what: str = "this command needs") -> None:
    """Refuses in one line where a module is not installed.

    Args:
        extra: The smallest extra that brings them.
        modules: The modules.
        what: The start of the sentence: "export needs".

    Raises:
        BadConfigError: If one is not installed.
    """
    for name in modules:
        if not util.find_spec(name):
            raise _absent(name, what, extra)


def _absent(name: str, what: str, extra: Extra) -> BadConfigError:
    return BadConfigError(f"{what} {name}, which is not installed", hint=install(extra))
