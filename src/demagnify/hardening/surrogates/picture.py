"""What sparring networks make of a few faces, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from demagnify.core.files import atomic_path
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.publishing import resize
from demagnify.hardening.surrogates.partners import Partner
from demagnify.laundering.quality import image_quality

SHOWN: Final = 3
"""How many faces are drawn."""
_MOST_COLUMNS: Final = 8


def draw_partners(faces: FaceDataset, partners: Sequence[Partner], path: Path) -> None:
    """Draws faces as they are and as each network rebuilds them, with the PSNR, as PNG.

    Args:
        faces: Of which some are drawn.
        partners: The networks, at least one.
        path: Where the picture shall stand.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    chosen = np.unique(np.linspace(0, len(faces) - 1, SHOWN).astype(np.int64))
    originals = faces.batch(chosen).permute(0, 2, 3, 1).numpy()
    lines = math.ceil((1 + len(partners)) / _MOST_COLUMNS)
    columns = math.ceil((1 + len(partners)) / lines)
    shape = lines * len(originals), columns
    figure = Figure(figsize=(1.7 * shape[1], 1.95 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, face in enumerate(originals):
        cells = [("original", face)]
        cells += [(partner.name, _rebuilt(face, partner)) for partner in partners]
        for number, (name, pixels) in enumerate(cells):
            axis = axes[(number // columns) * len(originals) + row][number % columns]
            axis.imshow(pixels, interpolation="nearest")
            said = name if not number else f"{name}\n{image_quality(face, pixels)[0]:.1f} dB"
            axis.set_title(said, fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _rebuilt(face: NDArray[np.uint8], partner: Partner) -> NDArray[np.uint8]:
    """Shrinks a face by the network's scale and lets it enlarge it again."""
    height, width = face.shape[:2]
    pixels = face.astype(np.float32)
    small = resize(pixels, width // partner.design.scale, height // partner.design.scale)
    rebuilt = resize(partner.enlarge(small), width, height)
    whole: NDArray[np.uint8] = np.clip(np.rint(rebuilt), 0, 255).astype(np.uint8)
    return whole
