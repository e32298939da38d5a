"""What the adaptive attack costs: how far published faces are from their originals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.core.errors import AssetError
from demagnify.evaluation.adaptive.attacker import Adapted
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.result import Cost
from demagnify.evaluation.adaptive.search import ORIGINAL
from demagnify.laundering.quality import quality

CHUNK = 64
Floats = NDArray[np.float64]
Distance = Callable[[torch.Tensor, torch.Tensor], Floats]
"""Maps originals and attacked images to one distance per image, 0 for equal ones."""


@dataclass(frozen=True, slots=True)
class FaceCosts:
    """How far each published face is from its original.

    Attributes:
        psnr: float64 (N,), dB; infinite where a face was left as it is.
        ssim: float64 (N,).
        perceptual: float64 (N,); None if it was not measured.
        reason: Why it was not, though somebody asked.
    """

    psnr: Floats
    ssim: Floats
    perceptual: Floats | None = None
    reason: str = ""

    @classmethod
    def of(
        cls, candidates: Candidates, adapted: Adapted, distance: Distance | None = None
    ) -> FaceCosts:
        """Compares the published faces with their originals.

        Args:
            candidates: The originals.
            adapted: The published faces.
            distance: A perceptual distance; if its network is not within reach the comparison
                goes without it and says so.
        """
        count = len(candidates.faces)
        psnr, ssim, far = np.full(count, np.inf), np.ones(count), np.zeros(count)
        reason = ""
        changed = np.flatnonzero(adapted.search.winner != ORIGINAL)
        with progress.bar("comparing with the originals", len(changed)) as advance:
            for start in range(0, len(changed), CHUNK):
                rows = changed[start : start + CHUNK]
                pair = candidates.faces.batch(rows), adapted.faces.batch(rows)
                psnr[rows], ssim[rows] = quality(*pair)
                if distance is not None:
                    try:
                        far[rows] = distance(*pair)
                    except AssetError as error:
                        distance, reason = None, str(error)
                advance(len(rows))
        return cls(psnr, ssim, None if distance is None else far, reason)

    def summary(self) -> Cost:
        """Sums it up over the faces that were changed."""
        changed = np.isfinite(self.psnr)
        if not changed.any():
            return Cost(changed=0, psnr_mean=None, psnr_min=None)
        far = None if self.perceptual is None else float(self.perceptual[changed].mean())
        return Cost(
            changed=int(changed.sum()),
            psnr_mean=float(self.psnr[changed].mean()),
            psnr_min=float(self.psnr[changed].min()),
            ssim_mean=float(self.ssim[changed].mean()),
            perceptual_mean=far,
            perceptual_reason=self.reason,
        )
