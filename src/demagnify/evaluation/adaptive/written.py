"""The published faces on disk: a data set like any other, with what was done to each face."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from demagnify.core import images, progress
from demagnify.core.files import atomic_folder, write_text
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.evaluation.adaptive.attacker import Adapted
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.cost import FaceCosts

CHUNK = 64


def write_faces(
    folder: Path, candidates: Candidates, adapted: Adapted, cost: FaceCosts, *, split: str
) -> None:
    """Writes every face as PNG and `metadata.csv`; what stood at `folder` is replaced in one step.

    Columns: file_name, label, split, group; original, its name in the data set; attack, the one
    that was published; outcome, one of "succeeded", "failed", "misjudged already", "no target";
    queries; the detector's score before and after; psnr and ssim against the original.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    names = _names(adapted)
    with (
        atomic_folder(folder) as temporary,
        progress.bar("writing faces", len(names)) as advance,
    ):
        for rows, batch in adapted.faces.batches(CHUNK):
            for row, pixels in zip(rows.tolist(), images.from_batch(batch), strict=True):
                images.save_png(temporary / names[row], pixels)
            advance(len(rows))
        write_text(temporary / FILE_NAME, _table(names, candidates, adapted, cost, split))


def _names(adapted: Adapted) -> list[str]:
    """Numbers, because the names of the originals may be anything."""
    labels = map(label_name, adapted.faces.labels.tolist())
    return [f"{label}/{number:06d}.png" for number, label in enumerate(labels)]


def _table(
    names: list[str], candidates: Candidates, adapted: Adapted, cost: FaceCosts, split: str
) -> str:
    buffer = io.StringIO()
    rows = _rows(names, candidates, adapted, cost, split)
    first = next(rows)
    writer = csv.DictWriter(buffer, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    return buffer.getvalue()


def _rows(
    names: list[str], candidates: Candidates, adapted: Adapted, cost: FaceCosts, split: str
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
            "psnr": f"{cost.psnr[row]:.4f}",
            "ssim": f"{cost.ssim[row]:.6f}",
        }


def _outcome(adapted: Adapted, row: int) -> str:
    found = adapted.search
    if not found.targeted[row]:
        return "no target"
    if found.mistaken[row]:
        return "misjudged already"
    return "succeeded" if found.succeeded[row] else "failed"
