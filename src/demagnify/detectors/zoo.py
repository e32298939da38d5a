"""Detectors by name: new ones from timm, trained ones from a folder or from this package."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from demagnify.detectors import backbones, pretrained
from demagnify.detectors.detector import Detector
from demagnify.devices import Precision, pick_device
from demagnify.errors import BadArtifactError, BadConfigError

IMAGENET: Final = "imagenet"


def create(
    backbone: str,
    *,
    weights: str | Path | None = None,
    input_size: int = 224,
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
        input_size: Side of its input in pixels; images of other sizes are resized.
        device: "auto", "cpu", "cuda".
        precision: In what it computes; see `demagnify.devices`.
        seed: Of the random weights.

    Raises:
        UnknownNameError: If timm has no such network.
        AssetError: If ImageNet weights are neither in a cache nor within reach.
        BadArtifactError: If the weights file does not fit the network.
        BadConfigError: If the network cannot have this input size.

    Example:
        >>> detector = create("mobilenetv3_small_050", input_size=96, device="cpu")
        >>> detector.logits(torch.zeros(2, 3, 96, 96, dtype=torch.uint8)).shape
        torch.Size([2])
    """
    if input_size < 1:
        raise BadConfigError(f"input_size is a number of pixels, not {input_size}")
    target = pick_device(device)
    name = backbones.timm_name(backbone)
    network = backbones.build(name, input_size=input_size, seed=seed)
    if weights is not None:
        file = pretrained.imagenet_file(name) if weights == IMAGENET else Path(weights)
        pretrained.load_into(network, pretrained.read_file(file), file)
    scaling = backbones.scaling(name)
    detector = Detector(
        network,
        name=backbone,
        backbone=name,
        input_size=input_size,
        mean=scaling.mean,
        std=scaling.std,
        precision=precision,
    )
    return detector.to(target).eval()


def shipped() -> list[str]:
    """Returns the names of the trained detectors that come with this package."""
    return sorted(entry.name for entry in _shelf().iterdir()) if _shelf().is_dir() else []


def load(source: str | Path, *, device: str = "auto", precision: Precision = "auto") -> Detector:
    """Loads a trained detector, ready to judge.

    Args:
        source: A folder that `train_detector` or `Detector.save` wrote, or a name of `shipped()`.
            Such a name means the shipped one even where a folder is called so: say "./light".
        device: "auto", "cpu", "cuda".
        precision: In what it computes; see `demagnify.devices`.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
    """
    if str(source) in shipped() and not isinstance(source, Path):
        with resources.as_file(_shelf() / str(source)) as folder:
            return Detector.load(folder, device=device, precision=precision)
    folder = Path(source)
    if not folder.exists():
        names = ", ".join(shipped()) or "none"
        raise BadArtifactError(
            f"there is no detector {str(source)!r}: neither a folder nor one that is shipped",
            hint=f"shipped: {names}; `demagnify train-detector` makes one",
        )
    return Detector.load(folder, device=device, precision=precision)


def _shelf() -> Traversable:
    return resources.files("demagnify") / "weights" / "detectors"
