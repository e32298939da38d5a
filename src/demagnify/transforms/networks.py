"""The published super-resolution networks that are attacks by name: "srgan-x4", "srmd-x2"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from demagnify.transforms.base import TRANSFORMS

if TYPE_CHECKING:
    from demagnify.core.devices import Precision
    from demagnify.core.specs import Part
    from demagnify.transforms.super_resolution.attack import SuperResolution


@dataclass(frozen=True)
class PublishedNetwork:
    """A published network among the assets; its weights are read when it is used.

    Attributes:
        scale: The factor of the enlargement.
        reader: The reader of its file; see `demagnify.transforms.super_resolution`.
        asset: The asset that holds it.
    """

    uses: ClassVar[tuple[str, ...]] = ("attack",)
    scale: int
    reader: str
    asset: str

    def from_part(
        self, part: Part, *, device: str = "auto", precision: Precision = "float32"
    ) -> SuperResolution:
        """Makes the attack with this network; see `SuperResolution.from_asset`."""
        from demagnify.transforms.super_resolution.attack import SuperResolution

        return SuperResolution.from_asset(
            part, self.asset, self.reader, self.scale, device=device, precision=precision
        )


def _publish(family: str, scales: tuple[int, ...], reader: str, *, asset: str = "") -> None:
    for scale in scales:
        name = f"{family}-x{scale}"
        TRANSFORMS.add(name, PublishedNetwork(scale, reader, asset or name))


_publish("realesr-compact", (2, 3, 4), "ncnn")
TRANSFORMS.add("realesrgan-x4plus", PublishedNetwork(4, "ncnn", "realesrgan-x4plus"))
_publish("srresnet", (4,), "keras")
_publish("srgan", (4,), "keras")
_publish("dat-light", (2, 3, 4), "spandrel")
_publish("edsr-liif", (2, 3, 4), "liif", asset="edsr-liif")
_publish("srmd", (2, 3, 4), "ncnn")
_publish("waifu2x-photo", (2,), "ncnn")
