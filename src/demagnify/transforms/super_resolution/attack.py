"""Adversarial magnification: shrink the face, rebuild it with a super-resolution network.

Coccomini, Caldelli, Amato, Falchi and Gennaro, "Adversarial Magnification to Deceive Deepfake
Detection through Super Resolution" (arXiv 2407.02670).

    srgan-x4                a published network
    nets/mine.pth           a file that a reader knows
    package.module:function a Python function or module
    srgan-x4@k2             shrinks by 2 before the network enlarges by 4
    srgan-x4@up-then-down   another variant of the attack
    srgan-x4@bgr-255        feeds the network as the published code did
"""

from __future__ import annotations

import math
import os
import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import torch

from demagnify.core import assets
from demagnify.core.devices import Precision, autocast, computes_in_bfloat16, pick_device
from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.core.specs import OPTION, Part
from demagnify.transforms.base import TRANSFORMS, Rngs, Transform
from demagnify.transforms.resampling import (
    area_resize,
    check_size,
    enlarge,
    shrink,
    to_float,
    to_uint8,
)

if TYPE_CHECKING:
    from demagnify.transforms.super_resolution.functions import Function
    from demagnify.transforms.super_resolution.network import Network

Variant = Literal["as-found", "fit-224", "up-then-down"]
"""In which order an attack resizes a face.

* as-found: shrink the face at its own size, rebuild it, back to its size;
* fit-224: resize it to 224x224 first, then the same, then back to its own size;
* up-then-down: enlarge it with the network first, then shrink it to its size.

In the published code of Coccomini et al. (arXiv 2407.02670) these are the modes 2 ("v3"), 0, and 1
("v2"), which takes faces of 224x224. The published modes save the face at the size that the network
gives, with width and height swapped where a crop is not square; here it gets its own size back.
"""

Feeding = Literal["rgb-1", "bgr-255"]
"""The network's input: RGB in [0, 1] as networks expect it, or the published code's BGR 0-255."""

VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
FEEDINGS: Final[tuple[Feeding, ...]] = get_args(Feeding)
FITTED_SIDE: Final = 224
"""Side to which "fit-224" resizes first: the input size of the published detectors."""
PIXELS_AT_ONCE: Final = 2**19
"""Pixels of the result that are computed in one call: ten faces of 224x224."""
FULL_SCALE: Final = 255.0

