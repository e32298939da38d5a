"""What the adaptive attack costs: how far published faces are from their originals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.evaluation.adaptive.attacker import Adapted
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.result import Cost
from demagnify.evaluation.adaptive.search import ORIGINAL
from demagnify.laundering.quality import quality

CHUNK = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FaceCosts:
    """How far each published face is from its original.

    Attributes:
        psnr: float64 (N,), dB; infinite where a face was left as it is.
        ssim: float64 (N,).
    """

    psnr: Floats
    ssim: Floats

    @classmethod
    def of(cls, candidates: Candidates, adapted: Adapted) -> FaceCosts:
        """Compares the published faces with their originals.

        Args:
            candidates: The originals.
            adapted: The published faces.
        """
        count = len(candidates.faces)
        psnr, ssim = np.full(count, np.inf), np.ones(count)
        changed = np.flatnonzero(adapted.search.winner != ORIGINAL)
        with progress.bar("comparing with the originals", len(changed)) as advance:
            for start in range(0, len(changed), CHUNK):
                rows = changed[start : start + CHUNK]
                pair = candidates.faces.batch(rows), adapted.faces.batch(rows)
                psnr[rows], ssim[rows] = quality(*pair)
                advance(len(rows))
        return cls(psnr, ssim)

    def summary(self) -> Cost:
        """Sums it up over the faces that were changed."""
        changed = np.isfinite(self.psnr)
        if not changed.any():
            return Cost(changed=0, psnr_mean=None, psnr_min=None)
        return Cost(
            changed=int(changed.sum()),
            psnr_mean=float(self.psnr[changed].mean()),
            psnr_min=float(self.psnr[changed].min()),
            ssim_mean=float(self.ssim[changed].mean()),
        )
