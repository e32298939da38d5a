"""The image contract, and the only way in which files become pixels and pixels files.

Between stages an image batch is a `uint8` tensor, RGB, shape (N, 3, H, W), values 0-255, on any
device; a single photograph on its way in or out is a `uint8` RGB array of shape (H, W, 3).
Detectors also accept float RGB in [0, 1], through which gradients flow.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from demagnify.core import jpeg2000
from demagnify.core.colour import shown
from demagnify.core.deep_images import float_size, read_float, scale_transparent
from demagnify.core.errors import BadImageError, ImageContractError
from demagnify.core.extras import install
from demagnify.core.files import write_bytes
from demagnify.core.first_picture import (
    UnclearError,
    check_first,
    free_canvas,
    on_canvas,
    with_alpha,
)
from demagnify.core.image_files import (
    SUFFIXES,
    check_png,
    extra_format,
    is_image,
    known_format,
    list_files,
    read_file,
    readable_formats,
)
from demagnify.core.native_lines import libtiff_errors
from demagnify.core.orientation import note_orientation, orientation_of, upright
from demagnify.core.stated_colour import with_profile

if TYPE_CHECKING:  # torch is imported where a tensor is made: reading a photograph needs none
    import torch

__all__ = ["SUFFIXES", "is_image", "list_files", "read_file"]  # beside all that is defined here

Pixels = NDArray[np.uint8]

MAX_PIXELS: Final = 178_956_970
"""Of a photograph, by default: Pillow refuses more, whatever the limit is."""
MIN_SIDE: Final = 8
_ROUNDING: Final = 1e-6
_STRIPE: Final = 2**20
"""Pixels that are copied at once."""

T = TypeVar("T")
_DAMAGE: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow's decoders raise on damaged files."""


def check_batch(images: object, *, name: str = "images", floats: bool = False) -> torch.Tensor:
    """Returns `images` if it keeps the image contract.

    Args:
        images: What should be a uint8 RGB tensor of shape (N, 3, H, W).
        name: What to call it in the message.
        floats: Whether float RGB in [0, 1] is accepted too, as detectors do.

    Raises:
        ImageContractError: If type, dtype, number of dimensions or channels are different, or
            floats lie outside of [0, 1].
    """
    import torch

    if not isinstance(images, torch.Tensor):
        raise ImageContractError(
            f"{name} is a {type(images).__name__}, not a torch.Tensor",
            hint="torch.from_numpy(array).permute(0, 3, 1, 2) turns (N, H, W, 3) into a batch",
        )
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[1] != 3:
        channels_last = images.ndim == 4 and shape[3] == 3
        hint = "channels come first" if channels_last else "a batch has four axes, RGB second"
        raise ImageContractError(f"{name} has shape {shape}, not (N, 3, H, W)", hint=hint)
    if floats and images.dtype in (torch.float32, torch.float64, torch.float16):
        return _check_range(images, name)
    if images.dtype != torch.uint8:
        raise ImageContractError(
            f"{name} is {images.dtype}, not torch.uint8{' or float32' if floats else ''}",
            hint="uint8 holds whole numbers 0-255" + (", floats lie in [0, 1]" if floats else ""),
        )
    return images


def _check_range(images: torch.Tensor, name: str) -> torch.Tensor:
    """Returns float images if all values are finite and in [0, 1], but for rounding errors."""
    if not images.numel():
        return images
    low, high = (value.item() for value in images.detach().aminmax())
    if low >= -_ROUNDING and high <= 1.0 + _ROUNDING:  # false for NaN
        return images
    raise ImageContractError(
        f"{name} is {images.dtype} from {low:g} to {high:g}, but floats lie in [0, 1]",
        hint="divide 0-255 by 255, or give uint8; take mean and std normalization away",
    )


