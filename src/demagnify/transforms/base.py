"""The contract of every image-to-image operation: attack, correction or degradation.

`create` makes a transform from one line, its spec. `TRANSFORMS` holds what can be named; see
`demagnify.core.registry` for the ways to add one.
"""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, final

import numpy as np
import torch

from demagnify.core import specs
from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.core.images import check_batch
from demagnify.core.registry import Registry
from demagnify.core.rng import generator
from demagnify.core.specs import JOIN, Named, Part

if TYPE_CHECKING:
    from demagnify.core.devices import Precision

IDENTITY: Final = "identity"
"""The transform that changes nothing."""

TRANSFORMS: Final[Registry[Any]] = Registry(
    "transform", package="demagnify.transforms", group="demagnify.transforms"
)
"""Transform classes by family, and makers with the same `from_part`: published networks."""

Rngs = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Transform(Named, ABC):
    """Maps an image batch to an image batch of the same shape.

    Subclasses are frozen dataclasses; their fields are their settings, all with defaults. They
    write `apply(images)`, or `apply(images, rngs)` if they are random, and check nothing. The same
    image must give the same result in any batch.

    Attributes:
        uses: Its uses, "attack", "correction" or "degradation", for lists.
        random: Whether settings are drawn for each image; then `apply` takes generators, too.
        differentiable: Whether `apply` also takes float RGB in [0, 1] and passes gradients.
        version: Raised when the pixels change, so that cached results are not used again.

    Example:
        >>> import torch
        >>> from demagnify.transforms import create
        >>> flip = create("flip")
        >>> images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
        >>> bool((flip(images) == images.flip(-1)).all())
        True
    """

    uses: ClassVar[tuple[str, ...]] = ("correction",)
    random: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False
    version: ClassVar[int] = 1

    @property
    def is_identity(self) -> bool:
        """Whether pixels stay as they are, so that a detector's logit is known already."""
        return False

    @classmethod
    def from_part(
        cls, part: Part, *, device: str = "auto", precision: Precision = "float32"
    ) -> Self:
        """Makes the transform from its part of a spec: values after `-`, settings after `@`.

        Args:
            part: What stands between two `+` of a spec.
            device: Where a network computes; other transforms compute where the images are.
            precision: In what a network computes.

        Raises:
            BadConfigError: If a setting is unknown or out of its range, or a flag is given.
        """
        del device, precision
        if part.flags:
            raise BadConfigError(
                f"{part.base} has no option {part.flags[0]!r}",
                hint=f"leave {specs.OPTION}{part.flags[0]} out",
            )
        return specs.make_from(cls, part.base, part.options)

    @final
    def __call__(self, images: torch.Tensor, *, rngs: Rngs | None = None) -> torch.Tensor:
        """Transforms a batch.

        Args:
            images: Image batch; it is not changed.
            rngs: A generator per image for a random transform. By default each image's own
                pixels seed it, so that an image has one result.

        Shape:
            uint8 RGB (N, 3, H, W), 0-255, to the same, on the same device; N may be 0.

        Raises:
            ImageContractError: If `images` is no image batch, is too small for this transform, or
                `apply` broke the contract.
        """
        check_batch(images)
        if not len(images):
            return images.clone()
        result = self.apply(images, self._rngs(images, rngs)) if self.random else self.apply(images)
        check_batch(result, name=f"the result of {self.name}")
        if result.shape != images.shape:
            raise ImageContractError(
                f"the transform {self.name!r} turned {tuple(images.shape)} into "
                f"{tuple(result.shape)}",
                hint="a transform keeps the shape",
            )
        return result.to(images.device)

    @abstractmethod
    def apply(self, images: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ANN401
        """Returns the transformed copy of a checked batch of at least one image.

        Args:
            images: Image batch; not to be changed.
            *args: For random transforms alone, `rngs`: a generator for each image.
            **kwargs: None; subclasses declare `apply(images)` or `apply(images, rngs)`.
        """

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the same transform without rounding, with gradients.

        Shape:
            float RGB (N, 3, H, W) in [0, 1] to the same.

        Raises:
            NotImplementedError: If the transform is not `differentiable`.
        """
        if not self.differentiable:
            raise NotImplementedError(f"{self.name} has no gradients")
        return self.apply(images)

    def fingerprint(self) -> str:
        """Returns a text that differs when the transform would give other pixels.

        Results are cached under it. The device is left out: it moves a pixel by a level at most.
        """
        return f"{self.spec} v{self.version}"

    def _rngs(self, images: torch.Tensor, rngs: Rngs | None) -> Rngs:
        if rngs is None:
            return [generator(0, "transform", number) for number in content_numbers(images)]
        if len(rngs) != len(images):
            raise ValueError(f"{len(images)} images need as many generators, not {len(rngs)}")
        return rngs


@TRANSFORMS.register(IDENTITY)
@dataclass(frozen=True)
class Identity(Transform):
    """Leaves every image as it is."""

    family = IDENTITY
    uses = ("correction", "attack")
    differentiable = True

    @property
    def is_identity(self) -> bool:
        """Always."""
        return True

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns `images` itself."""
        return images


@dataclass(frozen=True)
class Chain(Transform):
    """Several transforms, one after the other: "down-up+jpeg-50".

    Between two of them the images are 8-bit images of their own size.

    Attributes:
        steps: The transforms in their order, at least one.
    """

    family = "chain"
    steps: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        if not self.steps:
            raise BadConfigError("a chain needs at least one transform")

    @property
    def name(self) -> str:
        """The names of the steps, joined by "+"."""
        return JOIN.join(step.name for step in self.steps)

    @property
    def spec(self) -> str:
        """The specs of the steps, joined by "+"."""
        return JOIN.join(step.spec for step in self.steps)

    @property
    def is_identity(self) -> bool:
        """Whether every step is the identity."""
        return all(step.is_identity for step in self.steps)

    @property
    def random(self) -> bool:  # type: ignore[override]  # of a chain its steps decide
        """Whether a step draws its settings."""
        return any(step.random for step in self.steps)

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether all steps have gradients."""
        return all(step.differentiable for step in self.steps)

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:
        """Returns the images after the last step."""
        for step in self.steps:
            images = step(images, rngs=(rngs or None) if step.random else None)
        return images

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images after the last step, with gradients."""
        for step in self.steps:
            images = step.apply_float(images)
        return images

    def fingerprint(self) -> str:
        """Returns the fingerprints of the steps in their order."""
        return f"chain v1 [{' | '.join(step.fingerprint() for step in self.steps)}]"


def create(
    spec: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    device: str = "auto",
    precision: Precision = "float32",
) -> Transform:
    """Makes a transform; a published network is fetched and loaded when it is first used.

    Args:
        spec: A registered name with its settings ("jpeg-50"), a super-resolution network by name
            ("srgan-x4@k2"), a file of its weights, "package.module:name" of a transform or of any
            network, or several of them joined by "+". A `Path` is always one file.
        settings: Further settings by name, for a single transform.
        device: Where networks compute: "auto", "cpu", "cuda".
        precision: In what networks compute; see `SuperResolution`.

    Returns:
        The transform. Its `name` is the spec in its shortest form; of a file it is the stem.

    Raises:
        UnknownNameError: If a name is neither registered nor a file.
        BadConfigError: If the spec cannot be read, or a setting does not suit the transform.
        BadArtifactError: If a file is no network for RGB images.

    Example:
        >>> create("down-up-4+jpeg-50").name
        'down-up-4+jpeg-50'
    """
    parts = parse(spec)
    if len(parts) > 1 and settings:
        raise BadConfigError(f"{spec} is a chain, which takes no settings of its own")
    if settings:
        parts = (Part(parts[0].base, parts[0].flags, {**parts[0].options, **settings}),)
    steps = [make(part, device=device, precision=precision) for part in parts]
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))


