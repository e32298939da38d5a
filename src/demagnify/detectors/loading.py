"""New detectors, and detectors from wherever they are: one line names any of them.

    light                           weights that come with demagnify
    runs/detector                   a folder that `train_detector` or `Detector.save` wrote
    nets/mine.onnx                  an ONNX file
    nets/classifier                 a folder of Hugging Face's transformers, with config.json
    timm:xception@weights=mine.pth  a timm network with a checkpoint
    hub:owner/name                  a repository of the Hugging Face hub that `push_to_hub` wrote
    package.module:function         a Python function, module or class
    nets/mine.json                  a JSON file with any of these and its options

`@key=value` adds an option, as a YAML value: `mine.onnx@head=two-logit@fake_index=1`; see
`demagnify.detectors.source.Options`. A JSON file has the same keys; the one beside an ONNX file
(`mine.json` for `mine.onnx`) is read by itself.

Each kind has a `Loader`, in a file of its own under `demagnify.detectors.loaders` or in a plug-in.
`KIND:` before a line chooses it, as in `timm:` above; without it the line itself shows the kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from torch import nn

from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.registry import Registry
from demagnify.core.weights import read
from demagnify.detectors import backbones, pretrained
from demagnify.detectors.detector import Detector
from demagnify.detectors.preprocessing import Preprocessing
from demagnify.detectors.source import (
    Options,
    Recorded,
    Source,
    check,
    read_detector_file,
    split,
)

_IMAGENET: Final = "imagenet"


class Loader(ABC):
    """Loads one kind of detector; a new kind registers a subclass in `LOADERS`.

    Attributes:
        external: Whether the detector stays where it is when a defence is saved: the defence's
            card then says where. Otherwise its weights are saved with the defence.

    Example:
        A module, installed with the entry point `shelf = my_package.shelf:ShelfLoader` in the
        group `demagnify.detectors`, makes `shelf:name` a detector:

        >>> class ShelfLoader(Loader):
        ...     def load(self, source, options, *, device, precision):
        ...         network = download(source)
        ...         return wrap(network, name=source, threshold=options.threshold)
    """

    external: ClassVar[bool] = True

    def recognizes(self, source: str) -> bool:  # noqa: ARG002  for subclasses
        """Whether a line without a kind before it is one of this kind.

        At most one loader may recognize any line.
        """
        return False

    def beside(self, source: str) -> dict[str, object]:  # noqa: ARG002  for subclasses
        """Returns options from a file beside the source; options of the line win."""
        return {}

    @abstractmethod
    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:
        """Loads a detector, in evaluation mode.

        Args:
            source: The line without `KIND:` and options.
            options: Its options; `Options.allow` refuses those without effect.
            device: "auto", "cpu", "cuda".
            precision: Precision of its network; see `demagnify.core.devices`.
        """


LOADERS: Final = Registry[type[Loader]](
    "kind of detector",
    package="demagnify.detectors.loaders",
    group="demagnify.detectors",
    base=Loader,
)


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
        backbone: "light", "resnet50", or the name of any timm network; with ":5" its first five
            stages.
        weights: The weights to start from: None for random weights, "imagenet" for the published
            ones, or a .safetensors or .pth file. Weights for another number of classes lose
            their last layer.
        input_size: Side of its input in pixels; images of other sizes are resized as timm does it
            for this network, but not cropped: faces are crops already. None for timm's own size.
        device: "auto", "cpu", "cuda".
        precision: Precision of the network; see `demagnify.core.devices`.
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
    if weights == _IMAGENET:
        network = _with_imagenet(network, name, size, seed)
    elif weights is not None:
        pretrained.load_into(network, read(Path(weights)), Path(weights))
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


def _with_imagenet(network: nn.Module, name: str, size: int, seed: int) -> nn.Module:
    """Returns the network with ImageNet weights, which are those of the whole one."""
    whole, _, stages = name.partition(backbones.STAGES)
    if stages:
        network = backbones.build(whole, input_size=size, seed=seed)
    file = pretrained.imagenet_file(whole)
    pretrained.load_into(network, read(file), file)
    if stages:
        return backbones.first_stages(network, int(stages), name=whole, seed=seed)
    return network


def load_detector(
    source: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    **options: object,
) -> Detector:
    """Loads a detector, ready to classify.

    Args:
        source: A line as at the top of this module. The name of a shipped detector means the
            shipped one even where a folder is called so: write "./light", or give a `Path`, for
            that. The code of "package.module:name" is run.
        device: "auto", "cpu", "cuda".
        precision: Precision of a timm network; files and code have their own.
        options: The same options once more, as Python values; they win.

    Returns:
        The detector, on the device and in evaluation mode.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
        BadConfigError: If an option is unknown, or it is not known what the outputs mean.
        UnknownNameError: If timm has no such network.

    Example:
        >>> import torch
        >>> from demagnify.detectors import load_detector
        >>> detector = load_detector("light", device="cpu")
        >>> detector.logits(torch.zeros(2, 3, 224, 224, dtype=torch.uint8)).shape
        torch.Size([2])
    """
    where, given = _read(source)
    if where.endswith(".json") and Path(where).is_file():
        where, before = read_detector_file(Path(where))
        given = {**before, **given}
    loader, rest = _find(where)
    chosen = check({**loader.beside(rest), **given, **options}, where)
    return _load(where, chosen, device, precision)


def load_recorded(
    content: Mapping[str, Any],
    folder: Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
) -> Detector:
    """Loads the detector that the card of a defence names, and checks that it is the same."""
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
    """Whether a line names a detector, be it there or not."""
    where, _ = _read(source)
    return Path(where).exists() or _kind_of(where) is not None


def _read(source: str | Path) -> tuple[str, dict[str, object]]:
    """Takes the options off a line; a Path has none, and never means a shipped detector."""
    if isinstance(source, str):
        return split(source)
    return str(source) if len(source.parts) > 1 else f"./{source}", {}


def _kind_of(where: str) -> tuple[str, str] | None:
    """Returns the kind of a line, and the line without `KIND:`."""
    kind, colon, rest = where.partition(":")
    if colon and kind in LOADERS and not Path(where).exists():
        return kind, rest
    return next(((name, where) for name in LOADERS if LOADERS.get(name)().recognizes(where)), None)


def _find(where: str) -> tuple[Loader, str]:
    """Returns the loader of a line, and the line without `KIND:`."""
    found = _kind_of(where)
    if found:
        return LOADERS.get(found[0])(), found[1]
    if Path(where).is_file():
        raise BadArtifactError(
            f"{where} is a file, and nothing says which network it belongs to",
            hint=f"write timm:NAME@weights={where}, or package.module:function for your own code",
        )
    from demagnify.detectors.loaders.folder import shipped  # loaders import this module

    raise BadArtifactError(
        f"there is no detector {where!r}: neither a folder, a file nor one that is shipped",
        hint=f"shipped: {', '.join(shipped()) or 'none'}; `demagnify train-detector` makes one; "
        "one of your own is FILE.onnx, timm:NAME@weights=FILE or package.module:function",
    )


def _load(where: str, options: Options, device: str, precision: Precision) -> Detector:
    loader, rest = _find(where)
    detector = loader.load(rest, options, device=device, precision=precision)
    if loader.external:
        if Path(rest).exists():  # a file is found from any folder
            where = f"{where.removesuffix(rest)}{Path(rest).resolve()}"
        detector.source = Source(where=where, options=options)
    return detector
