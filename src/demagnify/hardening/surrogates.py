"""Surrogate super-resolution networks, which the loop trains for itself.

Filters can only imitate the traces of published networks. A network that the loop trains leaves a
network's traces, and no published network need be seen for that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from matplotlib.figure import Figure
from pydantic import Field
from torch import nn

from demagnify.core.figures import savefig
from demagnify.core.files import atomic_path
from demagnify.core.images import Pixels
from demagnify.core.rng import generator
from demagnify.core.settings import Frozen
from demagnify.data.dataset import FaceDataset
from demagnify.data.subsample import spread_evenly
from demagnify.hardening.delivery import magnified, resize
from demagnify.laundering.quality import image_quality
from demagnify.transforms.degradations import Degradation, Floats, rounded

Aim = Literal["faithful", "restoring", "painting", "inventing", "enhancing"]
Activation = Literal["relu", "prelu", "leaky"]
Upsampling = Literal["shuffle", "nearest", "transposed"]

AIMS: Final[tuple[Aim, ...]] = ("faithful", "restoring", "painting", "inventing", "enhancing")
SCALES: Final = (2, 4, 3)

_EXAGGERATED: Final = 0.5
"""How often the detail that the network adds to a bicubic enlargement is made up to 2.5 times as
strong: a network that was trained for a minute adds less than one that was trained for days."""
_TWICE: Final = 0.25
"""How often a face is shrunk and rebuilt twice, which leaves the traces twice as deep."""

_FACES_SHOWN: Final = 3
_MOST_COLUMNS: Final = 8


class Design(Frozen):
    """The build and the training aim of one surrogate network.

    The aims are those of published networks, in small: least error on clean images (EDSR, SRResNet,
    SRMD); least error on degraded ones, which removes noise, JPEG blocks and skin alike
    (Real-ESRNet); flat areas and hard edges (networks for drawings); invented detail that a
    discriminator takes for true (SRGAN); sharpened images with such detail from degraded ones
    (Real-ESRGAN).
    """

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
    """Draws the design of network `number`; fifteen in turn have every aim at every scale."""
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


@dataclass(frozen=True)
class Surrogate(Degradation):
    """A surrogate network as an attacker would use it: shrinks a face and rebuilds it."""

    family = "surrogate"
    design: Design  # its build and its training aim
    network: SurrogateNetwork = field(repr=False, compare=False)  # on the CPU

    @property
    def name(self) -> str:
        """The name of its design."""
        return self.design.name

    @property
    def spec(self) -> str:
        """The name of its design."""
        return self.design.name

    def fingerprint(self) -> str:
        """Returns a text that differs with design and weights."""
        digest = hashlib.sha256(self.design.model_dump_json().encode())
        for weights in self.network.state_dict().values():
            digest.update(weights.contiguous().numpy().data)
        return f"{self.family} v{self.version} {digest.hexdigest()}"

    def degrade(self, pixels: Floats, rng: np.random.Generator) -> Floats:
        """Shrinks and rebuilds float32 RGB (H, W, 3), 0-255."""
        passes = 2 if rng.random() < _TWICE else 1
        gain = rng.uniform(1.0, 2.5) if rng.random() < _EXAGGERATED else 1.0

        def enlarge(small: Floats) -> Floats:
            rebuilt = self.enlarge(small)
            plain = resize(small, rebuilt.shape[1], rebuilt.shape[0])
            return plain + np.float32(gain) * (rebuilt - plain)

        for _ in range(passes):
            pixels = magnified(pixels, enlarge, self.design.scale, rng)
        return pixels

    def enlarge(self, pixels: Floats) -> Floats:
        """Enlarges float32 RGB (H, W, 3), 0-255."""
        small = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            rebuilt = self.network(small.to(memory_format=torch.channels_last))[0]
        return np.ascontiguousarray((rebuilt.clamp(0, 1) * 255).permute(1, 2, 0).numpy())


def draw_surrogates(faces: FaceDataset, surrogates: Sequence[Surrogate], path: Path) -> None:
    """Draws faces as they are and as each network rebuilds them, with the PSNR."""
    chosen = spread_evenly(len(faces), _FACES_SHOWN)
    originals = faces.batch(chosen).permute(0, 2, 3, 1).numpy()
    lines = math.ceil((1 + len(surrogates)) / _MOST_COLUMNS)
    columns = math.ceil((1 + len(surrogates)) / lines)
    shape = lines * len(originals), columns
    figure = Figure(figsize=(1.7 * shape[1], 1.95 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, face in enumerate(originals):
        cells = [("original", face)]
        cells += [(surrogate.name, _rebuilt(face, surrogate)) for surrogate in surrogates]
        for number, (name, pixels) in enumerate(cells):
            axis = axes[(number // columns) * len(originals) + row][number % columns]
            axis.imshow(pixels, interpolation="nearest")
            title = name if not number else f"{name}\n{image_quality(face, pixels)[0]:.1f} dB"
            axis.set_title(title, fontsize=8)
    with atomic_path(path) as temporary:
        savefig(figure, temporary, format="png", dpi=110)


def _rebuilt(face: Pixels, surrogate: Surrogate) -> Pixels:
    """Shrinks a face by the network's scale and lets the network enlarge it again."""
    height, width = face.shape[:2]
    scale = surrogate.design.scale
    small = resize(face.astype(np.float32), width // scale, height // scale)
    return rounded(resize(surrogate.enlarge(small), width, height))
