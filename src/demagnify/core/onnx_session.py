"""ONNX files, run by onnxruntime: detectors and super-resolution networks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from demagnify.core.errors import BadArtifactError, BadConfigError, first_line
from demagnify.core.threads import available

_EXTERNAL: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f])")
"""In the file: the key "location" and the length of the name of a file with more weights."""


_WEIGHTS_FOLDER: Final = "session.model_external_initializers_file_folder_path"


class OnnxSession:
    """An ONNX file that onnxruntime has opened.

    Args:
        path: The file.
        device: "auto", "cpu", "cuda": which of onnxruntime's providers computes.
        threads: For one answer; `default_threads()` if None.
        content: The file's bytes, if they were read already: what was checked is what runs.
        weights: The folder with the file's further weights, if it is not the file's own.

    Attributes:
        session: onnxruntime's `InferenceSession`, which knows inputs and outputs.

    Raises:
        BadArtifactError: If the file is missing, or not one that onnxruntime runs.
        BadConfigError: If onnxruntime is missing, or does not compute on the device.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        content: bytes | None = None,
        weights: Path | None = None,
    ) -> None:
        self.path = path
        runtime = _runtime(path)
        # UnicodeDecodeError comes from its own messages.
        self._errors: tuple[type[Exception], ...] = (*_errors(runtime), UnicodeDecodeError)
        if not path.is_file():
            raise BadArtifactError(f"{path}: there is no such ONNX file")
        settings = runtime.SessionOptions()
        settings.log_severity_level = 3
        if content is not None:
            settings.add_session_config_entry(_WEIGHTS_FOLDER, str(weights or path.parent))
        settings.intra_op_num_threads = threads or default_threads()
        try:
            self.session: Any = runtime.InferenceSession(
                content or str(path), settings, providers=_providers(runtime, device)
            )
        except self._errors as error:
            raise BadArtifactError(
                f"{path} is no ONNX network that onnxruntime runs: {first_line(error)}"
            ) from error

    def run(self, output: str, name: str, numbers: np.ndarray, *, hint: str) -> np.ndarray:
        """Returns one output for one input.

        Args:
            output: Which output.
            name: The input's.
            numbers: What goes into it.
            hint: What to do if it does not run.

        Raises:
            BadConfigError: If the network does not run on numbers of this shape.
        """
        (answer,) = self.run_all([output], name, numbers, hint=hint)
        return answer

    def run_all(
        self, outputs: Sequence[str], name: str, numbers: np.ndarray, *, hint: str
    ) -> list[np.ndarray]:
        """Returns several outputs for one input; see `run`."""
        try:
            answers = self.session.run(list(outputs), {name: numbers})
        except self._errors as error:
            shape = " x ".join(map(str, numbers.shape))
            raise BadConfigError(
                f"{self.path} does not run on {shape} numbers: {first_line(error)}", hint=hint
            ) from error
        return [np.asarray(answer) for answer in answers]

    def files(self) -> list[Path]:
        """Returns the file and those beside it in which it keeps its larger weights."""
        content = self.path.read_bytes()
        found = set()
        for match in _EXTERNAL.finditer(content):
            name = content[match.end() : match.end() + match[1][0]]
            found.add(self.path.parent / name.decode("utf-8", errors="replace"))
        return [self.path, *sorted(path for path in found if path.is_file())]


def default_threads() -> int:
    """Returns how many threads compute one answer: as many as torch uses, be it loaded or not.

    That is OMP_NUM_THREADS, or the processors that this process may run on.
    """
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() and int(threads) else available()


def _runtime(path: Path) -> Any:  # noqa: ANN401  onnxruntime has no types
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise BadConfigError(
            f"{path} needs onnxruntime, which is not installed",
            hint="pip install onnxruntime",
        ) from error
    return onnxruntime


def _errors(runtime: ModuleType) -> tuple[type[Exception], ...]:
    """Returns onnxruntime's own exceptions, which have no common base."""
    state = runtime.capi.onnxruntime_pybind11_state
    found = [value for value in vars(state).values() if isinstance(value, type)]
    return tuple(value for value in found if issubclass(value, Exception))


def _providers(runtime: Any, device: str) -> list[str]:  # noqa: ANN401  onnxruntime has no types
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise BadConfigError(
            f"the device {device!r} is not available here", hint="use auto, cpu or cuda"
        )
    on_gpu = "CUDAExecutionProvider" in runtime.get_available_providers()
    if kind == "cuda" and not on_gpu:
        raise BadConfigError(
            "this onnxruntime runs on the processor only",
            hint="pip install onnxruntime-gpu, or choose the device cpu",
        )
    first = ["CUDAExecutionProvider"] if on_gpu and kind != "cpu" else []
    return [*first, "CPUExecutionProvider"]
