"""Cuts all faces of a data set into a folder of crops that everything else reads."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadManifestError, BadOutputError, DemagnifyWarning
from demagnify.core.files import sweep_dead, write_text
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.core.runs import Journal, claim, file_checksum
from demagnify.data.face_finding import Face, FaceFinder
from demagnify.data.formats.metadata import JOURNAL, TABLES
from demagnify.data.labels import NAMES
from demagnify.data.manifest import FILE_NAME, Manifest, ManifestBuilder
from demagnify.data.prepare.cutting import (
    NO_FACE,
    Cut,
    Cutter,
    Finder,
    Outcome,
    PrepareConfig,
)
from demagnify.data.prepare.sources import Source, Sources
from demagnify.data.prepare.units import finished_item, prepare_in_units
from demagnify.data.records import Skipped
from demagnify.data.writer import write_rows

SKIPPED_NAME: Final = "skipped.csv"


@dataclass(frozen=True)
class PrepareSummary:
    """The outcome of `prepare`.

    Attributes:
        manifest: The crops; `metadata.csv` in the output folder.
        ways: How many crops come from a box "given" by the data set, from one "found" by the
            face finder, are the "whole" photograph as no face was found, or were "kept" as faces
            already.
        without_face: In how many photographs or frames no face was found.
        no_face: What was done with these: "skip", "whole", "fail".
        skipped: What was left out, and why.
    """

    manifest: Manifest
    ways: dict[str, int]
    without_face: int
    no_face: str
    skipped: tuple[Skipped, ...]


def prepare(
    manifest: Manifest | str | Path,
    output: str | Path,
    config: PrepareConfig | None = None,
    *,
    finder: Finder | None = None,
    strict: bool = False,
    workers: int | None = None,
    options: EngineOptions | None = None,
) -> PrepareSummary:
    """Cuts out every face of a manifest and writes the crops as PNG with a `metadata.csv`.

    Boxes that the data set gives are used; where it gives none, faces are found with YuNet. Real
    and fake faces go through the same decoding and the same lossless encoding. Each photograph or
    video is decoded once for all of its faces. A run that was stopped goes on where it was.

    The columns after file_name, label, split, group and the manifest's own: `photo` (the source's
    name), `photo_frame`, `photo_box` ("x y width height" in pixels of the photograph), `face`
    (see `PrepareSummary.ways`), `face_score`, and `no_face`, the policy.

    Args:
        manifest: The data set, or where it is; see `Manifest.load`.
        output: Where the crops go; made if missing.
        config: How they are cut.
        finder: Finds faces; YuNet by default, fetched only if it is needed.
        strict: Whether a bad file or box stops the work instead of being listed.
        workers: Threads; a few more than there are processors by default.
        options: Share the work among many processes or machines, which see data set and output
            at the same place.

    Returns:
        The crops, how they were made, and what was left out.

    Raises:
        BadOutputError: If `output` holds something else, or cannot be written to.
        BadImageError: When strict, at anything bad; or, if `config.no_face` is "fail", at the
            first photograph without a face.
        BadManifestError: If there is no crop in the end.
        AssetError: If YuNet is needed, and out of reach.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for label in ("real", "fake"):
        ...     (folder / "in" / label).mkdir(parents=True)
        ...     Image.new("RGB", (80, 60), "teal").save(folder / "in" / label / "a.png")
        >>> summary = prepare(folder / "in", folder / "out", PrepareConfig(crops=True, size=32))
        >>> len(summary.manifest), summary.ways
        (2, {'kept': 2})
    """
    config, output = config or PrepareConfig(), Path(output)
    if not isinstance(manifest, Manifest):
        manifest = Manifest.load(Path(manifest), strict=strict)
    _check_apart(manifest.root, output)
    origin = os.path.abspath(manifest.root)  # noqa: PTH100  without following links
    identity = {"root": origin, **config.model_dump()}
    _announce_frames(manifest, config)
    finder = finder or _LazyFinder()
    cutter = Cutter(output, config, finder, strict=strict)
    crops: dict[int, list[tuple[str, Cut]]] = {}
    problems: list[Skipped] = list(manifest.skipped)
    with (
        claim(output, identity, what="demagnify data prepare"),
        Journal(output / JOURNAL) as journal,
    ):
        lost: dict[str, str] = {}
        if options is not None:
            lost = prepare_in_units(
                manifest, output, config, finder, options, journal, strict=strict
            )

        def work(source: Source) -> tuple[Source, Outcome]:
            known = _finished(journal, source, output)
            if known is not None and not (strict and known.problems):
                return source, known
            if source.name in lost:
                return source, Outcome(problems=[(source.name, lost[source.name])])
            outcome = cutter.cut(source)
            journal.add(source.name, finished_item(source, outcome))
            return source, outcome

        for source, outcome in in_threads(
            work, Sources(manifest), "cutting faces", workers=workers
        ):
            for cut in outcome.cuts:
                crops.setdefault(source.rows[cut.record], []).append((source.name, cut))
            problems.extend(Skipped(where, reason) for where, reason in outcome.problems)
        summary = _finish(manifest, output, config, crops, problems)
        written = [file_checksum(output / name) for name in (FILE_NAME, SKIPPED_NAME)]
        if journal.find(TABLES) != written:
            journal.add(TABLES, written)
        return summary


def _finished(journal: Journal, source: Source, output: Path) -> Outcome | None:
    """Returns the outcome of an earlier run; None if the file or one of its crops is not there."""
    item = journal.find(source.name)
    if item is None or item["digest"] != source.digest():
        return None
    cuts = [Cut(**cut) for cut in item["cuts"]]
    damaged = _damaged(cuts, output)
    if damaged:
        warnings.warn(
            f"{output / damaged}: is damaged or gone; it is made again",
            DemagnifyWarning,
            stacklevel=2,
        )
        return None
    return Outcome(cuts, [(where, reason) for where, reason in item["problems"]])


def _damaged(cuts: Sequence[Cut], output: Path) -> str:
    """Returns the name of the first crop that is not as it was written; empty if all are."""
    for folder in {(output / cut.file_name).parent for cut in cuts}:
        sweep_dead(folder)
    wrong = (cut for cut in cuts if file_checksum(output / cut.file_name) != cut.checksum)
    return next((cut.file_name for cut in wrong), "")


def is_intact(output: Path) -> bool:
    """Whether the crops and tables that `prepare` wrote are there, as they were written."""
    tables = (FILE_NAME, SKIPPED_NAME)
    if not all((output / name).is_file() for name in (*tables, JOURNAL)):
        return False
    with Journal(output / JOURNAL) as journal:
        noted = journal.find(TABLES)
        if noted != [file_checksum(output / name) for name in tables]:
            return False
        items = [[Cut(**cut) for cut in item["cuts"]] for name, item in journal.items() if name]
    with ThreadPoolExecutor() as readers:
        return not any(readers.map(lambda cuts: _damaged(cuts, output), items))


def _announce_frames(manifest: Manifest, config: PrepareConfig) -> None:
    """Says how many frames are taken of videos for which no frame is named."""
    whole = manifest.whole_videos
    if whole:
        warnings.warn(
            f"{manifest.source}: {whole} videos name no frame: {config.video_frames} frames are "
            "taken of each, evenly (video_frames sets how many)",
            DemagnifyWarning,
            stacklevel=3,
        )


class _LazyFinder:
    """YuNet, fetched when the first face is looked for: data sets with boxes do not need it."""

    def __init__(self) -> None:
        self._finder: FaceFinder | None = None

    def find(self, pixels: Pixels) -> list[Face]:
        if self._finder is None:
            self._finder = FaceFinder()
        return self._finder.find(pixels)


def _check_apart(root: Path, output: Path) -> None:
    """Makes sure that the crops do not become a part of the data set that they are made of."""
    home, place = root.resolve(), output.resolve()
    wrong = ""
    if home.is_relative_to(place):
        wrong = "holds the data set itself"
    elif place.is_relative_to(home):
        folders = {part.lower() for part in place.relative_to(home).parts[:-1]}
        if folders & set(NAMES):
            wrong = "lies among the images of a label"
    if wrong:
        raise BadOutputError(f"{output} {wrong}", hint="choose an output folder elsewhere")


def _finish(
    manifest: Manifest,
    output: Path,
    config: PrepareConfig,
    crops: Mapping[int, Sequence[tuple[str, Cut]]],
    problems: Sequence[Skipped],
) -> PrepareSummary:
    """Writes the two tables, `metadata.csv` last: where it is, everything is.

    Args:
        manifest: The data set.
        output: The folder.
        config: How faces were cut.
        crops: The crops of each record, by its number, with the name of the photograph.
        problems: What was left out.
    """
    if not crops:
        first = f"; the first of {len(problems)}: {problems[0]}" if problems else ""
        raise BadManifestError(f"{output}: no face could be cut out{first}")
    builder = ManifestBuilder(output)
    rows = np.sort(np.fromiter(crops, dtype=np.int64, count=len(crops)))
    for row, record in zip(rows.tolist(), manifest[rows], strict=True):
        for photo, cut in crops[row]:
            about = _about(photo, cut, config)
            builder.add_row(
                cut.file_name,
                record.label,
                record.split,
                record.group,
                extra={**record.extra, **about},
            )
    made = builder.build()
    write_skipped(output / SKIPPED_NAME, problems)
    made.save(output / FILE_NAME)
    ways = Counter[str](cut.way for cuts in crops.values() for _, cut in cuts)
    skipped = sum(problem.reason == NO_FACE for problem in problems)
    return PrepareSummary(
        made, dict(ways), ways["whole"] + skipped, config.no_face, tuple(problems)
    )


def _about(photo: str, cut: Cut, config: PrepareConfig) -> dict[str, str]:
    """Returns what the manifest says of a crop besides what it said of the photograph."""
    return {
        "photo": photo,
        "photo_frame": cut.frame,
        "photo_box": cut.box,
        "face": cut.way,
        "face_score": cut.score,
        "no_face": config.no_face,
    }


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Writes what was left out as CSV: where, reason."""
    buffer = io.StringIO()
    write_rows(buffer, [("where", "reason"), *((line.where, line.reason) for line in skipped)])
    write_text(path, buffer.getvalue())


def read_skipped(path: Path) -> list[Skipped]:
    """Reads what `write_skipped` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Skipped(row["where"], row["reason"]) for row in csv.DictReader(file)]
