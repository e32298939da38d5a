"""Cuts all faces of a data set into a folder of crops that everything else reads."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.assets import cache_folder
from demagnify.core.errors import BadImageError, BadManifestError, BadOutputError
from demagnify.core.files import write_text
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.core.runs import Journal, claim, hold
from demagnify.data.dataset import FaceDataset
from demagnify.data.face_finding import Face, FaceFinder
from demagnify.data.labels import NAMES
from demagnify.data.manifest import FILE_NAME, Manifest, ManifestBuilder
from demagnify.data.prepare.cutting import NO_FACE, Cut, Cutter, Finder, Outcome, PrepareConfig
from demagnify.data.prepare.sources import Source, Sources
from demagnify.data.records import Skipped
from demagnify.data.storage import CACHE_HINT

SKIPPED_NAME: Final = "skipped.csv"
JOURNAL: Final = "prepare.jsonl"


@dataclass(frozen=True)
class PrepareSummary:
    """What became of a data set.

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
    manifest: Manifest,
    output: Path,
    config: PrepareConfig | None = None,
    *,
    finder: Finder | None = None,
    strict: bool = False,
    workers: int | None = None,
) -> PrepareSummary:
    """Cuts out every face of a manifest and writes the crops as PNG with a `metadata.csv`.

    Boxes that the data set gives are used; where it gives none, faces are found with YuNet. Real
    and fake faces go through the same decoding and the same lossless encoding. Each photograph or
    video is decoded once for all of its faces. A run that was stopped goes on where it was.

    The columns after file_name, label, split, group and the manifest's own: `photo` (the source's
    name), `photo_frame`, `photo_box` ("x y width height" in pixels of the photograph), `face`
    (see `PrepareSummary.ways`), `face_score`, and `no_face`, the policy.

    Args:
        manifest: The data set; see `Manifest.load`.
        output: Where the crops go; made if missing.
        config: How they are cut.
        finder: Finds faces; YuNet by default, fetched only if it is needed.
        strict: Whether a bad file or box stops the work instead of being listed.
        workers: Threads; a few more than there are processors by default.

    Raises:
        BadOutputError: If `output` holds something else, or cannot be written to.
        BadImageError: When strict, at anything bad; or, if `config.no_face` is "fail", at the
            first photograph without a face.
        BadManifestError: If there is no crop in the end.
        AssetError: If YuNet is needed, and out of reach.
    """
    config = config or PrepareConfig()
    _check_apart(manifest.root, output)
    origin = os.path.abspath(manifest.root)  # noqa: PTH100  without following links
    identity = {"root": origin, **config.model_dump()}
    cutter = Cutter(output, config, finder or _LazyFinder(), strict=strict)
    crops: dict[int, list[tuple[str, Cut]]] = {}
    problems: list[Skipped] = list(manifest.skipped)
    with (
        claim(output, identity, what="demagnify data prepare"),
        Journal(output / JOURNAL) as journal,
    ):

        def work(source: Source) -> tuple[Source, Outcome]:
            known = _finished(journal, source, output)
            if known is not None and not (strict and known.problems):
                return source, known
            outcome = cutter.cut(source)
            journal.add(source.name, {"digest": source.digest(), **asdict(outcome)})
            return source, outcome

        for source, outcome in in_threads(
            work, Sources(manifest), "cutting faces", workers=workers
        ):
            for cut in outcome.cuts:
                crops.setdefault(source.rows[cut.record], []).append((source.name, cut))
            problems.extend(Skipped(where, reason) for where, reason in outcome.problems)
        return _finish(manifest, output, config, crops, problems)


def _finished(journal: Journal, source: Source, output: Path) -> Outcome | None:
    """Returns the outcome of an earlier run; None if the file or one of its crops is not there."""
    item = journal.find(source.name)
    if item is None or item["digest"] != source.digest():
        return None
    cuts = [Cut(**cut) for cut in item["cuts"]]
    whole = all((output / cut.file_name).is_file() for cut in cuts)
    return Outcome(cuts, [(where, reason) for where, reason in item["problems"]]) if whole else None


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
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("where", "reason"))
    writer.writerows((line.where, line.reason) for line in skipped)
    write_text(path, buffer.getvalue())


