"""The attacks that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from demagnify.core.registry import Registry

Format = Literal["spandrel", "ncnn", "keras", "liif"]


@dataclass(frozen=True)
class Published:
    """A published super-resolution network among the assets.

    Attributes:
        scale: By how much it enlarges.
        format: How its file is read.
        asset: The asset that holds it.
    """

    scale: int
    format: Format
    asset: str


@dataclass(frozen=True)
class Bicubic:
    """Shrinking and enlarging without a network.

    Attributes:
        scale: By how much images are shrunk.
    """

    scale: float


@dataclass(frozen=True)
class Jpeg:
    """Saving as a JPEG file.

    Attributes:
        quality: libjpeg's quality.
        full_colour: Whether all colour samples are kept.
    """

    quality: int
    full_colour: bool = False


@dataclass(frozen=True)
class Filters:
    """Ordinary filters, drawn per image.

    Attributes:
        kind: One kind of degradation; None for all of them.
    """

    kind: str | None = None


@dataclass(frozen=True)
class Nothing:
    """No attack."""


Entry = Published | Bicubic | Jpeg | Filters | Nothing

ATTACKS: Final[Registry[Entry]] = Registry("attack")
ATTACKS.add("none", Nothing())
for _scale in (2, 3, 4):
    ATTACKS.add(f"bicubic-x{_scale}", Bicubic(_scale))
for _quality in (90, 75, 50):
    ATTACKS.add(f"jpeg-{_quality}", Jpeg(_quality))
ATTACKS.add("filters", Filters())


def _publish(family: str, scales: tuple[int, ...], form: Format, *, asset: str = "") -> None:
    for scale in scales:
        name = f"{family}-x{scale}"
        ATTACKS.add(name, Published(scale, form, asset or name))


_publish("realesr-compact", (2, 3, 4), "ncnn")
ATTACKS.add("realesrgan-x4plus", Published(4, "ncnn", "realesrgan-x4plus"))
_publish("srresnet", (4,), "keras")
_publish("srgan", (4,), "keras")
_publish("dat-light", (2, 3, 4), "spandrel")
_publish("edsr-liif", (2, 3, 4), "liif", asset="edsr-liif")
_publish("srmd", (2, 3, 4), "ncnn")
_publish("waifu2x-photo", (2,), "ncnn")


def names() -> list[str]:
    """Returns the names of the attacks that are known.

    `bicubic-x1.5`, `jpeg-85` and `filters-painted` (one kind of degradation) work too.
    """
    return list(ATTACKS)
