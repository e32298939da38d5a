"""A figure of faces before and after an attack, with their differences and spectra."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.core.figures import savefig
from demagnify.core.files import write_bytes
from demagnify.core.images import Pixels, check_pixels
from demagnify.laundering.journal import FaceRecord, FinishedPhotographs, Region
from demagnify.laundering.sources import Sources
from demagnify.laundering.tables import finished

SHOWN: Final = 4
"""How many faces the figure shows at most."""
LONGEST_NAME: Final = 32
SURROUNDINGS: Final = 1 / 8
"""How much of what is around a face is shown: share of its side, on each end."""
MID_GREY: Final = 128
_BRIGHTNESS: Final = (0.299, 0.587, 0.114)
_RANGE: Final = (1, 99.9)
"""Which percentiles of the original's spectrum the colours span, in both spectra."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A face before and after an attack."""

    original: Pixels  # the face with its surroundings, uint8 RGB (H, W, 3)
    attacked: Pixels  # the same after the attack
    name: str = ""  # stands under the original
    quality: str = ""  # stands under the attacked face
    # the attacked part, of which the spectra are drawn; the whole if None
    face: Region | None = None

    def inner(self) -> tuple[Pixels, Pixels]:
        """Returns the attacked part, before and after."""
        if self.face is None:
            return self.original, self.attacked
        return self.face.of(self.original), self.face.of(self.attacked)


def write_figure(output: Path, sources: Sources, journal: FinishedPhotographs) -> Path:
    """Draws the first attacked faces of a folder beside it; returns where the figure stands."""
    path = output.parent / f"{output.resolve().name}.png"
    write_bytes(path, attack_figure(list(_comparisons(output, sources, journal))))
    return path


def _comparisons(
    output: Path, sources: Sources, journal: FinishedPhotographs
) -> Iterator[Comparison]:
    left = SHOWN
    for source, record in finished(sources, journal):
        faces = [face for face in record.faces if face.attacked][:left]
        if faces:
            pair = images.load(source.path), images.load(output / source.target)
            yield from (_comparison(source.name, face, pair) for face in faces)
        left -= len(faces)
        if not left:
            return


def _comparison(name: str, face: FaceRecord, pair: tuple[Pixels, Pixels]) -> Comparison:
    original, attacked = pair
    region = face.region or Region(0, 0, *original.shape[1::-1])
    shown = _widened(region, original.shape)
    return Comparison(
        shown.of(original),
        shown.of(attacked),
        name=name if len(name) <= LONGEST_NAME else f"...{name[-LONGEST_NAME:]}",
        quality=f"PSNR {face.psnr or 0.0:.1f} dB, SSIM {face.ssim or 0.0:.3f}",
        face=region._replace(x=region.x - shown.x, y=region.y - shown.y),
    )


def _widened(region: Region, shape: tuple[int, ...]) -> Region:
    height, width = shape[:2]
    margin = round(SURROUNDINGS * region.width)
    left, top = max(0, region.x - margin), max(0, region.y - margin)
    right = min(width, region.x + region.width + margin)
    bottom = min(height, region.y + region.height + margin)
    return Region(left, top, right - left, bottom - top)


def attack_figure(faces: Sequence[Comparison], *, amplify: int = 8) -> bytes:
    """Draws each face before and after, the difference, and both spectra.

    The spectra show the power of every spatial frequency: flat areas in the middle, the finest
    detail at the rim, where a face that was rebuilt from fewer pixels has less power, or power in
    a regular pattern.
    """
    if not faces:
        raise ImageContractError("there is no face to draw")
    height = 2.6 * len(faces) + 0.4
    figure = Figure(figsize=(12.0, height))
    # Fixed places: matplotlib's automatic layouts take longer than the drawing.
    figure.subplots_adjust(0.01, 0.3 / height, 0.99, 1 - 0.3 / height, wspace=0.04, hspace=0.13)
    axes = figure.subplots(len(faces), 5, squeeze=False)
    titles = (
        *("original", "attacked", f"difference x{amplify}"),
        *("spectrum, original", "spectrum, attacked"),
    )
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=11)
    for row, face in zip(axes, faces, strict=True):
        _draw(row, face, amplify)
    for axis, text in zip(
        axes[-1][2:], ("grey: unchanged", *["rim: fine detail"] * 2), strict=True
    ):
        axis.set_xlabel(text, fontsize=9)
    buffer = io.BytesIO()
    savefig(figure, buffer, format="png", dpi=110, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def residual(face: Comparison, amplify: int) -> Pixels:
    """Returns the difference that an attack makes, amplified around mid-grey, uint8 (H, W, 3)."""
    if check_pixels(face.original).shape != check_pixels(face.attacked).shape:
        raise ImageContractError(f"cannot draw {face.original.shape} beside {face.attacked.shape}")
    difference = face.attacked.astype(np.int32) - face.original
    shown: Pixels = np.clip(amplify * difference + MID_GREY, 0, 255).astype(np.uint8)
    return shown


def log_spectrum(pixels: Pixels) -> NDArray[np.float64]:
    """Returns the power spectrum of a photograph's brightness, as powers of ten."""
    brightness = check_pixels(pixels) @ np.array(_BRIGHTNESS)
    height, width = brightness.shape
    # The window fades out the borders, which would otherwise show as a cross.
    window = np.hanning(height)[:, None] * np.hanning(width)[None, :]
    power = np.abs(np.fft.fft2((brightness - brightness.mean()) * window)) ** 2
    spectrum: NDArray[np.float64] = np.fft.fftshift(np.log10(power + 1e-3))
    return spectrum


def _draw(row: Sequence[Axes], face: Comparison, amplify: int) -> None:
    for axis, pixels in zip(
        row[:3], (face.original, face.attacked, residual(face, amplify)), strict=True
    ):
        axis.imshow(pixels, interpolation="nearest")
    spectra = [log_spectrum(pixels) for pixels in face.inner()]
    darkest, brightest = np.percentile(spectra[0], _RANGE)
    for axis, spectrum in zip(row[3:], spectra, strict=True):
        axis.imshow(spectrum, cmap="magma", vmin=darkest, vmax=brightest)
    for axis in row:
        axis.set_xticks([])
        axis.set_yticks([])
    for axis, text in zip(row, (face.name, face.quality), strict=False):
        axis.set_xlabel(text, fontsize=9)
