"""Pictures of one face for the page: the crop, its noise residual, its spectrum."""

from __future__ import annotations

import base64
from importlib import util
from typing import Final, NamedTuple

import cv2
import numpy as np

from demagnify.core import images
from demagnify.core.images import Pixels

SIDE: Final = 224
_AMPLIFY: Final = 8
_IDENTITY: Final = "identity"


class Picture(NamedTuple):
    """A picture as a page shows it.

    Attributes:
        title: Its caption.
        alt: What a screen reader says.
        uri: Its content.
    """

    title: str
    alt: str
    uri: str

    @classmethod
    def of(cls, title: str, alt: str, pixels: Pixels) -> Picture:
        """Makes one of pixels, uint8 RGB (H, W, 3)."""
        content = base64.b64encode(images.encode_png(pixels)).decode("ascii")
        return cls(title, alt, f"data:image/png;base64,{content}")


def residual(face: Pixels) -> Pixels:
    """Returns what four neighbours do not predict of each pixel, eight times as strong, on grey.

    Args:
        face: uint8 RGB (H, W, 3).

    Returns:
        uint8 RGB (H, W, 3).
    """
    values = face.astype(np.float32)
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    noise = values - cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT)
    shown: Pixels = np.clip(np.rint(128 + _AMPLIFY * noise), 0, 255).astype(np.uint8)
    return shown


def spectrum(face: Pixels) -> Pixels:
    """Returns the logarithm of the power spectrum, coarse detail in the middle, bright is strong.

    Args:
        face: uint8 RGB (H, W, 3).

    Returns:
        uint8 RGB (H, W, 3).
    """
    grey = face.astype(np.float32).mean(2)
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    power = np.abs(np.fft.fftshift(np.fft.fft2((grey - grey.mean()) * window))) ** 2
    levels = np.log10(power + 1e-3)
    low, high = np.percentile(levels, (1, 99.9))
    scaled = np.clip((levels - low) / max(float(high - low), 1e-9) * 255, 0, 255)
    coloured: Pixels = cv2.applyColorMap(scaled.astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    return coloured[..., ::-1].copy()


def corrected(face: Pixels, action: str) -> Pixels | None:
    """Returns a face after a correction; None where that needs torch, which is not installed.

    Args:
        face: uint8 RGB (S, S, 3).
        action: The correction's name.
    """
    if action == _IDENTITY:
        return face
    if not util.find_spec("torch"):
        return None
    from demagnify.transforms.base import create

    return images.from_batch(create(action, device="cpu")(images.to_batch([face])))[0]


def of_face(face: Pixels, action: str, number: int) -> list[Picture]:
    """Returns the pictures of a face: as found, corrected if it was, residual, spectrum.

    Args:
        face: The crop, uint8 RGB (S, S, 3).
        action: The correction that was chosen.
        number: Its number on the page.
    """
    found = images.fit(face, SIDE)
    after = corrected(found, action)
    shown = [Picture.of("As found", f"Face {number} as found", found)]
    if after is not None and action != _IDENTITY:
        shown.append(Picture.of(f"Corrected ({action})", f"Face {number} after {action}", after))
    seen = found if after is None else after
    residual_, spectrum_ = residual(seen), spectrum(seen)
    return [
        *shown,
        Picture.of("Noise residual, 8 times", f"Noise residual of face {number}", residual_),
        Picture.of("Spectrum", f"Power spectrum of face {number}, logarithmic", spectrum_),
    ]
