"""Ordinary filters, drawn at random, that imitate the traces of super-resolution networks.

Networks leave lost resolution, edges that are too sharp, textures painted over or made up, and the
grid of the upsampling layer. The settings of a filter are drawn anew for every face, so that a
detector cannot learn the traces of one network by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import specs
from demagnify.core.images import Pixels, from_batch, to_batch
from demagnify.core.rng import generator
from demagnify.transforms.base import IDENTITY, TRANSFORMS, Rngs, Transform, content_numbers, create
from demagnify.transforms.catalogue import DEGRADATIONS
from demagnify.transforms.kernels import opencv_jpeg, threads
from demagnify.transforms.resampling import check_size
from demagnify.transforms.transform_set import TransformSet

if TYPE_CHECKING:
    from demagnify.core.devices import Precision
    from demagnify.core.specs import Part

Floats = NDArray[np.float32]
Rng = np.random.Generator
Filter = Callable[[Floats, Rng], Floats]
"""Maps float32 RGB (H, W, 3), 0-255, and a generator to the same shape; values may overshoot."""

_SHRINKING: Final = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
_ENLARGING: Final = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_CROSS: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_FACTORS: Final = (1.25, 7.0)
"""Many faces are smaller in their photograph than here: x4 there may be x7 here."""
_SMALLEST: Final = 2
_HIDDEN: Final = 8
"""Channels between the two random layers of `randomly_convolved`."""


@dataclass(frozen=True)
class Degradation(Transform):
    """A filter whose settings are drawn anew for every image; runs on the CPU.

    Attributes:
        filter: Changes one image.

    Example:
        >>> import numpy as np
        >>> from demagnify.transforms import create
        >>> images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
        >>> create("blurred")(images, rngs=[np.random.default_rng(n) for n in range(2)]).shape
        torch.Size([2, 3, 32, 32])
    """

    uses = ("degradation",)
    random = True
    filter: ClassVar[Filter]

    def apply(self, images: torch.Tensor, rngs: Rngs) -> torch.Tensor:
        """Returns the degraded copies."""

        def work(pixels: Pixels, rng: Rng) -> Pixels:
            return rounded(self.degrade(pixels.astype(np.float32), rng))

        return to_batch(list(threads().map(work, from_batch(images), rngs))).to(images.device)

    def degrade(self, pixels: Floats, rng: Rng) -> Floats:
        """Degrades one image, float32 RGB (H, W, 3) in 0-255; values may overshoot."""
        return type(self).filter(pixels, rng)


def degradation(name: str) -> Callable[[Filter], Filter]:
    """Returns a decorator that registers a filter as the degradation `name`."""

    def decorate(function: Filter) -> Filter:
        title = "".join(word.capitalize() for word in name.split("-"))
        content = {
            "family": name,
            "filter": staticmethod(function),
            "__doc__": function.__doc__,
            "__module__": __name__,
            "__reduce__": lambda _self: (create, (name,)),  # a module holds no such class by name
        }
        TRANSFORMS.add(name, dataclass(frozen=True)(type(title, (Degradation,), content)))
        return function

    return decorate


@TRANSFORMS.register("filters")
@dataclass(frozen=True)
class Filters(Transform):
    """Degrades each image in one way, drawn with its settings from the image's own pixels.

    Anyone can attack so without a network. In training it replaces networks: a defence that
    learned from it has seen no super-resolution at all.

    Attributes:
        kind: The degradation; empty for all of `DEGRADATIONS`.
    """

    family = "filters"
    uses = ("attack",)
    version = 2
    kind: str = ""

    @property
    def spec(self) -> str:
        """The family, and the kind where there is one: "filters-painted"."""
        return f"{self.family}-{self.kind}" if self.kind else self.family

    @classmethod
    def from_part(
        cls, part: Part, *, device: str = "auto", precision: Precision = "float32"
    ) -> Self:
        """Makes it from "filters" or "filters-KIND"; see `Transform.from_part`."""
        plain = super().from_part(
            specs.Part(cls.family, part.flags, part.options), device=device, precision=precision
        )
        kind = part.base[len(cls.family) + 1 :]
        if kind:
            TRANSFORMS.get(kind)
        return cls(kind) if kind else plain

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the degraded images; computed on the CPU."""
        check_size(images, _SMALLEST)
        kinds = TransformSet.create([IDENTITY, *self._kinds])
        contents = content_numbers(images)
        numbers = [1 + content % len(self._kinds) for content in contents]
        rngs = [
            generator(0, "degradation", 0, content, number)
            for content, number in zip(contents, numbers, strict=True)
        ]
        return kinds.apply(images, torch.tensor(numbers), rngs=rngs)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return (self.kind,) if self.kind else DEGRADATIONS

    def fingerprint(self) -> str:
        """Returns the version of the procedure and the kinds."""
        return f"filters v{self.version} {' '.join(self._kinds)}"


