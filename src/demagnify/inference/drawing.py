"""Photographs with faces framed, verdicts written beside them, and heat maps over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.face_finding import crop, paste, square
from demagnify.inference.explanation import draw_heat

if TYPE_CHECKING:
    from demagnify.inference.pipeline import FaceVerdict, PhotoVerdict

COLOURS: Final = {"fake": (213, 94, 0), "real": (0, 114, 178), "unsure": (90, 90, 90)}
"""Okabe and Ito's orange and blue, which any colour vision tells apart, and grey."""


def draw_verdict(verdict: PhotoVerdict) -> Pixels:
    """Returns a copy of the photograph, uint8 RGB (H, W, 3), with every face framed and labelled.

    Raises:
        BadImageError: If the photograph could not be read.
    """
    if verdict.pixels is None:
        raise BadImageError(f"{verdict.path}: {verdict.problem}")
    pixels = verdict.pixels
    for face in reversed(verdict.faces):  # the largest on top
        if face.explanation is not None and face.explanation.heat is not None:
            heated = draw_heat(crop(pixels, face.face), face.explanation.heat)
            pixels = paste(pixels, heated, square(face.face, pixels.shape))
    drawing = Image.fromarray(pixels)
    for face in reversed(verdict.faces):
        _draw_face(drawing, face)
    return np.array(drawing, dtype=np.uint8)


def _draw_face(drawing: Image.Image, face: FaceVerdict) -> None:
    draw = ImageDraw.Draw(drawing)
    colour = COLOURS[face.verdict]
    x, y, width, height = face.box
    line = max(2, round(min(drawing.size) / 200))
    draw.rectangle((x, y, x + width, y + height), outline=colour, width=line)
    font = ImageFont.load_default(size=max(12.0, min(width / 8, 32.0)))
    corrected = "" if face.action == "identity" else f" · {face.action}"
    text = f"{face.verdict} {face.score:.2f}{corrected}"
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    text_width, text_height = right - left + 2 * line, bottom - top + 2 * line
    text_x = min(max(x, 0.0), max(drawing.width - text_width, 0.0))
    text_y = y - text_height if y >= text_height else min(y + height, drawing.height - text_height)
    draw.rectangle((text_x, text_y, text_x + text_width, text_y + text_height), fill=colour)
    draw.text((text_x + line - left, text_y + line - top), text, fill="white", font=font)
