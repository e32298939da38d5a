"""The whole way of a folder through an attack."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demagnify.core import images, progress
from demagnify.core.errors import BadImageError, BadOutputError
from demagnify.core.files import write_bytes
from demagnify.data.face_finding import FaceFinder
from demagnify.data.records import Skipped
from demagnify.laundering.batches import Batch, in_batches
from demagnify.laundering.config import FolderConfig
from demagnify.laundering.figure import attack_figure
from demagnify.laundering.finishing import Finisher
from demagnify.laundering.jobs import Ended
from demagnify.laundering.picture import examples
from demagnify.laundering.quality import QualitySummary
from demagnify.laundering.reading import Find, JobReader
from demagnify.laundering.sources import Sources, read_sources
from demagnify.laundering.tables import write_tables
from demagnify.laundering.threads import Crew, ahead
from demagnify.laundering.worklog import WorkLog
from demagnify.transforms.attacks.base import Attack


@dataclass(frozen=True)
class FolderSummary:
    """What became of a folder.

    Attributes:
        output: The folder with the copies, `metadata.csv`, `faces.csv` and `skipped.csv`.
        holds: What the files were taken for: "photos" or "crops".
        photos: How many copies there are.
        untouched: How many of these have no attacked face, because none was found or chosen.
        quality: How many faces were attacked, and how close they are to the originals.
        skipped: What was left out, and why.
        picture: A few faces before and after the attack, to look at; beside the folder.
    """

    output: Path
    holds: str
    photos: int
    untouched: int
    quality: QualitySummary
    skipped: tuple[Skipped, ...]
    picture: Path


def attack_folder(
    source: Path,
    output: Path,
    attack: Attack,
    *,
    config: FolderConfig | None = None,
    strict: bool = False,
    batch_size: int = 16,
    find: Find | None = None,
) -> FolderSummary:
    """Writes an attacked copy of every photograph or face crop of a folder or manifest.

    In a photograph every face is cut out, attacked, and pasted back in its place; a face crop is
    attacked as a whole. Copies have the names of their originals. Photographs in which nothing is
    attacked are written in the same way, so that the folder is a complete set and no file's format
    tells which is which. See `write_tables` for what is listed; a picture of a few faces stands
    beside the folder under its name and ".png".

    A run that was stopped goes on where it was. What is done, told by content, attack and
    settings, is not done again.

    Args:
        source: A manifest (see `Manifest.load`), a folder of images without labels, or a file.
        output: Where the copies go; made if missing.
        attack: The attack.
        config: What is attacked, and how copies are written.
        strict: Whether a bad file stops the work instead of being skipped.
        batch_size: How many faces of one size are attacked at once.
        find: What finds faces where the manifest names none; YuNet if None.

    Raises:
        BadManifestError: If `source` is no manifest, and no folder with images.
        BadOutputError: If `output` holds something else, or cannot be written to.
        BadConfigError: If faces are chosen by labels that there are not.
        BadImageError: When strict, at the first bad file; or if no face could be attacked.
    """
    config = config or FolderConfig()
    sources = read_sources(source, strict=strict, save_as=config.save_as, chosen=config.faces)
    _check_apart(source, output)
    if config.holds == "auto":
        config = config.model_copy(update={"holds": sources.holds()})
    skipped = sources.skipped
    with WorkLog(output, attack, config) as log:
        reader = JobReader(config, find or _yunet(), log)
        finisher = Finisher(config, output, log)
        with progress.bar(f"attacking with {attack.name}", len(sources)) as advance:
            for ended in _work(sources, reader, attack, finisher, batch_size):
                if ended.error is not None:
                    if strict:
                        raise ended.error
                    reason = ended.error.message.removeprefix(f"{ended.source.path}: ")
                    skipped.append(Skipped(ended.source.name, reason))
                advance(1)
        write_tables(output, sources, log, skipped, config)
        return _summary(source, output, sources, log, config)


def _check_apart(source: Path, output: Path) -> None:
    """Refuses an output in which copies would be taken for originals the next time."""
    target = output.resolve()
    single = source.is_file() and source.suffix.lower() in images.SUFFIXES
    folder = source.resolve() if source.is_dir() else source.resolve().parent
    inside = target == folder if single else target.is_relative_to(folder)
    if inside or folder.is_relative_to(target):
        raise BadOutputError(
            f"{output} and {source} lie in one another", hint="choose an output folder elsewhere"
        )


def _yunet() -> Find:
    """Returns YuNet, which is fetched when the first photograph needs it."""
    finder = functools.cache(FaceFinder)
    return lambda pixels: finder().find(pixels)


def _work(
    sources: Sources, reader: JobReader, attack: Attack, finisher: Finisher, batch_size: int
) -> Iterator[Ended]:
    """Brings every file to its end: some threads read, this one attacks, others write."""
    with Crew(reader) as readers, Crew(finisher) as finishers:
        for ready in ahead(in_batches(readers.map(sources), batch_size)):
            if isinstance(ready, Ended):
                yield ready
                continue
            for job in ready.run(attack) if isinstance(ready, Batch) else [ready]:
                yield from finishers.give(job)
        yield from finishers.rest()


def _summary(
    source: Path, output: Path, sources: Sources, log: WorkLog, config: FolderConfig
) -> FolderSummary:
    quality = log.summary()
    if not quality.count:
        reason = sources.skipped[0] if sources.skipped else log.first_note()
        raise BadImageError(f"{source}: no face could be attacked; the first: {reason}")
    photos, untouched = log.count()
    picture = output.parent / f"{output.resolve().name}.png"
    write_bytes(picture, attack_figure(list(examples(output, sources, log))))
    return FolderSummary(
        output=output,
        holds=config.holds,
        photos=photos,
        untouched=untouched,
        quality=quality,
        skipped=tuple(sources.skipped),
        picture=picture,
    )
