"""Detectors in ONNX files, run by onnxruntime."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import yaml

from demagnify.core.devices import Precision
from demagnify.core.errors import BadArtifactError, BadConfigError, DemagnifyWarning
from demagnify.core.files import sha256
from demagnify.core.imports import brief
from demagnify.core.onnx_session import OnnxSession
from demagnify.detectors.detector import Detector
from demagnify.detectors.heads import two_names
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.source import GEOMETRY, MEANING, SCALING, Layout, Options, read_json
from demagnify.detectors.wrapped import wrap

_DTYPES: Final = {
    "tensor(uint8)": torch.uint8,
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
}
_LABELS: Final = ("id2label", "names", "class_names", "classes", "labels")
"""Keys of its metadata that may hold the names of outputs."""


class Input(NamedTuple):
    """The input of a network: name, number type, layout, images at once, height and width.

    The last three are None where they are free.
    """

    name: str
    dtype: torch.dtype
    layout: Layout
    batch: int | None
    size: tuple[int, int] | None


@LOADERS.register("onnx")
class OnnxDetector(Loader):
    """An ONNX file that takes images and gives one or two numbers for each.

    Layout, number type, size and batch size are read from the file. Scaling is not in it: without
    `range`, `mean` and `std` a file that takes floats gets them from 0 to 1, and a warning.
    """

    def recognizes(self, source: str) -> bool:
        """Whether it ends like an ONNX file."""
        return source.endswith(".onnx")

    def beside(self, source: str) -> dict[str, object]:
        """Returns the options in the JSON file of the same name."""
        path = Path(source).with_suffix(".json")
        options = read_json(path) if path.is_file() else {}
        options.pop("detector", None)
        return options

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:  # noqa: ARG002
        """Opens the file, which fixes the precision."""
        path = Path(source).resolve()
        options.allow(MEANING | GEOMETRY | SCALING | {"output", "layout", "threads"}, str(path))
        try:
            file = OnnxFile(path, options, device=device)
        except (UnicodeDecodeError, IndexError) as error:
            raise BadArtifactError(f"{path} is damaged: {brief(error)}") from error
        detector = wrap(
            file,
            name=options.name or path.stem,
            **options.meaning,
            preprocessing=_preprocessing(file, options),
        )
        detector.identity = f"{file.fingerprint()} {options.output or ''}"
        detector.differentiable = False
        return detector.eval()


class OnnxFile:
    """Runs the network of an ONNX file."""

    def __init__(self, path: Path, options: Options, *, device: str) -> None:
        self.path = path
        self._session = OnnxSession(path, device=device, threads=options.threads)
        session = self._session.session
        self.input = _read_input(session, path, options.layout)
        self.class_names = _read_labels(session)  # where `wrap` looks for names of outputs
        self._output = _choose_output(session, path, options.output)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns the network's outputs on the device of the batch."""
        pixels = batch.to(self.input.dtype).cpu()
        if self.input.layout == "NHWC":
            pixels = pixels.permute(0, 2, 3, 1)
        parts = [self._run(part) for part in _portions(pixels.contiguous(), self.input.batch)]
        return torch.cat(parts)[: len(batch)].to(batch.device)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of the file and of the files with weights that it names."""
        own, *others = self._session.files()
        digest = hashlib.sha256(sha256(own).encode())
        for path in others:
            digest.update(f" {path.relative_to(own.parent)} {sha256(path)}".encode())
        return digest.hexdigest()

    def _run(self, part: torch.Tensor) -> torch.Tensor:
        scores = self._session.run(
            self._output,
            self.input.name,
            part.numpy(),
            hint="write input_size=SIDE, the size that it was made for",
        )
        scores = np.atleast_1d(np.asarray(scores))
        if self.input.batch is not None and len(scores) != len(part):
            scores = scores.reshape(len(part), -1) if scores.size in (1, 2) else scores
        return torch.from_numpy(scores)


def _read_input(session: Any, path: Path, layout: Layout | None) -> Input:  # noqa: ANN401
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise BadConfigError(
            f"{path} takes {len(inputs)} inputs ({names}); a detector takes one image batch"
        )
    (one,) = inputs
    shape = [side if isinstance(side, int) and side > 0 else None for side in one.shape]
    if len(shape) != 4 or one.type not in _DTYPES:
        raise BadConfigError(
            f"{path} takes {one.type} of shape {one.shape}, which is no batch of RGB images",
            hint="a detector takes N x 3 x H x W or N x H x W x 3 of uint8 or float",
        )
    found = layout or _find_layout(shape, path)
    channels, *sides = (shape[1], *shape[2:]) if found == "NCHW" else (shape[3], *shape[1:3])
    if channels not in (3, None):
        raise BadConfigError(
            f"{path} takes {channels} channels in the layout {found}, a detector takes 3"
        )
    height, width = sides
    size = None if height is None or width is None else (height, width)
    return Input(one.name, _DTYPES[one.type], found, shape[0], size)


def _find_layout(shape: list[int | None], path: Path) -> Layout:
    if None not in (shape[1], shape[3]) and 3 not in (shape[1], shape[3]):
        raise BadConfigError(f"{path} takes shape {shape}, which is no batch of RGB images")
    if (shape[1] == 3) == (shape[3] == 3):
        raise BadConfigError(
            f"{path} takes shape {shape}, which does not show where the channels are",
            hint="write layout=NCHW or layout=NHWC",
        )
    return "NCHW" if shape[1] == 3 else "NHWC"


def _read_labels(session: Any) -> tuple[str, str] | None:  # noqa: ANN401
    """Names of outputs as exporters note them: {0: 'real', 1: 'fake'} or ["real", "fake"]."""
    notes = session.get_modelmeta().custom_metadata_map
    for key in _LABELS:
        try:
            names = two_names(yaml.safe_load(notes.get(key, "")))
        except yaml.YAMLError:
            continue  # somebody's note in another format, which is no list of names
        if names:
            return names
    return None


def _choose_output(session: Any, path: Path, wanted: str | None) -> str:  # noqa: ANN401
    names = [one.name for one in session.get_outputs()]
    if wanted is None and len(names) > 1:
        raise BadConfigError(
            f"{path} has {len(names)} outputs: {', '.join(names)}",
            hint=f"write output={names[0]}, or the one that holds the scores",
        )
    chosen = wanted or names[0]
    if chosen not in names:
        raise BadConfigError(f"{path} has no output {chosen!r}", hint=f"it has {', '.join(names)}")
    kind = session.get_outputs()[names.index(chosen)].type
    if not kind.startswith("tensor("):
        raise BadConfigError(f"the output {chosen!r} of {path} is a {kind}, not a tensor")
    return str(chosen)


def _portions(pixels: torch.Tensor, batch: int | None) -> Iterator[torch.Tensor]:
    """Yields the images of each call; the last one is repeated to fill a fixed batch."""
    if batch is None:
        yield pixels
        return
    for part in torch.split(pixels, batch):
        missing = batch - len(part)
        yield torch.cat([part, part[-1:].expand(missing, -1, -1, -1)]) if missing else part


def _preprocessing(file: OnnxFile, options: Options) -> Preprocessing:
    what = str(file.path)
    defaults: dict[str, Any] = {"size": file.input.size}
    if file.input.dtype == torch.uint8:
        options.allow(
            options.given - {"range", "mean", "std"},
            f"{what} takes whole levels from 0 to 255; it",
        )
        defaults["range"] = (0.0, 255.0)
    elif not options.given & {"range", "mean", "std"}:
        warnings.warn(
            f"{what} does not tell how pixels are scaled: it gets them from 0 to 1; write "
            f"mean, std and range into {file.path.with_suffix('.json').name} if that is wrong",
            DemagnifyWarning,
            stacklevel=2,
        )
    chosen = options.preprocessing(what, **defaults)
    if file.input.size and chosen.size != file.input.size:
        height, width = file.input.size
        raise BadConfigError(
            f"{what} takes images of {height} x {width} pixels and no others",
            hint="take input_size away",
        )
    return chosen
