"""Attacking the files of a folder: attacked copies with a manifest and quality figures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from demagnify import images, progress
from demagnify.attacks.base import Attack
from demagnify.attacks.figure import attack_figure
from demagnify.attacks.quality import QualitySummary, quality
from demagnify.attacks.sources import Source, read_sources
from demagnify.attacks.worklog import Done, WorkLog
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.data.records import Skipped
from demagnify.errors import BadImageError, BadOutputError, DemagnifyError, ImageContractError
from demagnify.files import write_bytes, write_text

BYTES_WAITING: Final = 2**26
"""Bytes of images that wait for others of their size, so that memory stays bounded."""

SKIPPED_NAME: Final = "skipped.csv"
DRAWN: Final = 4
"""How many images the picture shows at most."""

Loaded = tuple[Source, images.Pixels]


@dataclass(frozen=True)
class FolderSummary:
    """What became of a folder.

    Attributes:
        output: The folder with the attacked copies, `metadata.csv` and `skipped.csv`.
        quality: How many images were attacked, and how close they are to the originals.
        skipped: What was left out, and why.
        picture: A few images before and after the attack, to look at; beside the folder.
    """

    output: Path
    quality: QualitySummary
    skipped: tuple[Skipped, ...]
    picture: Path


def attack_folder(
    source: Path, output: Path, attack: Attack, *, strict: bool = False, batch_size: int = 16
) -> FolderSummary:
    """Writes an attacked copy of every face image of a folder or manifest.

    Each image is attacked at its own size and saved losslessly as PNG under its name in `source`.
    `metadata.csv` in `output` lists file_name, then label, split, group and further columns where
    `source` is labelled, then original, psnr, ssim; `skipped.csv` what was left out. A picture of a
    few, with what changed, stands beside the folder under its name and ".png". A run that
    was stopped goes on where it was; what is done is not done again.

    Args:
        source: A manifest (see `Manifest.load`), or a folder of images without labels.
        output: Where the copies go; made if missing.
        attack: The attack.
        strict: Whether a bad image stops the work instead of being skipped.
        batch_size: How many images of one size are attacked at once.

    Raises:
        BadManifestError: If `source` is no manifest, and no folder with images.
        BadOutputError: If `output` holds something else, or cannot be written to.
        BadImageError: When strict, at the first image that cannot be read or is too small; or if
            none could be attacked.
    """
    sources, skipped = read_sources(source, strict=strict)
    _check_apart(source, output)
    log = WorkLog(output, attack)
    pending = [item for item in sources if log.find(item) is None]
    bad = _Bad(skipped, strict=strict)
    with progress.bar(f"attacking with {attack.name}", len(sources)) as advance:
        advance(len(sources) - len(pending))
        for batch in _same_size(_load(pending, bad), batch_size):
            for done in _attack_batch(batch, attack, output, bad):
                log.add(done)
            advance(len(batch))
    return _finish(source, output, sources, log, bad.skipped)


class _Bad:
    """Lists what is skipped or, when strict, stops at the first."""

    def __init__(self, skipped: list[Skipped], *, strict: bool) -> None:
        self.skipped = skipped
        self._strict = strict

    def add(self, source: Source, error: DemagnifyError) -> None:
        if self._strict:
            raise error
        self.skipped.append(Skipped(source.name, error.message))


def _check_apart(source: Path, output: Path) -> None:
    folder = source.resolve() if source.is_dir() else source.resolve().parent
    target = output.resolve()
    if target.is_relative_to(folder) or folder.is_relative_to(target):
        raise BadOutputError(
            f"{output} and {source} lie in one another", hint="choose an output folder elsewhere"
        )


def _load(pending: Iterable[Source], bad: _Bad) -> Iterator[Loaded]:
    for source in pending:
        try:
            pixels = images.load(source.path)
        except BadImageError as error:
            bad.add(source, error)
        else:
            yield source, pixels


def _same_size(loaded: Iterable[Loaded], batch_size: int) -> Iterator[list[Loaded]]:
    """Groups images by size, in batches that are full unless too much would wait."""
    waiting: dict[tuple[int, ...], list[Loaded]] = {}
    total = 0
    for source, pixels in loaded:
        batch = waiting.setdefault(pixels.shape, [])
        batch.append((source, pixels))
        total += pixels.size
        if len(batch) == batch_size or total > BYTES_WAITING:
            fullest = max(waiting, key=lambda shape: len(waiting[shape]) * math.prod(shape))
            ready = waiting.pop(pixels.shape if len(batch) == batch_size else fullest)
            total -= sum(array.size for _, array in ready)
            yield ready
    yield from waiting.values()


def _attack_batch(
    batch: Sequence[Loaded], attack: Attack, output: Path, bad: _Bad
) -> Iterator[Done]:
    """Attacks images of one size, saves them and yields what is finished."""
    originals = images.to_batch([pixels for _, pixels in batch])
    try:
        attacked = attack(originals)
    except ImageContractError as error:  # too small for the attack
        for source, _ in batch:
            bad.add(source, BadImageError(f"{source.path}: {error.message}", hint=error.hint))
        return
    values = zip(*quality(originals, attacked), strict=True)
    for (source, _), pixels, (psnr, ssim) in zip(
        batch, images.from_batch(attacked), values, strict=True
    ):
        images.save_png(output / source.target, pixels)
        yield Done(source.target, source.stamp(), float(psnr), float(ssim))


def _finish(
    source: Path, output: Path, sources: Sequence[Source], log: WorkLog, skipped: list[Skipped]
) -> FolderSummary:
    """Writes the two tables and sums them up."""
    finished = [(item, done) for item in sources if (done := log.find(item)) is not None]
    if not finished:
        raise BadImageError(f"{source}: no image could be attacked; the first: {skipped[0]}")
    _write_table(output / FILE_NAME, [_row(item, done) for item, done in finished])
    _write_table(
        output / SKIPPED_NAME,
        [{"where": line.where, "reason": line.reason} for line in skipped],
        columns=("where", "reason"),
    )
    psnr = np.array([done.psnr for _, done in finished])
    ssim = np.array([done.ssim for _, done in finished])
    picture = output.parent / f"{output.resolve().name}.png"
    write_bytes(picture, _draw(finished, output))
    return FolderSummary(output, QualitySummary.of(psnr, ssim), tuple(skipped), picture)


def _draw(finished: Sequence[tuple[Source, Done]], output: Path) -> bytes:
    """Draws the first images that have one size, before and after."""
    shown = finished[:DRAWN]
    pairs = [(images.load(one.path), images.load(output / one.target)) for one, _ in shown]
    alike = [pair for pair in pairs if pair[0].shape == pairs[0][0].shape]
    originals, attacked = zip(*alike, strict=True)
    return attack_figure(images.to_batch(list(originals)), images.to_batch(list(attacked)))


def _row(source: Source, done: Done) -> dict[str, str]:
    record = source.record
    labelled = (
        {}
        if record is None
        else {
            "label": label_name(record.label),
            "split": record.split,
            "group": record.group,
            **record.extra,
        }
    )
    return {
        "file_name": source.target,
        **labelled,
        "original": source.name,
        "psnr": f"{done.psnr:.4f}",
        "ssim": f"{done.ssim:.6f}",
    }


def _write_table(
    path: Path, rows: Sequence[Mapping[str, str]], *, columns: Iterable[str] = ()
) -> None:
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