@degradation("resampled")
def resampled(pixels: Floats, rng: Rng) -> Floats:
    """Shrinks by a factor of 1.25 to 7 and enlarges again, each with a kernel of its own."""
    return _enlarge(_shrink(pixels, rng), pixels, rng)


@degradation("sharpened")
def sharpened(pixels: Floats, rng: Rng) -> Floats:
    """Resamples and sharpens: rebuilt edges are crisper than the lens made them."""
    return _unsharp(resampled(pixels, rng), rng, strongest=3.0)


@degradation("back-projected")
def back_projected(pixels: Floats, rng: Rng) -> Floats:
    """Enlarges so that shrinking it again gives the small image: super-resolution before networks.

    Irani and Peleg, "Improving resolution by image registration" (CVGIP 1991).
    """
    small = _shrink(pixels, rng, kernels=(cv2.INTER_AREA,))
    size = small.shape[1], small.shape[0]
    enlarged = _enlarge(small, pixels, rng)
    for _ in range(int(rng.integers(2, 11))):
        missing = small - cv2.resize(enlarged, size, interpolation=cv2.INTER_AREA)
        enlarged = enlarged + _enlarge(np.asarray(missing, dtype=np.float32), pixels, rng)
    return enlarged


@degradation("painted")
def painted(pixels: Floats, rng: Rng) -> Floats:
    """Resamples, smooths what lies between edges, and sharpens the edges: skin like wax."""
    rebuilt = resampled(pixels, rng)
    if rng.random() < 0.5:
        spread = float(rng.uniform(10, 60))
        smooth = cv2.bilateralFilter(rebuilt, 5, spread, float(rng.uniform(1, 4)))
    else:
        bytes_ = np.clip(rebuilt, 0, 255).astype(np.uint8)
        smooth = cv2.medianBlur(bytes_, int(rng.choice((3, 5)))).astype(np.float32)
    return _unsharp(np.asarray(smooth, dtype=np.float32), rng, strongest=2.0)


@degradation("shocked")
def shocked(pixels: Floats, rng: Rng) -> Floats:
    """Resamples, and lets light and dark grow until they meet in edges: flat areas, hard borders.

    Osher and Rudin, "Feature-oriented image enhancement using shock filters" (SIAM Journal on
    Numerical Analysis 1990), in the discrete form of Kramer and Bruckner (1975).
    """
    rebuilt = resampled(pixels, rng)
    spread, strength = float(rng.uniform(0.7, 2.0)), np.float32(rng.uniform(0.3, 1.0))
    for _ in range(int(rng.integers(1, 5))):
        grey = _blur(np.asarray(cv2.cvtColor(rebuilt, cv2.COLOR_RGB2GRAY), np.float32), spread)
        darker, lighter = (f(rebuilt, _CROSS) for f in (cv2.erode, cv2.dilate))
        bulges = cv2.Laplacian(grey, cv2.CV_32F)[..., None] < 0
        grown = np.where(bulges, lighter, darker)
        rebuilt = np.asarray(rebuilt + strength * (grown - rebuilt), dtype=np.float32)
    return rebuilt


@degradation("textured")
def textured(pixels: Floats, rng: Rng) -> Floats:
    """Resamples and makes up detail where there was some: noise as strong as the local contrast."""
    rebuilt = resampled(pixels, rng)
    grain = rng.standard_normal(pixels.shape, dtype=np.float32)
    if rng.random() < 0.5:
        grain[:] = grain[..., :1]
    grain = _blur(grain, float(rng.uniform(0.3, 1.0)))
    contrast = _blur(np.abs(rebuilt - _blur(rebuilt, 1.5)), 2.0)
    return rebuilt + grain * contrast * np.float32(rng.uniform(0.5, 3.0))


