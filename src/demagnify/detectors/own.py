"""Detectors that a user brings: a timm checkpoint, an ONNX file, Python code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from demagnify.core import imports
from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadConfigError, DemagnifyWarning
from demagnify.detectors import backbones, pretrained
from demagnify.detectors.detector import Detector
from demagnify.detectors.heads import Head, make_head
from demagnify.detectors.onnx_file import OnnxFile
from demagnify.detectors.options import ANSWER, GEOMETRY, SCALING, Options
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.source import Source
from demagnify.detectors.wrapped import WrappedDetector, names_of_outputs

TIMM: Final = "timm:"

_CALLED: Final = "a detector maps an image batch, uint8 RGB (N, 3, H, W), to N scores"


def from_checkpoint(
    spec: str, options: Options, *, device: str = "auto", precision: Precision = "auto"
) -> Detector:
    """Loads a timm network with weights that were trained to tell real from fake.

    Size, scaling, interpolation and crop are timm's own for the network, as
    `timm.data.resolve_model_data_config` gives them, where no option says otherwise.

    Args:
        spec: "timm:NAME".
        options: With `weights`, the checkpoint's file.
        device: "auto", "cpu", "cuda".
        precision: In what it computes; see `demagnify.core.devices`.

    Raises:
        UnknownNameError: If timm has no such network.
        BadArtifactError: If the checkpoint cannot be read or does not fit the network.
        BadConfigError: If there is none, or its last layer is no detector's.
    """
    backbone = spec.removeprefix(TIMM)
    name = backbones.timm_name(backbone)
    options.allow(ANSWER | GEOMETRY | {"mean", "std", "weights"}, spec)
    if options.weights is None:
        raise BadConfigError(
            f"{spec} alone is a classifier of ImageNet's things, and no detector",
            hint=f"write {spec}@weights=FILE, or train one: demagnify train-detector --backbone "
            f"{backbone}",
        )
    chosen = options.preprocessing(spec, **backbones.preprocessing(name))
    size = _square(chosen, spec)
    tensors = pretrained.read_file(options.weights)
    label = options.name or options.weights.stem
    network = backbones.build(name, input_size=size)
    head = _checkpoint_head(network, tensors, options, label)
    if head.outputs > 1:
        network = backbones.build(name, input_size=size, outputs=head.outputs)
    pretrained.check_fit(network.state_dict(), tensors, options.weights)
    network.load_state_dict(tensors, strict=False)
    detector = Detector(
        network,
        name=label,
        backbone=name,
        input_size=size,
        mean=chosen.mean,
        std=chosen.std,
        threshold=head.threshold(options.threshold),
        precision=precision,
        interpolation=chosen.interpolation,
        crop_pct=chosen.crop_pct,
        crop_mode=chosen.crop_mode,
        head=head,
    )
    return detector.to(pick_device(device)).eval()


def from_onnx(path: Path, options: Options, *, device: str = "auto") -> WrappedDetector:
    """Loads an ONNX file that takes images and gives one or two numbers for each.

    Layout, number type, size and batch size are read from the file. Scaling is not in it: without
    `range`, `mean` and `std` a file that takes floats gets them from 0 to 1, and a warning.

    Args:
        path: The file.
        options: What the file cannot say.
        device: "auto", "cpu", "cuda".

    Raises:
        BadArtifactError: If the file is missing, or not one that onnxruntime runs.
        BadConfigError: If onnxruntime is missing, or the network does not take one image batch.
    """
    options.allow(ANSWER | GEOMETRY | SCALING | {"output", "layout", "threads"}, str(path))
    file = OnnxFile(
        path,
        device=device,
        layout=options.layout,
        output=options.output,
        threads=options.threads,
    )
    head = make_head(
        options.head,
        fake_index=options.fake_index,
        labels=options.labels or file.labels,
        detector=options.name or path.stem,
    )
    return WrappedDetector(
        file,
        name=options.name or path.stem,
        threshold=head.threshold(options.threshold),
        head=head,
        preprocessing=_onnx_preprocessing(file, options),
        identity=f"{file.fingerprint()} {options.output or ''}",
        differentiable=False,
    ).eval()


def from_import(where: str, options: Options, *, device: str = "auto") -> Detector:
    """Imports a detector: a function, a module, or a class or function that makes one.

    Args:
        where: "package.module:name".
        options: What it cannot say of itself; with `range`, `mean`, `std` or `input_size` it gets
            float images, without them the image batch as it is.
        device: Where a `torch.nn.Module` computes: "auto", "cpu", "cuda".

    Raises:
        BadConfigError: If it cannot be imported, or is nothing that can be called.
    """
    options.allow(ANSWER | GEOMETRY | SCALING | {"output"}, where)
    found = imports.import_object(where)
    made = imports.make(found, where, hint=_CALLED)
    if isinstance(made, nn.Module):
        made = made.to(pick_device(device)).eval()
    if isinstance(made, Detector):
        options.allow((), f"{where}, which is a detector of demagnify's own kind,")
        return made
    name = options.name or where.partition(":")[2]
    labels = options.labels or names_of_outputs(made)
    head = make_head(options.head, fake_index=options.fake_index, labels=labels, detector=name)
    prepares = options.given & (GEOMETRY | SCALING)
    return WrappedDetector(
        made,
        name=name,
        threshold=head.threshold(options.threshold),
        head=head,
        preprocessing=options.preprocessing(where) if prepares else None,
        output=options.output,
        identity=imports.identity(found, made, where),
    ).eval()


def with_source(detector: Detector, where: str, options: Options) -> Detector:
    """Returns the detector, which now knows where it comes from."""
    detector.source = Source(where=where, options=options)
    return detector


def _square(chosen: Preprocessing, spec: str) -> int:
    height, width = chosen.size or (0, 0)
    if height != width:
        raise BadConfigError(
            f"{spec} takes images of {height} x {width} pixels; only square ones can be given",
            hint="export it as ONNX",
        )
    return height


def _checkpoint_head(
    network: nn.Module, tensors: dict[str, torch.Tensor], options: Options, label: str
) -> Head:
    """The head of a checkpoint, which must have as many outputs as its last layer."""
    # Without a last layer it fits no network, which is told when it is loaded.
    outputs = pretrained.outputs_of(network, tensors) or 1
    if outputs > 2:
        raise BadConfigError(
            f"{options.weights} tells {outputs} classes apart, and a detector two",
            hint="to start a training from it: demagnify train-detector --weights FILE",
        )
    if outputs == 2 and options.head is None:
        raise BadConfigError(
            f"{options.weights} has two outputs, and nothing says which one is fake",
            hint="write head=two-logit and fake_index=1 if the second is (0 if the first is)",
        )
    head = make_head(
        options.head, fake_index=options.fake_index, labels=options.labels, detector=label
    )
    if head.outputs != outputs:
        raise BadConfigError(
            f"{options.weights} has {outputs} output{'s' * (outputs > 1)}, but head={head.name} "
            f"needs {head.outputs}"
        )
    return head


def _onnx_preprocessing(file: OnnxFile, options: Options) -> Preprocessing:
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
            f"{what} does not say how it wants pixels scaled: it gets them from 0 to 1; write "
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
