"""What is installed only on request, and which request is the smallest."""

from __future__ import annotations

from importlib import util
from typing import Final, Literal

from demagnify.core.errors import BadConfigError

Extra = Literal["data", "research"]

_DATA: Final = ("pyarrow", "scipy")
_RESEARCH: Final = (
    *("gymnasium", "h5py", "huggingface_hub", "matplotlib", "onnx", "onnxscript", "safetensors"),
    *("sklearn", "spandrel", "timm", "torch", "torchvision"),
)
_BY_EXTRA: Final[dict[Extra, tuple[str, ...]]] = {"data": _DATA, "research": _DATA + _RESEARCH}
"""Extra -> the modules that it brings beside what is always installed."""


def missing(
    error: ModuleNotFoundError, extra: Extra = "data", *, what: str = "this command needs"
) -> BadConfigError | None:
    """Returns what to say where an import failed; None if no extra brings that module.

    Args:
        error: The failed import.
        extra: The smallest extra with all that the command needs, if that is known.
        what: The start of the sentence.

    Example:
        >>> print(missing(ModuleNotFoundError(name="pyarrow.parquet")))
        this command needs pyarrow, which is not installed (pip install 'demagnify[data]')
    """
    name = (error.name or "").partition(".")[0]
    for one in (extra, "research"):
        if name in _BY_EXTRA[one]:
            return BadConfigError(
                f"{what} {name}, which is not installed", hint=f"pip install 'demagnify[{one}]'"
            )
    return None


def need(name: str, what: str, extra: Extra = "data") -> None:
    """Refuses in one line where a module is not installed.

    Args:
        name: The module.
        what: The start of the sentence: "export needs".
        extra: The smallest extra that suffices.

    Raises:
        BadConfigError: If it is not installed.
    """
    if not util.find_spec(name):
        raise missing(ModuleNotFoundError(name=name), extra, what=what) or AssertionError(name)