@degradation("randomly-convolved")
def randomly_convolved(pixels: Floats, rng: Rng) -> Floats:
    """Adds what two random layers and a pixel shuffle make of the small image: a network's grid.

    Every face meets other weights. Xu et al., "Robust and Generalizable Visual Representation
    Learning via Random Convolutions" (ICLR 2021), at the place where an upsampling layer stands.
    """
    small = _shrink(pixels, rng, kernels=(cv2.INTER_AREA,), factors=(1.9, 4.1))
    rebuilt = _enlarge(small, pixels, rng)
    step = int(rng.integers(2, 5))
    features = np.maximum(_convolve(small / np.float32(255), _HIDDEN, rng), 0)
    made_up = _shuffle(_convolve(features, 3 * step * step, rng), step)
    made_up = made_up - _blur(made_up, 2.0)
    size = pixels.shape[1], pixels.shape[0]
    detail = np.asarray(cv2.resize(made_up, size, interpolation=cv2.INTER_LINEAR), np.float32)
    strength = rng.uniform(1.0, 8.0) / (float(detail.std()) + 1e-6)
    if rng.random() < 0.5:
        rebuilt = _unsharp(rebuilt, rng, strongest=2.0)
    return rebuilt + detail * np.float32(strength)


@degradation("compounded")
def compounded(pixels: Floats, rng: Rng) -> Floats:
    """Does two things in turn, and half of the time stores the result as JPEG.

    The second order is from Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution
    with Pure Synthetic Data" (ICCVW 2021).
    """
    links = [shocked, painted, textured, randomly_convolved, sharpened]
    for number in rng.permutation(len(links))[:2]:
        pixels = np.clip(links[number](pixels, rng), 0, 255)
    return compressed(pixels, rng) if rng.random() < 0.5 else pixels


@degradation("blurred")
def blurred(pixels: Floats, rng: Rng) -> Floats:
    """Blurs with a Gaussian of 0.4 to 2.5 pixels."""
    return _blur(pixels, float(rng.uniform(0.4, 2.5)))


@degradation("crisp")
def crisp(pixels: Floats, rng: Rng) -> Floats:
    """Sharpens without resampling."""
    return _unsharp(pixels, rng, strongest=3.0)


@degradation("noisy")
def noisy(pixels: Floats, rng: Rng) -> Floats:
    """Adds Gaussian noise of 1 to 10 grey levels."""
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    return pixels + noise * np.float32(rng.uniform(1, 10))


@degradation("compressed")
def compressed(pixels: Floats, rng: Rng) -> Floats:
    """Stores as JPEG of quality 30 to 95."""
    return opencv_jpeg(rounded(pixels), int(rng.integers(30, 96))).astype(np.float32)


def rounded(pixels: Floats) -> Pixels:
    """Returns whole levels 0-255."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _shrink(
    pixels: Floats,
    rng: Rng,
    *,
    kernels: tuple[int, ...] = _SHRINKING,
    factors: tuple[float, float] = _FACTORS,
) -> Floats:
    height, width = pixels.shape[:2]
    factor = float(np.exp(rng.uniform(*np.log(factors))))
    size = max(2, round(width / factor)), max(2, round(height / factor))
    kernel = int(rng.choice(kernels))
    return np.asarray(cv2.resize(pixels, size, interpolation=kernel), dtype=np.float32)


def _enlarge(small: Floats, like: Floats, rng: Rng) -> Floats:
    size = like.shape[1], like.shape[0]
    kernel = int(rng.choice(_ENLARGING))
    return np.asarray(cv2.resize(small, size, interpolation=kernel), dtype=np.float32)


def _blur(pixels: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.float32)


def _unsharp(pixels: Floats, rng: Rng, *, strongest: float) -> Floats:
    amount = np.float32(rng.uniform(0.2, strongest))
    return pixels + amount * (pixels - _blur(pixels, float(rng.uniform(0.5, 2.5))))


def _convolve(channels: Floats, count: int, rng: Rng) -> Floats:
    """Returns `count` random 3x3 mixtures of `channels` (H, W, C) as (H, W, count)."""
    size = channels.shape[2]
    weights = rng.standard_normal((count, size, 3, 3), dtype=np.float32)
    weights /= np.float32(np.sqrt(9 * size))
    planes = [np.ascontiguousarray(channels[..., channel]) for channel in range(size)]
    mixed = [
        np.sum([cv2.filter2D(p, -1, k) for p, k in zip(planes, kernels, strict=True)], axis=0)
        for kernels in weights
    ]
    return np.stack(mixed, axis=2).astype(np.float32)


def _shuffle(channels: Floats, step: int) -> Floats:
    """Turns (H, W, 3 * step**2) into (step * H, step * W, 3): the pixel shuffle of Shi et al."""
    height, width = channels.shape[:2]
    blocks = channels.reshape(height, width, step, step, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(blocks.reshape(height * step, width * step, 3))
