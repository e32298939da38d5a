"""Face swaps: a donor's face, aligned on the target's landmarks, in the target's colours."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from demagnify.core.images import Pixels
from demagnify.data.sample import blending, geometry
from demagnify.data.sample.blending import Mask
from demagnify.data.sample.geometry import Points

Blend = Literal["feather", "poisson"]


def swap_face(
    target: Pixels,
    target_landmarks: Points,
    donor: Pixels,
    donor_landmarks: Points,
    *,
    blend: Blend,
    rng: np.random.Generator,
) -> tuple[Pixels, Mask]:
    """Replaces the inner face of `target` by that of `donor`.

    Region, width of the soft edge and strength of the colour match are drawn from `rng`, so that
    some swaps are good and some are not.

    Args:
        target: uint8 RGB (H, W, 3).
        target_landmarks: (5, 2), as `demagnify.data.face_finding.Face` has them.
        donor: uint8 RGB of any size.
        donor_landmarks: (5, 2).
        blend: "feather" mixes pixels over a soft edge, "poisson" carries over gradients.
        rng: Where the variation comes from.

    Returns:
        The fake, uint8 (H, W, 3), and the mask, float32 (H, W), that is 0 wherever the fake is
        the target still.
    """
    height, width = target.shape[:2]
    eyes = geometry.eye_distance(target_landmarks)
    region = geometry.face_region(target_landmarks, (height, width), rng)
    warped, known = _align(donor, geometry.affine(donor_landmarks, target_landmarks), target)
    region = np.minimum(region, known)
    coloured = blending.match_colours(warped, target, region, strength=rng.uniform(0.85, 1.0))
    edge = eyes * rng.uniform(0.12, 0.4)
    if blend == "poisson":
        # A narrow soft edge over the seam: gradients meet there, but noise does not.
        coloured = blending.clone(coloured, target, region)
        edge = eyes * rng.uniform(0.06, 0.16)
    mask = blending.soften(region, edge)
    return blending.mix(coloured, target, mask), mask


def _align(donor: Pixels, matrix: geometry.Matrix, target: Pixels) -> tuple[Pixels, Mask]:
    """Warps the donor onto the target; the mask tells where the donor's photograph reaches."""
    size = (target.shape[1], target.shape[0])
    warped = cv2.warpAffine(
        donor, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    inside = np.ones(donor.shape[:2], dtype=np.float32)
    known = cv2.warpAffine(inside, matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(warped, dtype=np.uint8), np.asarray(known, dtype=np.float32)
