"""The detector contract: image batch in, one logit per image out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import Field, ValidationError
from torch import nn

from demagnify.core import artifacts, progress
from demagnify.core.devices import Precision, autocast, computes_in_bfloat16, pick_device
from demagnify.core.errors import BadArtifactError, BadConfigError, first_finding
from demagnify.core.files import write_text
from demagnify.core.images import check_batch
from demagnify.core.settings import Frozen
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import backbones
from demagnify.detectors.depthwise import fast_gradients
from demagnify.detectors.heads import Head
from demagnify.detectors.hub import HubMixin
from demagnify.detectors.preprocessing import MOST_PIXELS, CropMode, Interpolation, Resizing
from demagnify.detectors.pretrained import check_fit
from demagnify.detectors.source import Source

KIND: Final = "detector"


class About(Frozen):
    """The part of a card from which a detector is built again."""

    name: str = Field(description="Its name in tables")
    backbone: str = Field(description="timm's name of the network")
    input_size: int = Field(ge=0, le=MOST_PIXELS, description="Side of its input in pixels")
    mean: tuple[float, float, float] = Field(description="Mean per channel in [0, 1]")
    std: tuple[float, float, float] = Field(description="Spread per channel in [0, 1]")
    threshold: float = Field(allow_inf_nan=False, description="A logit above it means fake")
    interpolation: Interpolation = Field(default="bicubic", description="How images are resized")
    crop_pct: float = Field(default=1.0, gt=0, le=1, description="Share of a side that is kept")
    crop_mode: CropMode = Field(default="squash", description="Whether proportions may change")
    head: Head = Field(default=Head(), description="The meaning of the network's outputs")


class Detector(nn.Module, HubMixin):
    """A network with everything that belongs to it: size, scaling, precision and threshold.

    Args:
        network: A timm network with as many outputs as its head has; it gets float images
            (N, 3, S, S), scaled by `mean` and `std`.
        name: Its name in tables.
        backbone: timm's name of the network, from which `Detector.load` builds it again; empty if
            it is none of timm's.
        input_size: Side S in pixels to which images are resized.
        mean: Mean per channel in [0, 1], taken off.
        std: Spread per channel in [0, 1], divided by.
        threshold: A logit above it means fake.
        precision: Precision of the network; see `demagnify.core.devices`.
        interpolation: How images of another size are resized.
        crop_pct: The share of a resized side that the network gets; see `Resizing`.
        crop_mode: Whether resizing may change proportions; see `Resizing`.
        head: The meaning of the network's outputs; one logit if None.

    Attributes:
        card: How it was made and how well it does; empty until it was trained or loaded.
        source: Where `load_detector` found it, if `save` cannot write it.

    Shape:
        uint8 RGB (N, 3, H, W), 0-255, or float RGB in [0, 1], of any size and on any device, to
        float32 (N,) on the detector's device. Images of another size are resized with
        antialiasing, as `images.fit` does. Floats of k / 255 give the logits of the uint8 image
        k.

    Example:
        >>> import torch
        >>> from demagnify.detectors import create
        >>> detector = create("test_resnet", input_size=32, device="cpu")
        >>> images = torch.rand(2, 3, 32, 32, requires_grad=True)
        >>> logits = detector(images)
        >>> logits.shape
        torch.Size([2])
        >>> logits.sum().backward()
        >>> images.grad.shape
        torch.Size([2, 3, 32, 32])
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        backbone: str,
        input_size: int,
        mean: backbones.Triple,
        std: backbones.Triple,
        threshold: float = 0.0,
        precision: Precision = "auto",
        interpolation: Interpolation = "bicubic",
        crop_pct: float = 1.0,
        crop_mode: CropMode = "squash",
        head: Head | None = None,
    ) -> None:
        super().__init__()
        # A user's network may depend on the memory layout, as `view` does; timm's do not.
        self.network = network.to(memory_format=torch.channels_last) if backbone else network
        self.name = name
        self.backbone = backbone
        self.input_size = input_size
        self.threshold = threshold
        self.precision: Precision = precision
        self.head = head or Head()
        self.resizing = Resizing(
            size=(input_size, input_size) if input_size else None,
            interpolation=interpolation,
            crop_pct=crop_pct,
            crop_mode=crop_mode,
        )
        self.card: dict[str, Any] = {}
        self.source: Source | None = None
        for key, values in (("mean", mean), ("std", std)):
            self.register_buffer(key, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device | None:
        """Where its weights are; None if it has none."""
        for tensor in self.network.parameters():
            return tensor.device
        return None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns one logit per image, float32 (N,), with gradients to weights and float images.

        Args:
            images: uint8 RGB (N, 3, H, W), 0-255, or float RGB in [0, 1].

        Raises:
            ImageContractError: If `images` is not an image batch, or floats are not in [0, 1].
        """
        check_batch(images, floats=True)
        device = self.device or images.device
        if len(images) == 0:
            return torch.empty(0, device=device)
        return self.head.logits(self.score(images.to(device)), len(images), self.name)

    def score(self, images: torch.Tensor) -> torch.Tensor:
        """Prepares a checked batch on the detector's device and runs the network.

        Returns:
            The network's outputs, which the head turns into logits.
        """
        network: Any = self.network
        batch = self.prepare(images)
        with autocast(batch.device, self.precision), fast_gradients(batch.device, self.precision):
            features: torch.Tensor = network.forward_features(batch)
        # The last layer in float32: bfloat16 knows too few logits to rank images by them.
        logits: torch.Tensor = network.forward_head(features.float())
        return logits

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the batch as the network wants it: resized, scaled, float32, channels last."""
        return self.resizing.resize(images).div_(255).sub_(self.mean).div_(self.std)

    def logits(self, images: torch.Tensor | FaceDataset, *, batch_size: int = 32) -> torch.Tensor:
        """Returns the logits of any number of images without gradients, float32 (N,) on the CPU.

        Args:
            images: An image batch as `forward` takes it, or faces, for which progress is shown.
            batch_size: How many the network sees at once; changes nothing but speed and memory.

        Raises:
            ImageContractError: If `images` is not an image batch.
            BadConfigError: If a logit is not a finite number.
        """
        return check_finite(batched_logits(self, images, batch_size=batch_size), self.name)

    def fingerprint(self) -> str:
        """Returns a SHA-256 over everything that its logits depend on, without the threshold."""
        digest = hashlib.sha256()
        device = self.device or torch.device("cpu")
        # What was added to cards later is left out where it has no effect: old tables stay good.
        settings = self.about().model_dump_json(
            exclude={"name", "threshold"}, exclude_defaults=True
        )
        precise = not computes_in_bfloat16(device, self.precision)
        digest.update(f"{settings} {precise}".encode())
        artifacts.update_digest(digest, self.network.state_dict())
        return digest.hexdigest()

    @property
    def trainable(self) -> bool:
        """Whether it can be trained here: its weights are a network's."""
        return bool(self.backbone)

    def restored(self, folder: Path) -> Detector:
        """Returns a copy of it with the weights, the threshold and the card that `save` wrote.

        Raises:
            BadArtifactError: If the folder holds no detector, or one of another network.
        """
        return self.load(folder, device=str(self.device or "cpu"), precision=self.precision)

    def save(self, folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
        """Writes the detector as an artifact; see `demagnify.core.artifacts`.

        Args:
            folder: The folder to write; an old one is replaced.
            card: How it was made and how well it does.
            half: Whether to store matrices and filters as float16, at half the size. Vectors,
                such as BatchNorm's statistics, stay float32: they may leave float16's range.

        Raises:
            BadOutputError: If the place cannot be written to.
        """
        tensors = self.network.state_dict()
        if half:
            tensors = {k: v.half() if v.ndim > 1 else v for k, v in tensors.items()}
        artifacts.save(folder, KIND, tensors, {**card, "detector": self.about().model_dump()})

    def published_card(self) -> dict[str, Any]:
        """Returns the card with what `load` needs."""
        return {**self.card, "detector": self.about().model_dump()}

    def publish(self, folder: Path) -> None:
        """Writes a folder for the Hugging Face hub; see `demagnify.detectors.hub`.

        Raises:
            BadConfigError: If the network is none of timm's, so that nobody could make it again.
        """
        if not self.backbone:
            raise BadConfigError(
                f"the detector {self.name!r} is a network or code of your own",
                hint="the hub gets detectors that train-detector or harden made of timm's networks",
            )
        artifacts.save(
            folder,
            KIND,
            self.network.state_dict(),
            self.published_card(),
            weights_name=artifacts.HUB_WEIGHTS,
        )
        if not backbones.made_by_timm(self.backbone):
            return
        config = backbones.published_config(
            self.backbone,
            self.network,
            input_size=self.input_size,
            mean=self.mean.flatten().tolist(),
            std=self.std.flatten().tolist(),
            **self.resizing.model_dump(exclude={"size"}),
        )
        write_text(folder / backbones.CONFIG, json.dumps(config, indent=2) + "\n")

    @classmethod
    def read_published(cls, folder: Path, *, device: str, precision: Precision) -> Detector:
        """Reads what `publish` or `save` wrote."""
        return cls.load(folder, device=device, precision=precision)

    def about(self) -> About:
        """Returns everything but the weights that `load` needs to build the detector again."""
        return About(
            name=self.name,
            backbone=self.backbone,
            input_size=self.input_size,
            mean=self.mean.flatten().tolist(),
            std=self.std.flatten().tolist(),
            threshold=self.threshold,
            **self.resizing.model_dump(exclude={"size"}),
            head=self.head,
        )

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", precision: Precision = "auto") -> Detector:
        """Reads a detector as `save` wrote it, in float32, in evaluation mode.

        Raises:
            BadArtifactError: If it is missing, damaged, no detector, or of an unknown backbone.
        """
        artifact = artifacts.load(folder, KIND)
        try:
            about = About.model_validate(artifact.card.get("detector"))
        except ValidationError as error:
            raise BadArtifactError(
                f"{folder / artifacts.CARD}: {first_finding(error, inside='detector')}",
                hint="use the demagnify that wrote it, or train again",
            ) from error
        name = backbones.timm_name(about.backbone)
        network = backbones.build(name, input_size=about.input_size, outputs=about.head.outputs)
        tensors = {
            k: v.float() if v.is_floating_point() else v for k, v in artifact.tensors.items()
        }
        check_fit(network.state_dict(), tensors, folder)
        network.load_state_dict(tensors)
        detector = cls(network, **dict(about), precision=precision)
        detector.card = artifact.card
        return detector.to(pick_device(device)).eval()


class TwoLogits(nn.Module):
    """A detector with two logits per image, (real, fake), as attack libraries expect them.

    The larger logit is the verdict: fake wins exactly where the detector's logit is above its
    threshold. The difference of both is the distance to the threshold.

    Args:
        detector: A detector or a defended detector.

    Shape:
        An image batch as `Detector.forward` takes it, to float32 (N, 2).

    Example:
        >>> import torch
        >>> from demagnify.detectors import TwoLogits, create
        >>> model = TwoLogits(create("test_resnet", input_size=32, device="cpu")).eval()
        >>> model(torch.rand(4, 3, 32, 32)).shape
        torch.Size([4, 2])

        foolbox attacks `foolbox.PyTorchModel(model, bounds=(0, 1))`.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector: Any = detector

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns (real, fake) logits, float32 (N, 2), with gradients to float images."""
        margin: torch.Tensor = self.detector(images) - self.detector.threshold
        return torch.stack([torch.zeros_like(margin), margin], dim=1)


def batched_logits(
    detector: nn.Module, images: torch.Tensor | FaceDataset, *, batch_size: int = 32
) -> torch.Tensor:
    """Runs any detector over many images in evaluation mode; see `Detector.logits`."""
    parts = [torch.empty(0)]
    with _evaluating(detector), torch.inference_mode():
        if isinstance(images, torch.Tensor):
            check_batch(images, floats=True)
            parts += [detector(part).cpu() for part in torch.split(images, batch_size)]
        else:
            with progress.bar("classifying faces", len(images)) as advance:
                for indices, part in images.batches(batch_size):
                    parts.append(detector(part).cpu())
                    advance(len(indices))
    # Put together outside of inference mode, so that the result is an ordinary tensor.
    return torch.cat(parts)


def check_finite(logits: torch.Tensor, name: str) -> torch.Tensor:
    """Returns `logits` if all are finite numbers."""
    bad = int((~logits.isfinite()).sum())
    if bad:
        raise BadConfigError(
            f"the detector {name!r} gave {bad} of {logits.numel()} logits that are no finite "
            "number",
            hint="check its weights and preprocessing, or compute in float32",
        )
    return logits


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a module into evaluation mode, and back into the mode it was in."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
