"""Figures about image quality that are kept, so that a table which is continued is not redone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import artifacts, progress
from demagnify.data import FaceDataset
from demagnify.laundering.quality import quality

CHUNK = 64
Floats = NDArray[np.float64]


def kept_quality(
    clean: FaceDataset, attacked: FaceDataset, fingerprint: str, *, folder: Path
) -> tuple[Floats, Floats]:
    """Returns PSNR in dB and SSIM of every face after an attack, each float64 (N,).

    Args:
        clean: The originals.
        attacked: The same faces after the attack.
        fingerprint: The attack's.
        folder: Where figures are kept.
    """
    key = hashlib.sha256(f"{clean.fingerprint()}\n{fingerprint}".encode()).hexdigest()
    path = folder / f"{key[:32]}.safetensors"
    if path.is_file():
        tensors, _ = artifacts.load_state(path)
        return tensors["psnr"].numpy(), tensors["ssim"].numpy()
    psnr, ssim = np.empty(len(clean)), np.empty(len(clean))
    with progress.bar("comparing with the originals", len(clean)) as advance:
        for rows, originals in clean.batches(CHUNK):
            psnr[rows], ssim[rows] = quality(originals, attacked.batch(rows))
            advance(len(rows))
    figures = {"psnr": torch.from_numpy(psnr), "ssim": torch.from_numpy(ssim)}
    artifacts.save_state(path, figures, {})
    return psnr, ssim