_SHRINK: Final = re.compile(r"k(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Geometry:
    """The options of an attack, as they follow its name in a spec.

    Attributes:
        shrink: By how much images are shrunk, 1 or more; None for the network's own scale.
        variant: In which order images are resized.
        feeding: The network's input.
    """

    shrink: float | None = None
    variant: Variant = "as-found"
    feeding: Feeding = "rgb-1"

    @classmethod
    def read(cls, part: Part) -> Geometry:
        """Reads the flags of a part: "k2", a variant, a feeding.

        Raises:
            BadConfigError: If a flag is unknown, contradicts another or is out of range.
        """
        given: dict[str, Any] = {}
        for flag in (*part.flags, *(f"{key}={value}" for key, value in part.options.items())):
            field, value = cls._field(flag, part.base)
            if field in given:
                raise BadConfigError(
                    f"{part.base}: the option {flag!r} contradicts or repeats another"
                )
            given[field] = value
        return cls(**given)

    @staticmethod
    def _field(flag: str, base: str) -> tuple[str, str | float]:
        if flag in VARIANTS:
            return "variant", flag
        if flag in FEEDINGS:
            return "feeding", flag
        match = _SHRINK.fullmatch(flag)
        if match is None:
            known = ", ".join(("k2", *VARIANTS, *FEEDINGS))
            raise BadConfigError(f"{base}: no option is called {flag!r}", hint=f"known: {known}")
        return "shrink", check_shrink(float(match[1]), f"{base}@{flag}")

    def __str__(self) -> str:
        """Returns the options as a spec has them, "@k2@up-then-down"; defaults are left out."""
        chosen = [] if self.shrink is None else [f"k{self.shrink:g}"]
        chosen += [] if self.variant == "as-found" else [self.variant]
        chosen += [] if self.feeding == "rgb-1" else [self.feeding]
        return "".join(f"{OPTION}{option}" for option in chosen)


def check_shrink(factor: float, name: str) -> float:
    """Returns `factor` if images can be shrunk by it.

    Raises:
        BadConfigError: If it is below 1 or not finite.
    """
    if not math.isfinite(factor) or factor < 1:
        raise BadConfigError(f"{name} cannot shrink by {factor:g}", hint="use 1 or more")
    return factor


class Magnification(Transform):
    """Shrinks images, enlarges them again, and gives them their own size back.

    Subclasses write `magnify`. Where the enlarged image has not the size of the original, because
    the sides are no multiples of the scale or because images are shrunk by another factor than
    they are enlarged by, it is resized with a bicubic kernel.

    Attributes:
        scale: By how much `magnify` enlarges.
        variant: In which order images are resized; see `Variant`.
    """

    uses = ("attack",)
    scale: float
    variant: Variant

    @property
    def factor(self) -> float:
        """By how much images are shrunk first, by area averaging."""
        return self.scale

    @abstractmethod
    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a uint8 batch (N, 3, H, W) to floats in [0, 1], sides `scale` times as long."""

    @property
    def geometry(self) -> str:
        """The part of the fingerprint about resizing; empty for the usual way."""
        factor = "" if self.factor == self.scale else f" k{self.factor:g}"
        return factor + ("" if self.variant == "as-found" else f" {self.variant}")

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the rebuilt images, computed in parts so that memory stays bounded."""
        if self.variant == "fit-224":
            height, width = images.shape[-2:]
            rebuilt = self._in_parts(_resize(images, FITTED_SIDE, FITTED_SIDE))
            return _resize(rebuilt, height, width)
        return self._in_parts(images)

    def _in_parts(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        grows = self.scale if self.variant == "up-then-down" else self.scale / self.factor
        if self.variant != "up-then-down":
            check_size(images, self.factor)
        part = max(1, int(PIXELS_AT_ONCE // (height * width * grows**2)))
        return torch.cat([self._rebuild(batch) for batch in torch.split(images, part)])

    def _rebuild(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        if self.variant == "up-then-down":
            rebuilt = area_resize(self.magnify(images), height, width)
        else:
            rebuilt = enlarge(self.magnify(shrink(images, self.factor)), height, width)
        return to_uint8(rebuilt).contiguous().to(images.device)


class SuperResolution(Magnification):
    """Shrinks each image by area averaging, enlarges it with a network, rounds to 8 bits.

    Args:
        load: Returns the network, on the CPU; called at the first use.
        scale: The network's scale.
        label: The name of the network in tables, without options.
        identity: Text that tells the weights from others, such as their SHA-256.
        options: How images are resized and fed.
        bfloat16: Whether the network may compute in bfloat16.
        device: Where the network computes: "auto", "cpu", "cuda".
        precision: "float32"; "bfloat16" is up to five times as fast on processors that have it,
            and moves pixels by 0.5 to 0.7 grey levels (root mean square); "auto" is bfloat16 where
            both the processor and the network allow it.

    Raises:
        BadConfigError: If the device does not exist, the network has no such precision, or the
            options contradict the network.
    """

    family = "super-resolution"

    def __init__(
        self,
        load: Callable[[], Network],
        *,
        scale: int,
        label: str,
        identity: str,
        options: Geometry | None = None,
        bfloat16: bool = True,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        options = options or Geometry()
        if options.shrink == scale:
            options = replace(options, shrink=None)
        if options.variant == "up-then-down" and options.shrink is not None:
            raise BadConfigError(
                f"{label}{options}: up-then-down enlarges by the network's scale and shrinks back "
                "by the same",
                hint=f"leave the scale out, or give {scale}",
            )
        self.scale = scale
        self.options = options
        self.variant = options.variant
        self.device = pick_device(device)
        self.precision = _allowed(precision, label, self.device, bfloat16=bfloat16)
        self._name = f"{label}{options}"
        self._load = load
        self._identity = identity

    @classmethod
    def from_asset(
        cls,
        part: Part,
        asset: str,
        reader: str,
        scale: int,
        *,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> Self:
        """Makes the attack with a published network, which is fetched at its first use.

        Raises:
            BadConfigError: If the part's options cannot be read.
        """
        from demagnify.transforms.super_resolution.readers import READERS

        return cls(
            lambda: (
                READERS.get(reader).read(assets.fetch(asset), scale=scale, device="cpu").network
            ),
            scale=scale,
            label=part.base,
            identity=f"{part.base} {assets.digest(asset)}",
            options=Geometry.read(part),
            device=device,
            precision=precision,
        )

    @classmethod
    def from_file(
        cls, part: Part, *, device: str = "auto", precision: Precision = "float32"
    ) -> Self:
        """Makes the attack with the network in a user's file.

        Raises:
            BadArtifactError: If no reader knows the file.
        """
        from demagnify.transforms.super_resolution.readers import READERS, reader_of

        path = Path(part.base)
        reader = reader_of(path) or READERS.get("spandrel")
        loaded = reader.read(path, scale=None, device=device)
        network = loaded.network
        return cls(
            lambda: network,
            scale=network.scale,
            label=path.stem,
            identity=f"file {' '.join(sha256(file) for file in loaded.files)}",
            options=Geometry.read(part),
            bfloat16=network.bfloat16,
            device=device,
            precision=precision,
        )

    @classmethod
    def from_function(
        cls,
        part: Part,
        found: Any,  # noqa: ANN401  what a user imports
        *,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> Self:
        """Makes the attack with an imported function, module or maker of one."""
        from demagnify.transforms.super_resolution import functions

        network, identity = functions.probe(found, part.base)
        return cls(
            lambda: network,
            scale=network.scale,
            label=part.base,
            identity=identity,
            options=Geometry.read(part),
            device=device,
            precision=precision,
        )

    @property
    def name(self) -> str:
        """The network's label with the options that are not the defaults."""
        return self._name

    @property
    def spec(self) -> str:
        """The name."""
        return self._name

    @property
    def factor(self) -> float:
        """By how much images are shrunk first."""
        return self.scale if self.options.shrink is None else self.options.shrink

    @cached_property
    def network(self) -> Network:
        """The network, loaded and moved to the device when it is first asked for.

        Raises:
            BadConfigError: If it cannot be fed as asked for.
        """
        network = replace(self._load(), name=self.name)
        if self.options.feeding == "bgr-255":
            if not network.any_range:
                raise BadConfigError(f"the network of {self.name} takes values in 0-1 only")
            network = replace(network, module=network.unclipped or network.module)
        network.module.to(self.device)
        if network.channels_last:
            network.module.to(memory_format=torch.channels_last)
        return network

    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a uint8 batch (N, 3, H, W) with the network."""
        from demagnify.transforms.super_resolution.network import enlarge_in_tiles

        fed = to_float(images.to(self.device))
        swapped = self.options.feeding == "bgr-255"
        if swapped:
            fed = fed.flip(1) * FULL_SCALE
        with torch.inference_mode(), autocast(self.device, self.precision):
            enlarged = enlarge_in_tiles(self.network, fed)
        enlarged = enlarged.float()
        return enlarged.flip(1) / FULL_SCALE if swapped else enlarged

    def fingerprint(self) -> str:
        """Returns the version of the procedure, its settings, the weights and the precision."""
        feeding = "" if self.options.feeding == "rgb-1" else f" {self.options.feeding}"
        return (
            f"super-resolution v1 x{self.scale:g} {self._identity} {self.precision}"
            f"{self.geometry}{feeding}"
        )

    def __repr__(self) -> str:
        return f"SuperResolution({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SuperResolution) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())


def from_callable(
    function: Function,
    scale: int,
    name: str,
    *,
    device: str = "auto",
    precision: Precision = "float32",
) -> SuperResolution:
    """Makes an attack of any Python function or module that enlarges images.

    Args:
        function: Maps float32 RGB in [0, 1], shape (N, 3, H, W), to (N, 3, scale*H, scale*W);
            a `torch.nn.Module` is moved to the device and set to evaluation.
        scale: By how much it enlarges; 1 if it restores images without enlarging them.
        name: The name of the attack. Results are cached under it: choose another name when the
            function changes.
        device: Where it computes.
        precision: See `SuperResolution`.

    Raises:
        BadConfigError: If the scale is no whole number from 1, or the device does not exist.
    """
    from demagnify.transforms.super_resolution import functions

    network = functions.wrap(function, scale, name)
    return SuperResolution(
        lambda: network,
        scale=scale,
        label=name,
        identity=f"callable {name}",
        device=device,
        precision=precision,
    )


def create_attack(
    spec: str | Path,
    *,
    scale: float | None = None,
    variant: Variant | None = None,
    device: str = "auto",
    precision: Precision = "float32",
) -> Transform:
    """Makes an attack, its scale and variant given apart; see `demagnify.transforms.create`.

    Args:
        spec: See `create`.
        scale: By how much images are shrunk; None takes the network's own scale. With a family's
            name it chooses the network: "dat-light" and 3 make "dat-light-x3".
        variant: In which order images are resized; None for that of `spec`, else "as-found".
        device: Where networks compute.
        precision: In what networks compute.

    Raises:
        BadConfigError: If scale or variant is given for a chain, or contradicts the spec.
    """
    from demagnify.core import specs
    from demagnify.transforms.base import _make, _parse, create

    if scale is None and variant is None:
        return create(spec, device=device, precision=precision)
    parts = _parse(spec)
    if len(parts) > 1:
        raise BadConfigError(
            f"{spec} is a chain, which has no scale or variant of its own",
            hint=f"say it where it belongs, like {parts[0].base}@k2@up-then-down",
        )
    part = parts[0]
    options = Geometry.read(part)
    if variant is not None:
        if variant not in VARIANTS:
            raise BadConfigError(
                f"no variant is called {variant!r}", hint=f"known: {', '.join(VARIANTS)}"
            )
        if options.variant not in (variant, "as-found"):
            raise BadConfigError(
                f"{spec} says another variant than {variant}", hint="give one of them"
            )
        options = replace(options, variant=variant)
    if scale is not None:
        check_shrink(scale, part.base)
        family = f"{part.base}-x{scale:g}"
        named = specs.family_of(TRANSFORMS, part.base) in TRANSFORMS and part.base != "bicubic"
        if not named and specs.family_of(TRANSFORMS, family) in TRANSFORMS:
            part = replace(part, base=family)
        elif options.shrink not in (None, scale):
            raise BadConfigError(
                f"{spec} says another scale than {scale:g}", hint="give one of them"
            )
        else:
            options = replace(options, shrink=scale)
    flags = tuple(str(options).split(OPTION)[1:])
    return _make(Part(part.base, flags), device=device, precision=precision)


def is_file(base: str) -> bool:
    """Returns whether a spec's part names a file: by its separators, its suffix or by existing."""
    if "/" in base or "\\" in base or os.path.exists(base):  # noqa: PTH110  raises if too long
        return True
    if not Path(base).suffix:
        return False
    from demagnify.transforms.super_resolution.readers import reader_of

    return reader_of(Path(base)) is not None


def _resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes a uint8 batch to (N, 3, height, width) with Pillow's antialiased bicubic kernel."""
    return to_uint8(enlarge(to_float(images), height, width))


def _allowed(precision: Precision, name: str, device: torch.device, *, bfloat16: bool) -> Precision:
    """Returns "float32" or "bfloat16", whichever `precision` means here."""
    half = computes_in_bfloat16(device, precision)
    if half and not bfloat16:
        if precision == "bfloat16":
            raise BadConfigError(
                f"the network of {name} does not compute in bfloat16", hint="use float32 or auto"
            )
        return "float32"
    return "bfloat16" if half else "float32"
