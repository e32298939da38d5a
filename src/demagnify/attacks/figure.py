"""A picture of what an attack does."""

from __future__ import annotations

import io

import torch
from matplotlib.figure import Figure

from demagnify.errors import ImageContractError
from demagnify.images import check_batch, from_batch

MID_GREY = 128
COLUMNS = ("original", "attacked")


def attack_figure(originals: torch.Tensor, attacked: torch.Tensor, *, amplify: int = 8) -> bytes:
    """Draws originals, attacked images and their amplified difference side by side.

    Args:
        originals: uint8 RGB (N, 3, H, W), one image a row, a handful at most.
        attacked: The same images after an attack.
        amplify: By how much the difference is multiplied; grey means no difference.

    Returns:
        A PNG file.

    Raises:
        ImageContractError: If one is no image batch, the shapes differ, or there is no image.
    """
    check_batch(originals, name="originals")
    check_batch(attacked, name="attacked")
    if originals.shape != attacked.shape or len(originals) == 0:
        raise ImageContractError(
            f"cannot draw originals {tuple(originals.shape)} beside attacked "
            f"{tuple(attacked.shape)}"
        )
    residual = amplify * (attacked.cpu().int() - originals.cpu().int()) + MID_GREY
    columns = (originals, attacked, residual.clamp(0, 255).to(torch.uint8))
    figure = Figure(figsize=(6.6, 2.3 * len(originals)), layout="constrained")
    axes = figure.subplots(len(originals), len(columns), squeeze=False)
    titles = (*COLUMNS, f"difference x{amplify}")
    for column, (title, batch) in enumerate(zip(titles, columns, strict=True)):
        axes[0, column].set_title(title, fontsize=10)
        for row, pixels in enumerate(from_batch(batch)):
            axes[row, column].imshow(pixels, interpolation="nearest")
            axes[row, column].set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
