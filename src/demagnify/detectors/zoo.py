"""Detectors by name: new ones from timm, trained ones from wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.imports import PATTERN
from demagnify.detectors import backbones, pretrained
from demagnify.detectors.detector import Detector
from demagnify.detectors.options import Options, check, read_detector_file, read_json, split
from demagnify.detectors.own import TIMM, from_checkpoint, from_import, from_onnx, with_source
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.source import Recorded

IMAGENET: Final = "imagenet"
ONNX: Final = ".onnx"
JSON: Final = ".json"


def create(
    backbone: str,
    *,
    weights: str | Path | None = None,
    input_size: int | None = 224,
    device: str = "auto",
    precision: Precision = "auto",
    seed: int = 0,
) -> Detector:
    """Makes a detector to be trained.

    Args:
        backbone: "light", "resnet50", or the name of any timm network.
        weights: What to start from: None for random weights, "imagenet" for the published ones,
            or a .safetensors or .pth file. Weights for another number of classes lose their last
            layer.
        input_size: Side of its input in pixels; images of other sizes are resized as timm does it
            for this network, but whole: faces are cut out already. None for timm's own size.
        device: "auto", "cpu", "cuda".
        precision: In what it computes; see `demagnify.core.devices`.
        seed: Of the random weights.

    Raises:
        UnknownNameError: If timm has no such network.
        AssetError: If ImageNet weights are neither in a cache nor within reach.
        BadArtifactError: If the weights file does not fit the network.
        BadConfigError: If the network cannot have this input size.

    Example:
        >>> import torch
        >>> from demagnify.detectors import create
        >>> detector = create("mobilenetv3_small_050", input_size=96, device="cpu")
        >>> detector.logits(torch.zeros(2, 3, 96, 96, dtype=torch.uint8)).shape
        torch.Size([2])
    """
    if input_size is not None and input_size < 1:
        raise BadConfigError(f"input_size is a number of pixels, not {input_size}")
    target = pick_device(device)
    name = backbones.timm_name(backbone)
    usual = Preprocessing.model_validate(backbones.preprocessing(name))
    size = input_size or max(usual.size or (0,))
    network = backbones.build(name, input_size=size, seed=seed)
    if weights is not None:
        file = pretrained.imagenet_file(name) if weights == IMAGENET else Path(weights)
        pretrained.load_into(network, pretrained.read_file(file), file)
    detector = Detector(
        network,
        name=backbone,
        backbone=name,
        input_size=size,
        mean=usual.mean,
        std=usual.std,
        precision=precision,
        interpolation=usual.interpolation,
    )
    return detector.to(target).eval()


def shipped() -> list[str]:
    """Returns the names of the trained detectors that come with this package."""
    return sorted(entry.name for entry in _shelf().iterdir()) if _shelf().is_dir() else []


def load(
    source: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    **options: object,
) -> Detector:
    """Loads a detector, ready to judge.

    Args:
        source: One of, with options as "@key=value" (see `demagnify.detectors.options`):
            a folder that `train_detector` or `Detector.save` wrote;
            a name of `shipped()`, which means the shipped one even where a folder is called so:
            say "./light" for that;
            an ONNX file, and the JSON file of options beside it;
            "timm:NAME@weights=FILE", a timm network with a checkpoint;
            "package.module:name", a function, a module, or what makes one; its code is run;
            a JSON file with the key "detector" and options.
        device: "auto", "cpu", "cuda".
        precision: In what a timm network computes; files and code know that themselves.
        options: The same options once more, as Python values; they win.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
        BadConfigError: If an option is unknown, or it is not known what the answers mean.
        UnknownNameError: If timm has no such network.
    """
    where, told = (str(source), {}) if isinstance(source, Path) else split(source)
    if not isinstance(source, Path) and where in shipped():
        check({**told, **options}, where).allow((), f"the shipped detector {where!r}")
        with resources.as_file(_shelf() / where) as folder:
            return Detector.load(folder, device=device, precision=precision)
    if where.endswith(JSON) and Path(where).is_file():
        where, before = read_detector_file(Path(where))
        told = {**before, **told}
    if where.endswith(ONNX):
        told = {**_beside(Path(where)), **told}
    return _load(where, check({**told, **options}, where), device, precision)


def reload(
    content: Mapping[str, Any],
    folder: Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
) -> Detector:
    """Loads the detector that the card of a defence names, and sees that it is still the same.

    Args:
        content: What `Source.record` wrote into the card.
        folder: Where the card stands.
        device: "auto", "cpu", "cuda".
        precision: In what a timm network computes.

    Raises:
        BadArtifactError: If it is not there any more, or has changed.
        BadConfigError: If code cannot be imported.
    """
    recorded = Recorded.read(content, folder)
    source = recorded.find(folder)
    detector = _load(source.where, source.options, device, precision)
    if detector.fingerprint() != recorded.fingerprint:
        raise BadArtifactError(
            f"the detector {source.where} has changed since the defence {folder} was saved",
            hint="bring the old one back, or train the defence again",
        )
    return detector


def is_detector(source: str | Path) -> bool:
    """Whether `load` would know what is meant, be it there or not."""
    where = str(source) if isinstance(source, Path) else split(source)[0]
    written = where.startswith(TIMM) or where.endswith(ONNX) or PATTERN.fullmatch(where) is not None
    return written or Path(where).exists() or (isinstance(source, str) and where in shipped())


def _load(where: str, options: Options, device: str, precision: Precision) -> Detector:
    if where.startswith(TIMM):
        return from_checkpoint(where, options, device=device, precision=precision)
    if where.endswith(ONNX):
        path = Path(where).resolve()
        return with_source(from_onnx(path, options, device=device), str(path), options)
    if not Path(where).exists() and PATTERN.fullmatch(where):
        return with_source(from_import(where, options, device=device), where, options)
    if not Path(where).exists():
        names = ", ".join(shipped()) or "none"
        raise BadArtifactError(
            f"there is no detector {where!r}: neither a folder, a file nor one that is shipped",
            hint=f"shipped: {names}; `demagnify train-detector` makes one; one of your own is "
            "FILE.onnx, timm:NAME@weights=FILE or package.module:function",
        )
    if Path(where).is_file():
        raise BadArtifactError(
            f"{where} is a file, and nothing says which network it belongs to",
            hint=f"write timm:NAME@weights={where}, or package.module:function for your own code",
        )
    options.allow((), f"the detector {where}, whose card says all,")
    return Detector.load(Path(where), device=device, precision=precision)


def _beside(path: Path) -> dict[str, object]:
    """The options in the JSON file beside an ONNX file."""
    beside = path.with_suffix(JSON)
    options = read_json(beside) if beside.is_file() else {}
    options.pop("detector", None)
    return options


def _shelf() -> Traversable:
    return resources.files("demagnify") / "weights" / "detectors"