def names(use: str) -> list[str]:
    """Returns the registered names that serve as `use`: "attack", "correction", "degradation"."""
    return [name for name in TRANSFORMS if use in TRANSFORMS.get(name).uses]


def content_numbers(images: torch.Tensor) -> list[int]:
    """Returns a number for each image that its pixels alone decide: their CRC-32."""
    pixels = images.contiguous().cpu().numpy()
    return [zlib.crc32(image.tobytes()) for image in pixels]


def parse(spec: str | Path) -> tuple[Part, ...]:
    """Reads a spec into its parts; a `Path`, and a text that is an existing file, are one part.

    Raises:
        BadConfigError: If the spec cannot be read.
    """
    if isinstance(spec, Path):
        # With a folder before it, so that no file is taken for a name.
        return (Part(os.path.join(".", spec)),)  # noqa: PTH118  a Path drops the "."
    if Path(spec).suffix and os.path.isfile(spec):  # noqa: PTH113  raises if it is too long
        return (Part(spec),)
    return specs.parse(spec)


def make(part: Part, *, device: str = "auto", precision: Precision = "float32") -> Transform:
    """Makes the transform of one part of a spec; see `create`."""
    family = specs.family_of(TRANSFORMS, part.base)
    if family in TRANSFORMS:
        maker = TRANSFORMS.get(family)
        if isinstance(maker, type):
            maker = specs.named(maker, family)
        made: Transform = maker.from_part(part, device=device, precision=precision)
        return made
    from demagnify.transforms.super_resolution.attack import SuperResolution
    from demagnify.transforms.super_resolution.readers import is_file

    if is_file(part.base):
        return SuperResolution.from_file(part, device=device, precision=precision)
    found = TRANSFORMS.get(family)  # imports "package.module:name", or names close ones
    if isinstance(found, Transform):
        return found
    if isinstance(found, type) and issubclass(found, Transform):
        kind: type[Transform] = specs.named(found, family)
        return kind.from_part(part, device=device, precision=precision)
    return SuperResolution.from_function(part, found, device=device, precision=precision)