def read_skipped(path: Path) -> list[Skipped]:
    """Reads what `write_skipped` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Skipped(row["where"], row["reason"]) for row in csv.DictReader(file)]


FOLDER: Final = "prepared"
AS_IT_IS: Final = PrepareConfig(unboxed="keep")
"""Cut out what has a box or is a frame; take everything else for the face crop that it is."""


def prepared(
    manifest: Manifest,
    config: PrepareConfig = AS_IT_IS,
    *,
    finder: Finder | None = None,
    strict: bool = False,
    workers: int | None = None,
) -> Manifest:
    """Returns a manifest of face crops: itself, or crops of it from the cache.

    What is not a face crop yet is cut out as `prepare` does it, into the folder `prepared` of the
    cache, once for the same manifest, photographs and settings; two runs at once do it once.

    Args:
        manifest: The data set.
        config: How faces are cut.
        finder: Finds faces; YuNet by default, fetched only if it is needed.
        strict: Whether a bad file or box is an error instead of being in `skipped`.
        workers: Threads; a few more than there are processors by default.

    Raises:
        BadOutputError: If the cache cannot be written to.
        BadImageError: When strict, if there is anything bad.
        BadManifestError: If no face could be cut out.
    """
    if manifest.prepared:
        return manifest
    folder = cache_folder() / FOLDER / _key(manifest, config)
    with hold(folder.with_suffix(".lock"), hint=CACHE_HINT):
        if not (folder / FILE_NAME).is_file():
            bare = Manifest.from_table(manifest.table, root=manifest.root)
            prepare(bare, folder, config, finder=finder, strict=strict, workers=workers)
    skipped = read_skipped(folder / SKIPPED_NAME)
    bad = [line for line in skipped if line.reason != NO_FACE]
    if strict and bad:
        raise BadImageError(f"{manifest.root}: {bad[0]}")
    crops = Manifest.load(folder / FILE_NAME)
    return Manifest.from_table(crops.table, root=folder, skipped=(*manifest.skipped, *skipped))


def open_faces(manifest: Manifest, *, size: int, strict: bool = False) -> FaceDataset:
    """Opens the faces of any manifest, cut out first where need be.

    Args:
        manifest: The data set.
        size: Side of the faces in pixels.
        strict: Whether a bad file or box is an error instead of being in `skipped`.

    Returns:
        The faces; `skipped` lists what could not be cut out, then what could not be decoded.

    Raises:
        BadImageError: When strict, if there is anything bad.
        BadManifestError: If there is no face.
        BadOutputError: If the cache is needed and cannot be written to.
    """
    crops = prepared(manifest, strict=strict)
    faces = FaceDataset.open(crops, size=size, strict=strict)
    faces.skipped = (*crops.skipped, *faces.skipped)
    return faces


def _key(manifest: Manifest, config: PrepareConfig) -> str:
    """Returns what changes when a record, a photograph or a setting does."""
    root = os.path.abspath(manifest.root)  # noqa: PTH100  without following links
    digest = hashlib.sha256(f"prepared v1 {config.model_dump_json()}\n{root}\n".encode())
    digest.update(_content(manifest.table))
    for name in pc.unique(manifest.table["file_name"]).to_pylist():
        digest.update(_stamp(manifest.root / name))
    return digest.hexdigest()[:32]


def _content(table: pa.Table) -> pa.Buffer:
    """Returns all rows as bytes: the same for the same rows, however they are kept in memory."""
    texts = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    plain = table.cast(pa.schema(texts)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return sink.getvalue()


def _stamp(path: Path) -> bytes:
    try:
        status = os.stat(path)  # noqa: PTH116  Path.stat fails on odd names in other ways
    except (OSError, ValueError):
        return b"missing\n"
    return f"{status.st_size} {status.st_mtime_ns}\n".encode()
