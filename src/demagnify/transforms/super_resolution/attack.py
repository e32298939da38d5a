"""Adversarial magnification: shrink the face, rebuild it with a super-resolution network.

Coccomini, Caldelli, Amato, Falchi and Gennaro, "Adversarial Magnification to Deceive Deepfake
Detection through Super Resolution" (arXiv 2407.02670). The network is a published one by name
(`srgan-x4`), a file of a known format (`nets/mine.pth`), or a Python function or module
(`package.module:function`). `magnification` lists the options that may follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from demagnify.core import assets
from demagnify.core.devices import Precision, autocast, computes_in_bfloat16, pick_device
from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.core.specs import OPTION, Part, family_of
from demagnify.transforms.base import TRANSFORMS, Transform, create, make, parse
from demagnify.transforms.resampling import to_float
from demagnify.transforms.super_resolution.magnification import (
    VARIANTS,
    Geometry,
    Magnification,
    Variant,
    check_shrink,
)

if TYPE_CHECKING:
    from demagnify.transforms.super_resolution.functions import Function
    from demagnify.transforms.super_resolution.network import Network

FULL_SCALE: Final = 255.0


class SuperResolution(Magnification):
    """Shrinks each image by area averaging, enlarges it with a network, rounds to 8 bits.

    Args:
        load: Returns the network, on the CPU; called at the first use.
        scale: The network's scale.
        label: The name of the network in tables, without options.
        identity: Text that differs with the weights, such as their SHA-256.
        options: How images are resized and fed.
        bfloat16: Whether the network may compute in bfloat16.
        device: Where the network computes: "auto", "cpu", "cuda".
        precision: "float32"; "bfloat16" is up to five times as fast on processors that have it,
            and moves pixels by 0.5 to 0.7 grey levels (root mean square); "auto" is bfloat16 where
            both the processor and the network allow it.

    Raises:
        BadConfigError: If the device does not exist, the network has no such precision, or the
            options contradict the network.

    Example:
        >>> from demagnify.transforms import create
        >>> create("srgan-x4@k2", device="cpu")
        SuperResolution('srgan-x4@k2')
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
            BadArtifactError: If the file is damaged or of no known format.
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
        scale: The factor of the enlargement; 1 for a network that restores only.
        name: The name of the attack. Results are cached under it: choose another name when the
            function changes.
        device: Where it computes.
        precision: See `SuperResolution`.

    Returns:
        An attack: it shrinks faces by the scale and enlarges them with the function.

    Raises:
        BadConfigError: If the scale is no whole number from 1, or the device does not exist.

    Shape:
        The attack maps uint8 RGB (N, 3, H, W) to the same shape.

    Example:
        >>> import torch
        >>> double = torch.nn.Upsample(scale_factor=2)
        >>> attack = from_callable(double, 2, "nearest", device="cpu")
        >>> attack(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([1, 3, 32, 32])

    Source:
        Coccomini, Caldelli, Amato, Falchi, Gennaro: Adversarial Magnification to Deceive Deepfake
        Detection through Super Resolution, arXiv 2407.02670.
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
        scale: The factor of shrinking; None takes the network's own scale. With a family's name it
            chooses the network: "dat-light" and 3 make "dat-light-x3".
        variant: In which order images are resized; None for that of `spec`, else "as-found".
        device: Where networks compute.
        precision: In what networks compute.

    Raises:
        BadConfigError: If scale or variant is given for a chain, or contradicts the spec.

    Example:
        >>> create_attack("dat-light", scale=3, variant="fit-224", device="cpu").name
        'dat-light-x3@fit-224'
    """
    if scale is None and variant is None:
        return create(spec, device=device, precision=precision)
    parts = parse(spec)
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
    base = part.base
    if scale is not None:
        check_shrink(scale, base)
        family = f"{base}-x{scale:g}"
        if _names_a_family(base) and family_of(TRANSFORMS, family) in TRANSFORMS:
            base = family
        elif options.shrink in (None, scale):
            options = replace(options, shrink=scale)
        else:
            raise BadConfigError(
                f"{spec} says another scale than {scale:g}", hint="give one of them"
            )
    flags = tuple(str(options).split(OPTION)[1:])
    return make(Part(base, flags), device=device, precision=precision)


def _names_a_family(base: str) -> bool:
    """Whether the scale is yet to choose the network: "dat-light", but not "dat-light-x2"."""
    return base == "bicubic" or family_of(TRANSFORMS, base) not in TRANSFORMS


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
