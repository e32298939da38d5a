"""Writes a detector or a defence as one ONNX file that needs no torch.

The file takes face crops of any size and gives their logits: resizing, the choice of the
correction, the correction itself, scaling and the network are inside. Its metadata say the rest.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import demagnify
from demagnify.core.artifacts import CARD, WEIGHTS
from demagnify.core.errors import BadArtifactError, BadConfigError, BadOutputError
from demagnify.core.extras import need
from demagnify.core.files import atomic_path, sha256
from demagnify.core.imports import brief
from demagnify.inference import calibration as calibrations
from demagnify.inference import conditions
from demagnify.inference import runtime as runtimes
from demagnify.inference.answers import Interpreter
from demagnify.inference.calibration import folder_of
from demagnify.inference.exported import DIGEST, NOTES, ExportNotes, digest_of
from demagnify.inference.onnx_resize import resized
from demagnify.inference.runtime import INPUT, InputType, OnnxRuntime, TorchRuntime

if TYPE_CHECKING:
    import torch

    from demagnify.agents.defended import DefendedDetector

PARITY: Final = 1e-4
"""The largest difference of logits between the file and torch, on the crops that `export` tries."""
OPSET: Final = 20
_LEVELS: Final = "levels"
_OUTER: Final = "core.detector.network."
_SIDES: Final = ((97, 83), (224, 224), (301, 260))


def export(
    source: str | Path | DefendedDetector,
    path: Path,
    *,
    takes: InputType = "uint8",
    log: Callable[[str], None] = lambda _line: None,
    calibration: Path | None = None,
    overwrite: bool = False,
) -> OnnxRuntime:
    """Writes a detector or a defence as an ONNX file, and checks it against torch.

    Args:
        source: A defended detector, or its name, folder or detector as `load_defense` takes it.
        path: The file to write, `.onnx`.
        takes: Whether the file's input "images" is uint8 RGB (N, 3, H, W), 0-255, or float32 RGB
            in [0, 1]; of any size.
        log: Gets a line before each stage.
        calibration: A folder that calibrate wrote; that of the source itself if None. It becomes
            a part of the file.
        overwrite: Whether a file that is there is replaced.

    Returns:
        The file, opened.

    Raises:
        BadConfigError: If a part of it cannot be exported; the message names the part.
        BadArtifactError: If there is no such defence, or the calibration belongs to another.
        BadOutputError: If the file is there with another content; the same one is left as it is.

    Example:
        >>> from demagnify.inference import export
        >>> export("light", Path("light.onnx")).actions  # doctest: +SKIP
        ('identity',)
    """
    if path.suffix != ".onnx":
        raise BadConfigError(f"{path} is no name of an ONNX file", hint="such as model.onnx")
    there = None if overwrite else _exported(path)
    need("research", "torch", "onnx", "onnxscript", what="export needs")
    log("reading the detector or defence")
    defended = _load(source)
    notes = _notes(defended, {}).model_copy(update=_calibration(source, calibration, defended))
    if there:
        if (there.notes, there.takes) != (notes, takes):
            raise _another(path)
        log(f"{path} is unchanged")
    else:
        log(f"converting {defended.name}, which takes up to a minute")
        _write(_model(defended, takes), path, notes)
    log(f"comparing {path} with torch")
    opened = there or OnnxRuntime(path, device="cpu")
    try:
        _compare(defended, opened)
    except BadConfigError:
        if not there:
            path.unlink()
        raise
    return opened


def _exported(path: Path) -> OnnxRuntime | None:
    """Returns the file of an earlier export, opened; None if there is no file.

    Raises:
        BadOutputError: If it is something else, or damaged.
    """
    if not path.exists():
        return None
    try:
        return OnnxRuntime(path, device="cpu")
    except BadArtifactError as error:
        raise _another(path) from error


def _another(path: Path) -> BadOutputError:
    return BadOutputError(
        f"{path} exists, with another content", hint="choose another name, or --overwrite"
    )


def _compare(defended: DefendedDetector, opened: OnnxRuntime) -> None:
    """Compares a file with torch.

    Raises:
        BadConfigError: If their logits differ, or the file does not run.
    """
    try:
        difference = largest_difference(
            TorchRuntime(defended), opened, _samples(defended.input_size)
        )
    except BadConfigError as error:
        raise BadConfigError(
            f"the policy {defended.policy.name!r} cannot be exported: its graph does not run",
            hint="use this defence with torch",
        ) from error
    if not difference <= PARITY:
        raise BadConfigError(
            f"the exported {defended.name} differs from torch by {difference:.2g} in logits",
            hint="its network computes differently in ONNX Runtime; use it with torch",
        )


def ship(name: str) -> Path:
    """Writes the ONNX file of a shipped detector or defence into the package.

    It holds the graph alone: weights stay in `weights.safetensors`, to which it points.

    Args:
        name: Its name.
    """
    folder = next(
        folder
        for shelf in ("defenses", "detectors")
        if (folder := runtimes.shelf_folder(shelf) / name / CARD).is_file()
    ).parent
    defended = _load(name)
    model = _model(defended, "uint8")
    weights = runtimes.weights_of(folder) / WEIGHTS
    _point_into(model, weights)
    path = folder / runtimes.ONNX_FILE
    _write(model, path, _notes(defended, {WEIGHTS: sha256(weights)}))
    opened = OnnxRuntime(path, weights=weights.parent, device="cpu")
    difference = largest_difference(TorchRuntime(defended), opened, _samples(defended.input_size))
    if not difference <= PARITY:
        raise BadArtifactError(f"{path} differs from torch by {difference:.2g} in logits")
    return path


def largest_difference(
    reference: runtimes.Runtime, other: runtimes.Runtime, crops: Iterator[np.ndarray]
) -> float:
    """Returns the largest difference of two runtimes' logits, on batches of crops of any size."""
    return max(
        float(np.abs(reference.decide(batch).logits - other.decide(batch).logits).max())
        for batch in crops
    )


