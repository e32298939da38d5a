"""Surrogate networks as degradations in the attack pool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure

from demagnify.core.files import atomic_path
from demagnify.core.images import Pixels
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.delivery import magnified, resize
from demagnify.hardening.surrogate_design import Design, SurrogateNetwork
from demagnify.laundering.quality import image_quality
from demagnify.transforms.degradations.kinds import Floats

_EXAGGERATED: Final = 0.5
"""How often the detail that the network adds to a bicubic enlargement is made up to 2.5 times as
strong: a network that was trained for a minute adds less than one that was trained for days."""
_TWICE: Final = 0.25
"""How often a face is shrunk and rebuilt twice, which leaves the traces twice as deep."""

_FACES_SHOWN: Final = 3
_MOST_COLUMNS: Final = 8


@dataclass(frozen=True)
class Surrogate:
    """A surrogate network as an attacker would use it: shrinks a face and rebuilds it.

    Attributes:
        design: Its build and its training aim.
        network: On the CPU.
    """

    design: Design
    network: SurrogateNetwork

    @property
    def name(self) -> str:
        """The name of its design."""
        return self.design.name

    def __call__(self, face: Floats, rng: np.random.Generator) -> Floats:
        """Shrinks and rebuilds float32 RGB (H, W, 3), 0-255."""
        passes = 2 if rng.random() < _TWICE else 1
        gain = rng.uniform(1.0, 2.5) if rng.random() < _EXAGGERATED else 1.0

        def enlarge(small: Floats) -> Floats:
            rebuilt = self.enlarge(small)
            plain = resize(small, rebuilt.shape[1], rebuilt.shape[0])
            return plain + np.float32(gain) * (rebuilt - plain)

        for _ in range(passes):
            face = magnified(face, enlarge, self.design.scale, rng)
        return face

    def enlarge(self, pixels: Floats) -> Floats:
        """Enlarges float32 RGB (H, W, 3), 0-255."""
        small = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            rebuilt = self.network(small.to(memory_format=torch.channels_last))[0]
        return np.ascontiguousarray((rebuilt.clamp(0, 1) * 255).permute(1, 2, 0).numpy())


def draw_surrogates(faces: FaceDataset, surrogates: Sequence[Surrogate], path: Path) -> None:
    """Draws faces as they are and as each network rebuilds them, with the PSNR.

    Args:
        faces: A few of them are drawn.
        surrogates: The networks, at least one.
        path: The PNG file to write.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    chosen = np.unique(np.linspace(0, len(faces) - 1, _FACES_SHOWN).astype(np.int64))
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
        figure.savefig(temporary, format="png", dpi=110)


def _rebuilt(face: Pixels, surrogate: Surrogate) -> Pixels:
    """Shrinks a face by the network's scale and lets the network enlarge it again."""
    height, width = face.shape[:2]
    scale = surrogate.design.scale
    small = resize(face.astype(np.float32), width // scale, height // scale)
    rebuilt = resize(surrogate.enlarge(small), width, height)
    whole: Pixels = np.clip(np.rint(rebuilt), 0, 255).astype(np.uint8)
    return whole
