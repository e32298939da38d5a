"""Surrogate super-resolution networks: their designs, drawn so that no two are alike.

Filters can only imitate the traces that published networks leave. A network that the loop trains
for itself leaves a network's traces, and no published network need be seen for that.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from demagnify.core.rng import generator

Aim = Literal["faithful", "restoring", "painting", "inventing", "enhancing"]
Activation = Literal["relu", "prelu", "leaky"]
Upsampling = Literal["shuffle", "nearest", "transposed"]

AIMS: Final[tuple[Aim, ...]] = ("faithful", "restoring", "painting", "inventing", "enhancing")
SCALES: Final = (2, 4, 3)


class Design(BaseModel):
    """The build and the training aim of one surrogate network.

    The aims are those of published networks, in small: least error on clean images (EDSR, SRResNet,
    SRMD); least error on degraded ones, which removes noise, JPEG blocks and skin alike
    (Real-ESRNet); flat areas and hard edges (networks for drawings); invented detail that a
    discriminator takes for true (SRGAN); sharpened images with such detail from degraded ones
    (Real-ESRGAN).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, description="Which of the networks.")
    aim: Aim = Field(description="What it is trained for.")
    scale: int = Field(ge=2, le=4, description="By how much it enlarges.")
    width: int = Field(ge=4, description="Channels of its hidden layers.")
    depth: int = Field(ge=1, description="Hidden layers.")
    activation: Activation = Field(description="Between the layers.")
    upsampling: Upsampling = Field(
        description="Its last layer: pixel shuffle, nearest neighbours and a convolution, or a "
        "transposed convolution; each leaves a different grid."
    )
    dirt: float = Field(
        ge=0, le=1, description="Strength of blur, noise and JPEG in its training inputs."
    )
    hardness: float = Field(ge=0, description="How much edges are sharpened in its targets.")
    texture: float = Field(ge=0, description="Weight of the discriminator in its loss.")
    effort: int = Field(default=1, ge=1, description="Factor on the number of training steps.")

    @property
    def name(self) -> str:
        """Its name in records and figures: "painting-x4-2"."""
        return f"{self.aim}-x{self.scale}-{self.number}"


def draw_design(seed: int, number: int) -> Design:
    """Draws the design of network `number`, from 1; fifteen in turn have every aim at every scale.

    Args:
        seed: Seed of the draws.
        number: Which network.
    """
    rng = generator(seed, "sparring design", number)  # renamed, it would draw other networks
    aim = AIMS[(number - 1) % len(AIMS)]
    degraded = aim in ("restoring", "painting", "enhancing")
    hard = {"painting": (0.5, 2.5), "enhancing": (0.5, 1.5)}.get(aim)
    adversarial = {"inventing": (0.02, 0.15), "enhancing": (0.05, 0.3)}.get(aim)
    return Design(
        number=number,
        aim=aim,
        scale=SCALES[(number - 1) % len(SCALES)],
        width=int(rng.choice((16, 24, 32))),
        depth=int(rng.integers(3, 8)),
        activation=("relu", "prelu", "leaky")[rng.integers(3)],
        upsampling=("shuffle", "shuffle", "nearest", "transposed")[rng.integers(4)],
        dirt=float(rng.uniform(0.3, 1.0)) if degraded else 0.0,
        hardness=float(rng.uniform(*hard)) if hard else 0.0,
        effort=3 if aim == "enhancing" else 1,
        texture=float(rng.uniform(*adversarial)) if adversarial else 0.0,
    )


class SurrogateNetwork(nn.Module):
    """A plain chain of convolutions that adds detail to a bilinear enlargement.

    The shape of Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network"
    (ECCV 2016), and of the compact networks of Real-ESRGAN: all work is done at the small size.

    Args:
        design: Its build.

    Shape:
        Float RGB (N, 3, H, W) around 0 to 1 -> (N, 3, scale * H, scale * W), not clipped.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.scale = design.scale
        layers: list[nn.Module] = [nn.Conv2d(3, design.width, 5, padding=2)]
        for _ in range(design.depth):
            layers.append(_activation(design.activation, design.width))
            layers.append(nn.Conv2d(design.width, design.width, 3, padding=1))
        layers.append(_activation(design.activation, design.width))
        self.body = nn.Sequential(*layers)
        self.tail = _tail(design)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a batch."""
        coarse = F.interpolate(
            images, scale_factor=float(self.scale), mode="bilinear", align_corners=False
        )
        detail: torch.Tensor = self.tail(self.body(images))
        return coarse + detail


class Discriminator(nn.Sequential):
    """Tells photographs from rebuilt images, patch by patch.

    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017).
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 24, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 1, 3, padding=1),
        )


def _activation(name: Activation, width: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(width)
    return nn.LeakyReLU(0.2) if name == "leaky" else nn.ReLU()


def _tail(design: Design) -> nn.Module:
    scale, width = design.scale, design.width
    if design.upsampling == "shuffle":
        return nn.Sequential(nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
    if design.upsampling == "nearest":
        return nn.Sequential(
            nn.Conv2d(width, 12, 3, padding=1),
            nn.Upsample(scale_factor=scale, mode="nearest"),
            _activation(design.activation, 12),
            nn.Conv2d(12, 3, 3, padding=1),
        )
    # The kernel is no multiple of the stride, so that it overlaps unevenly: a checkerboard.
    return nn.ConvTranspose2d(width, 3, scale + 1, stride=scale, padding=1, output_padding=1)
