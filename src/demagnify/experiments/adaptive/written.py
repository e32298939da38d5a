"""The published faces on disk: a data set like any other, with what was done to each face."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demagnify import images, progress
from demagnify.attacks.adaptive import Adapted, Candidates
from demagnify.attacks.adaptive.search import ORIGINAL
from demagnify.attacks.quality import quality
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.experiments.adaptive.result import Cost
from demagnify.files import atomic_folder, write_text

CHUNK = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Published:
    """How close published faces are to their originals.

    Attributes:
        psnr: float64 (N,), dB; infinite where a face was left as it is.
        ssim: float64 (N,).
    """

    psnr: Floats
    ssim: Floats

    @classmethod
    def of(cls, candidates: Candidates, adapted: Adapted) -> Published:
        """Compares the published faces with their originals."""
        psnr = np.full(len(candidates.faces), np.inf)
        ssim = np.ones(len(candidates.faces))
        changed = np.flatnonzero(adapted.search.winner != ORIGINAL)
        for start in range(0, len(changed), CHUNK):
            rows = changed[start : start + CHUNK]
            pair = (candidates.faces.batch(rows), adapted.faces.batch(rows))
            psnr[rows], ssim[rows] = quality(*pair)
        return cls(psnr, ssim)

    def cost(self) -> Cost:
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


def write_faces(folder: Path, candidates: Candidates, adapted: Adapted, *, split: str) -> Published:
    """Writes every face as PNG and `metadata.csv`; what stood at `folder` is replaced in one step.

    Columns: file_name, label, split, group; original, its name in the data set; attack, the one
    that was published; outcome, one of "succeeded", "failed", "misjudged already", "no target";
    queries; the detector's score before and after; psnr and ssim against the original.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    published = Published.of(candidates, adapted)
    with atomic_folder(folder) as temporary:
        names = _names(adapted)
        with progress.bar("writing faces", len(names)) as advance:
            for rows, batch in adapted.faces.batches(CHUNK):
                for row, pixels in zip(rows.tolist(), images.from_batch(batch), strict=True):
                    images.save_png(temporary / names[row], pixels)
                advance(len(rows))
        table = _table(names, candidates, adapted, published, split)
        write_text(temporary / FILE_NAME, table)
    return published


def _names(adapted: Adapted) -> list[str]:
    """Numbers, because the names of the originals may be anything."""
    labels = map(label_name, adapted.faces.labels.tolist())
    return [f"{label}/{number:06d}.png" for number, label in enumerate(labels)]


def _table(
    names: list[str], candidates: Candidates, adapted: Adapted, published: Published, split: str
) -> str:
    buffer = io.StringIO()
    rows = _rows(names, candidates, adapted, published, split)
    first = next(rows)
    writer = csv.DictWriter(buffer, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    return buffer.getvalue()


def _rows(
    names: list[str], candidates: Candidates, adapted: Adapted, published: Published, split: str
) -> Iterator[dict[str, str]]:
    faces, found = adapted.faces, adapted.search
    attacks = [*candidates.names, "none"]  # the original is number -1
    for row, name in enumerate(names):
        yield {
            "file_name": name,
            "label": label_name(int(faces.labels[row])),
            "split": split,
            "group": str(faces.groups[row]),
            "original": faces.names[row],
            "attack": attacks[found.winner[row]],
            "outcome": _outcome(adapted, row),
            "queries": str(found.queries[row]),
            "score_before": f"{adapted.before[row]:.6g}",
            "score_after": f"{adapted.after[row]:.6g}",
            "psnr": f"{published.psnr[row]:.4f}",
            "ssim": f"{published.ssim[row]:.6f}",
        }


def _outcome(adapted: Adapted, row: int) -> str:
    found = adapted.search
    if not found.targeted[row]:
        return "no target"
    if found.mistaken[row]:
        return "misjudged already"
    return "succeeded" if found.succeeded[row] else "failed"
