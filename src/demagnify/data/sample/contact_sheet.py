"""A picture of a sample set, for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demagnify.core import images
from demagnify.data.labels import FAKE, REAL
from demagnify.data.manifest import Manifest
from demagnify.data.records import Record

PAIRS: Final = 40
COLUMNS: Final = 4

_SIDE: Final = 168
_CAPTION: Final = 36
_GAP: Final = 10


def save(manifest: Manifest, path: Path, *, pairs: int = PAIRS) -> None:
    """Draws pairs of a real face and its fake, evenly spread over the set, into a PNG.

    Under each pair stand the photograph and its split, the method, and the donor.

    Args:
        manifest: A set as `build_sample` makes it.
        path: The PNG to write.
        pairs: How many pairs to show at most.
    """
    shown = _pick(manifest, pairs)
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    cell = (2 * _SIDE + 2 + _GAP, _SIDE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for number, (real, fake) in enumerate(shown):
        x = _GAP + (number % columns) * cell[0]
        y = _GAP + (number // columns) * cell[1]
        for offset, record in ((0, real), (_SIDE + 2, fake)):
            face = images.fit(images.load(record.path), _SIDE)
            sheet.paste(Image.fromarray(face), (x + offset, y))
        draw.text((x, y + _SIDE + 2), f"real {real.group} ({real.split})", "black", font)
        method, donor = fake.extra["method"], fake.extra["donor"]
        caption = f"fake: {method}, donor {donor}" if donor else f"fake: {method}"
        draw.text((x, y + _SIDE + 18), caption, "black", font)
    images.save_png(path, np.asarray(sheet))


def _pick(manifest: Manifest, pairs: int) -> list[tuple[Record, Record]]:
    reals = {record.group: record for record in manifest if record.label == REAL}
    fakes = [record for record in manifest if record.label == FAKE]
    chosen = np.unique(np.linspace(0, len(fakes) - 1, pairs).round().astype(int))
    return [(reals[fakes[index].group], fakes[index]) for index in chosen]
