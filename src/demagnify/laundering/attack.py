"""Attacked copies of photographs or face crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demagnify.core import images, progress
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadConfigError, BadImageError, BadOutputError
from demagnify.data.records import Skipped
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.figure import write_figure
from demagnify.laundering.journal import FinishedPhotographs, claimed
from demagnify.laundering.photographs import FindFaces, Job, Outcome, Reader, Writer
from demagnify.laundering.quality import QualitySummary
from demagnify.laundering.sources import Source, Sources, read_sources
from demagnify.laundering.tables import finished, unplaced, write_tables
from demagnify.laundering.units import attack_in_units, attack_sources, load_transform, yunet
from demagnify.transforms.base import Transform


@dataclass(frozen=True)
class AttackSummary:
    """The result of an attack on a folder.

    Attributes:
        output: The folder with the copies, `metadata.csv`, `faces.csv` and `skipped.csv`.
        content: What the files were taken for: "photos" or "crops".
        photos: How many copies there are.
        unattacked: How many of these have no attacked face, because none was found or chosen.
        quality: How many faces were attacked, and how close they are to the originals.
        skipped: What was left out, and why.
        figure: A few faces before and after the attack, as PNG beside the folder.
    """

    output: Path
    content: str
    photos: int
    unattacked: int
    quality: QualitySummary
    skipped: tuple[Skipped, ...]
    figure: Path


def attack(
    source: Path | str,
    output: Path | str,
    config: AttackConfig | None = None,
    *,
    transform: Transform | None = None,
    find_faces: FindFaces | None = None,
    log: Callable[[str], None] | None = None,
    options: EngineOptions | None = None,
) -> AttackSummary:
    """Writes an attacked copy of every photograph or face crop of a folder or manifest.

    In a photograph every face is cut out, attacked, and pasted back in its place; a face crop is
    attacked as a whole. Copies have the names of their originals. Photographs in which nothing is
    attacked are written in the same way, so that the folder is a complete set and no file's format
    tells which is which. See `write_tables` for the lists; a figure of a few faces stands beside
    the folder under its name and ".png".

    A run that was stopped continues. Finished copies, known by content, attack and settings, are
    not made again unless their checksum differs.

    Args:
        source: A manifest (see `Manifest.load`), a folder of images without labels, or a file.
        output: Where the copies go; made if missing.
        config: Which attack, on which faces, and how copies are written.
        transform: The attack as an object, in place of the one that `config` names.
        find_faces: Finds faces where the manifest names none; YuNet if None.
        log: Gets a line about each copy that is made again because it was damaged.
        options: Share the work among many processes or machines; not with objects.

    Returns:
        How many faces were attacked, how close they are to the originals, and what was skipped.

    Raises:
        UnknownNameError: If the attack is neither registered nor a file.
        BadManifestError: If `source` is no manifest, and no folder with images.
        BadOutputError: If `output` holds something else, or cannot be written to.
        BadConfigError: If faces are chosen by label and there are no labels.
        BadImageError: When strict, at the first bad file; or if no face could be attacked.

    Example:
        >>> import tempfile, numpy as np
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        >>> Image.fromarray(pixels).save(folder / "face.png")
        >>> config = AttackConfig(attack="bicubic-x2", content="crops", device="cpu")
        >>> summary = attack(folder, folder.with_name(folder.name + "-attacked"), config)
        >>> summary.quality.count, summary.quality.psnr < 20
        (1, True)

    Source:
        Coccomini, Caldelli, Amato, Falchi, Gennaro: Adversarial Magnification to Deceive Deepfake
        Detection through Super Resolution, arXiv 2407.02670.
    """
    source, output = Path(source), Path(output)
    config = config or AttackConfig()
    if options is not None and (transform is not None or find_faces is not None):
        raise BadConfigError("objects cannot be sent to workers", hint="name the attack in config")
    transform = transform or load_transform(config)
    sources = read_sources(source, config)
    _check_apart(source, output)
    if config.content == "auto":
        config = config.model_copy(update={"content": sources.content()})
    skipped = sources.skipped
    with claimed(output, transform, config) as journal:
        say = log or (lambda _line: None)
        problems: dict[str, str] = {}
        if options is not None:
            problems = attack_in_units(source, output, sources, config, options, journal)
        read = Reader(config, find_faces or yunet(), output, journal, say)

        def reader(one: Source) -> Job | Outcome:
            """Reads a photograph over which no worker failed."""
            problem = problems.get(one.name)
            return read(one) if problem is None else Outcome(one, BadImageError(problem))

        writer = Writer(config, output, journal)
        with progress.bar(f"attacking with {transform.name}", len(sources)) as advance:
            for outcome in attack_sources(sources, transform, config, reader, writer):
                if outcome.error is not None:
                    if config.strict:
                        raise outcome.error
                    reason = outcome.error.message.removeprefix(f"{outcome.source.path}: ")
                    skipped.append(Skipped(outcome.source.name, reason))
                advance(1)
        skipped.extend(unplaced(sources, journal))
        write_tables(output, sources, journal, skipped, config)
        return _summary(source, output, sources, journal, config)


def _check_apart(source: Path, output: Path) -> None:
    """Refuses an output in which copies would be taken for originals the next time."""
    target = output.resolve()
    single = images.is_image(source)
    folder = source.resolve() if source.is_dir() else source.resolve().parent
    inside = target == folder if single else target.is_relative_to(folder)
    if inside or folder.is_relative_to(target):
        raise BadOutputError(
            f"{output} and {source} lie in one another", hint="choose an output folder elsewhere"
        )


def _summary(
    source: Path, output: Path, sources: Sources, journal: FinishedPhotographs, config: AttackConfig
) -> AttackSummary:
    photos, unattacked = 0, 0
    figures: list[tuple[float | None, float | None]] = []
    notes: list[str] = []
    for _, record in finished(sources, journal):
        attacked = [(face.psnr, face.ssim) for face in record.faces if face.attacked]
        photos += 1
        unattacked += not attacked
        figures += attacked
        if not figures and not notes:
            notes = [note for note in (*(face.note for face in record.faces), record.note) if note]
    if not figures:
        reason = sources.skipped[0] if sources.skipped else "".join(notes[:1])
        raise BadImageError(f"{source}: no face could be attacked; the first: {reason}")
    return AttackSummary(
        output=output,
        content=config.content,
        photos=photos,
        unattacked=unattacked,
        quality=QualitySummary.of(*np.array(figures, dtype=np.float64).T),
        skipped=tuple(sources.skipped),
        figure=write_figure(output, sources, journal),
    )