def to_batch(pixels: list[Pixels]) -> torch.Tensor:
    """Stacks photographs of one size, each (H, W, 3) uint8, into a batch (N, 3, H, W).

    Raises:
        ImageContractError: If the list is empty or an array has another shape or dtype.
    """
    import torch

    if not pixels:
        raise ImageContractError("there is no image to make a batch of")
    for array in pixels:
        check_pixels(array)
        if array.shape != pixels[0].shape:
            raise ImageContractError(
                f"a batch has one image size, not {array.shape[:2]} beside {pixels[0].shape[:2]}"
            )
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def from_batch(images: torch.Tensor) -> list[Pixels]:
    """Splits a batch (N, 3, H, W) into photographs, each (H, W, 3) uint8 on the CPU."""
    check_batch(images)
    return list(images.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def check_pixels(array: Pixels) -> Pixels:
    """Returns `array` if it is one photograph: uint8 RGB (H, W, 3).

    Raises:
        ImageContractError: If it is not.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ImageContractError(
            f"a photograph is uint8 of shape (H, W, 3), not {array.dtype} of shape {array.shape}"
        )
    return array


def load(path: Path, *, max_pixels: int | None = None) -> Pixels:
    """Reads a photograph as uint8 RGB of shape (H, W, 3), upright by its orientation.

    The EXIF data say it, or XMP where they do not. A colour profile is converted to sRGB.
    Greyscale, palette and CMYK become RGB; transparency is laid on white; deeper samples are scaled
    to 8 bits (float ones are taken as 0-1 unless a larger value is among them); of an animation the
    first picture is taken, on its whole canvas.

    Args:
        path: A file in a format that Pillow reads.
        max_pixels: Larger photographs are refused before they are decoded; see `limit_pixels`.

    Raises:
        BadImageError: If the file is missing, unreadable, no image, damaged, larger than
            `max_pixels` or smaller than 8 pixels on a side.
    """
    return decode(read_file(path), name=str(path), max_pixels=max_pixels)


def load_oriented(path: Path) -> tuple[Pixels, int]:
    """Reads a photograph as `load` does; returns with it the EXIF orientation it is stored in."""
    with opened(read_file(path), name=str(path)) as image:
        return upright_rgb(image), orientation_of(image)


def decode(data: bytes, *, name: str = "image", max_pixels: int | None = None) -> Pixels:
    """Decodes a photograph from the bytes of its file; see `load`.

    Args:
        data: The file's content.
        name: What to call it in messages.
        max_pixels: Larger photographs are refused before they are decoded; see `limit_pixels`.

    Raises:
        BadImageError: As `load`.
    """
    with opened(data, name=name, max_pixels=max_pixels) as image:
        return upright_rgb(image)


@contextmanager
def opened(
    data: bytes, *, name: str = "image", max_pixels: int | None = None
) -> Iterator[Image.Image]:
    """Yields a photograph as Pillow decodes it, with what its file says of it.

    For those who need more than the pixels; `decode` is for all others.

    Args:
        data: The file's content.
        name: What to call it in messages.
        max_pixels: Larger photographs are refused before they are decoded; see `limit_pixels`.

    Raises:
        BadImageError: As `load`; also for faults of the file that show only inside the block.
    """
    if not data:
        raise BadImageError(f"{name}: the file is empty")
    # Libraries such as WeasyPrint switch it on for the whole process when they are imported.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        check_png(data)
        with _from_decoder(lambda: _open(data, name, max_pixels)) as image:
            _check_size(image.size, name, max_pixels)
            note_orientation(image)
            box = free_canvas(image)
            _from_decoder(lambda: _load(image))
            yield on_canvas(image, box)
    except UnidentifiedImageError as error:
        kind = extra_format(data)
        if kind:
            raise BadImageError(
                f"{name}: {kind} files need an extra", hint=install("heif")
            ) from error
        if known := known_format(data):
            raise BadImageError(
                f"{name}: the {known} file is damaged, or of a kind that is not read",
                hint="unusual bits or compression: save it with 8 bits, as PNG or JPEG",
            ) from error
        raise BadImageError(
            f"{name}: not an image in a known format",
            hint="JPEG, PNG, WebP, GIF, BMP and TIFF work, and others of docs/formats.md",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(f"{name}: too many pixels to decode safely") from error
    except BadImageError:
        raise
    except UnclearError as error:
        raise BadImageError(f"{name}: {error}") from error
    except _DAMAGE as error:
        raise BadImageError(f"{name}: the image is damaged: {error}") from error


def _open(data: bytes, name: str, max_pixels: int | None) -> Image.Image:
    """Opens a file with Pillow, and with OpenCV the colours that Pillow lacks or gets wrong."""
    deep = jpeg2000.deep_size(data)
    if deep is not None:
        _check_size(deep, name, max_pixels)
        return with_profile(jpeg2000.read_deep(data), data)
    try:
        file = io.BytesIO(with_alpha(data))
        found = check_first(Image.open(file, formats=readable_formats()))
        return with_profile(scale_transparent(found, data), data)
    except UnidentifiedImageError:
        size = float_size(data)
        if size is None:
            raise
        _check_size(size, name, max_pixels)
        return read_float(data)


def _load(image: Image.Image) -> None:
    """Decodes an image; libtiff prints what is wrong, and goes on where it can."""
    tile = getattr(image, "tile", ())
    if not tile or tile[0][0] != "libtiff":
        image.load()
        return
    failed = None
    with libtiff_errors() as errors:
        try:
            image.load()
        except _DAMAGE as error:
            failed = error
    if errors:
        raise OSError(errors[0]) from failed
    if failed:
        raise failed


def _from_decoder(work: Callable[[], T]) -> T:
    """Calls Pillow, whose AVIF decoder says RuntimeError of a damaged file."""
    try:
        return work()
    except RuntimeError as error:
        raise OSError(str(error)) from error


def upright_rgb(image: Image.Image) -> Pixels:
    """Returns what `opened` yields as uint8 RGB (H, W, 3), upright; see `load`."""
    turned = upright(shown(image), image)
    width, height = turned.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIPE // width)
    for top in range(0, height, rows):  # Pillow hands out pixels in copies
        part = np.asarray(turned.crop((0, top, width, min(top + rows, height))))
        pixels[top : top + rows] = part if part.ndim == 3 else part[..., None]
    return pixels


def limit_pixels(count: int) -> None:
    """Lets photographs and frames have at most `count` pixels from now on, at most `MAX_PIXELS`."""
    _limits["pixels"] = min(count, MAX_PIXELS)


def pixel_limit() -> int:
    """Returns how many pixels a photograph or frame may have."""
    return _limits["pixels"]


_limits: Final = {"pixels": MAX_PIXELS}


def _check_size(size: tuple[int, int], name: str, max_pixels: int | None) -> None:
    width, height = size
    limit = pixel_limit() if max_pixels is None else max_pixels
    if width * height > limit:
        raise BadImageError(
            f"{name}: {width}x{height} pixels are more than the limit of {limit}",
            hint=f"shrink it, or raise the limit (--max-pixels), up to {MAX_PIXELS}",
        )
    if min(width, height) < MIN_SIDE:
        raise BadImageError(f"{name}: {width}x{height} pixels are too few for a face")


def save_png(path: Path, pixels: Pixels) -> None:
    """Writes a photograph, uint8 RGB (H, W, 3), losslessly as PNG, in one step.

    Raises:
        ImageContractError: If `pixels` is not a photograph.
        BadOutputError: If the place cannot be written to.
    """
    write_bytes(path, encode_png(pixels))


def encode_png(pixels: Pixels) -> bytes:
    """Returns a photograph, uint8 RGB (H, W, 3), as a PNG file, losslessly."""
    buffer = io.BytesIO()
    Image.fromarray(check_pixels(pixels)).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def encode_jpeg(pixels: Pixels, *, quality: int, subsampling: str = "4:2:0") -> bytes:
    """Returns a photograph, uint8 RGB (H, W, 3), as a JPEG file of `quality` 1-95."""
    buffer = io.BytesIO()
    image = Image.fromarray(check_pixels(pixels))
    image.save(buffer, format="JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def through_jpeg(pixels: Pixels, quality: int, *, subsampling: str = "4:2:0") -> Pixels:
    """Returns what is left of a photograph, uint8 RGB (H, W, 3), when it is stored as JPEG."""
    return decode(encode_jpeg(pixels, quality=quality, subsampling=subsampling))


def fit(pixels: Pixels, size: int) -> Pixels:
    """Resizes a face crop, (H, W, 3) uint8, to (size, size, 3) with Pillow's antialiased bicubic.

    An image that has the size already is returned unchanged, bit for bit.
    """
    return resize(pixels, size, size)


def resize(pixels: Pixels, width: int, height: int, *, interpolation: str = "bicubic") -> Pixels:
    """Resizes a photograph, (H, W, 3) uint8: across, then down.

    Pillow alone would choose the order by version and shape, and with it other pixels.

    Args:
        pixels: The photograph.
        width: The wanted width.
        height: The wanted height.
        interpolation: "bicubic" or "bilinear", antialiased.
    """
    check_pixels(pixels)
    if pixels.shape[:2] == (height, width):
        return pixels
    method = Image.Resampling[interpolation.upper()]
    wide = Image.fromarray(pixels).resize((width, pixels.shape[0]), method)
    return np.array(wide.resize((width, height), method), dtype=np.uint8)