def _load(source: str | Path | DefendedDetector) -> DefendedDetector:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.agents.loading import load_defense

    if isinstance(source, DefendedDetector):
        return source
    return load_defense(source, device="cpu", precision="float32")


def _notes(defended: DefendedDetector, weights: dict[str, str]) -> ExportNotes:
    return ExportNotes(
        name=defended.name,
        fingerprint=TorchRuntime(defended).fingerprint,
        input_size=defended.input_size,
        threshold=defended.threshold,
        actions=tuple(defended.actions.names),
        views=defended.policy.averaged,
        weights=weights,
        demagnify=demagnify.__version__,
    )


def _calibration(
    source: str | Path | DefendedDetector, given: Path | None, defended: DefendedDetector
) -> dict[str, str]:
    """Returns the texts of a calibration and its conditions, after a look whether they belong."""
    place = given if given is not None or not isinstance(source, str | Path) else source
    if place is None:
        return {}
    fingerprint = TorchRuntime(defended).fingerprint
    if Interpreter.load(place, fingerprint, required=given is not None) is None:
        return {}
    folder = folder_of(place)
    texts = {"calibration": folder / calibrations.FILE, "conditions": folder / conditions.FILE}
    return {key: one.read_text("utf-8") for key, one in texts.items() if one.is_file()}


def _model(defended: DefendedDetector, takes: InputType) -> Any:  # noqa: ANN401  onnx's own type
    """Returns the whole model: input, resizing, and what torch exports."""
    from onnx import TensorProto, helper

    from demagnify.inference.export_module import ExportModule, check_exportable

    check_exportable(defended)
    module = ExportModule(defended).eval()
    outputs = module.outputs()
    model = _torch_export(module, defended.input_size, outputs, lambda: _culprit(defended))
    graph = model.graph
    nodes = []
    if takes == "uint8":
        kind = TensorProto.UINT8
        nodes.append(helper.make_node("Cast", [INPUT], ["any_size"], to=TensorProto.FLOAT))
    else:
        kind = TensorProto.FLOAT
        white = helper.make_tensor("value", TensorProto.FLOAT, [], [255.0])
        black = helper.make_tensor("value", TensorProto.FLOAT, [], [0.0])
        nodes += [
            helper.make_node("Constant", [], ["white"], value=white),
            helper.make_node("Constant", [], ["black"], value=black),
            helper.make_node("Mul", [INPUT, "white"], ["scaled"]),
            helper.make_node("Round", ["scaled"], ["rounded"]),
            helper.make_node("Clip", ["rounded", "black", "white"], ["any_size"]),
        ]
    nodes += resized("any_size", defended.input_size, "bicubic", _LEVELS)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, kind, ["n", 3, "height", "width"]))
    for node in graph.node:  # where it was written in the code of torch and timm
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.value_info[:]
    return model


def _torch_export(
    module: torch.nn.Module, side: int, outputs: list[str], culprit: Callable[[], str]
) -> Any:  # noqa: ANN401  onnx's own type
    import torch
    from onnxscript import optimizer

    example = torch.zeros(2, 3, side, side)
    sizes = {_LEVELS: {0: torch.export.Dim("n", min=1, max=65536)}}
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[_LEVELS],
                output_names=outputs,
                dynamic_shapes=sizes,
                opset_version=OPSET,
                optimize=False,
                verbose=False,
            )
            # Not torch's own optimization: it folds BatchNorm into weights, which then are others
            # than those of the card. ONNX Runtime folds it when it opens the file.
            model = None if program is None else program.model_proto
            if model is not None:
                # Transposed weights would be others, too.
                optimizer.fold_constants(model, should_fold=_unless_transposed)
                optimizer.remove_unused_nodes(model)
    except Exception as error:  # the exporter raises whatever its parts do
        named = culprit()
        raise BadConfigError(
            f"{named} cannot be exported to ONNX: {brief(error.__cause__ or error)}",
            hint="use this defence with torch, or train one with other parts",
        ) from error
    if model is None:
        raise BadConfigError("torch exported nothing")
    return model


def _culprit(defended: DefendedDetector) -> str:
    """Returns which part of a defence cannot be exported, by trying each alone."""
    import torch

    from demagnify.inference.export_module import parts_of

    for name, part in parts_of(defended):
        try:
            with _quiet(), torch.no_grad():
                example = torch.zeros(2, 3, defended.input_size, defended.input_size)
                torch.export.export(
                    part, (example,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
                )
        except Exception:  # noqa: BLE001  the exporter raises whatever its parts do
            return name
    return f"the policy {defended.policy.name!r}"


def _unless_transposed(node: Any) -> bool | None:  # noqa: ANN401  onnxscript's own type
    return False if node.op_type == "Transpose" else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter, which tells of its progress."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _point_into(model: Any, weights: Path) -> None:  # noqa: ANN401  onnx's own type
    """Replaces weights by places in a safetensors file, and casts what is stored as float16."""
    from onnx import TensorProto, helper, numpy_helper

    kinds = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    content = weights.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    casts = []
    for tensor in model.graph.initializer:
        entry = header.get(tensor.name.removeprefix(_OUTER))
        if entry is None or entry["dtype"] not in kinds or list(tensor.dims) != entry["shape"]:
            continue
        first, last = entry["data_offsets"]
        kind = np.float16 if entry["dtype"] == "F16" else np.float32
        stored = np.frombuffer(content[start + first : start + last], kind)
        if not np.array_equal(numpy_helper.to_array(tensor).ravel(), stored.astype(np.float32)):
            continue  # the exporter changed it
        for field in ("raw_data", "float_data", "external_data"):
            tensor.ClearField(field)
        tensor.data_type = kinds[entry["dtype"]]
        tensor.data_location = TensorProto.EXTERNAL
        places = {"location": WEIGHTS, "offset": start + first, "length": last - first}
        for key, value in places.items():
            tensor.external_data.add(key=key, value=str(value))
        if entry["dtype"] == "F16":
            name = tensor.name
            tensor.name = f"{name}.half"
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


def _write(model: Any, path: Path, notes: ExportNotes) -> None:  # noqa: ANN401  onnx's own type
    from onnx import helper

    helper.set_model_props(model, {NOTES: notes.model_dump_json(), DIGEST: "0" * 64})
    model.producer_name, model.producer_version = "demagnify", demagnify.__version__
    content = model.SerializeToString()
    digest = digest_of(content)
    marked = DIGEST.encode() + b"\x12\x40"
    content = content.replace(marked + b"0" * 64, marked + digest.encode())
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _samples(size: int) -> Iterator[np.ndarray]:
    """Yields smooth noise of several sizes, as batches of crops."""
    import cv2

    rng = np.random.default_rng(0)
    for height, width in ((size, size), *_SIDES):
        coarse = rng.integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)
        smooth = np.stack([cv2.resize(one, (width, height)) for one in coarse]).astype(np.int16)
        noise = rng.integers(-8, 9, smooth.shape)
        yield np.clip(smooth + noise, 0, 255).astype(np.uint8)
