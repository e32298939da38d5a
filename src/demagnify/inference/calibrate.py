"""Calibrates a defence on labelled faces: `demagnify calibrate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from scipy.stats import beta

import demagnify
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.core import images, progress
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.core.rng import generator
from demagnify.core.settings import DetectorOptions
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import Manifest
from demagnify.data.prepare.opening import open_faces, prepared
from demagnify.data.records import Skipped
from demagnify.data.subsample import subsample
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.calibration import ANY, Calibration
from demagnify.inference.conditions import QUALITIES, SIZES, Condition, ConditionTable, Rate
from demagnify.inference.fitting import Rows, fit_parts, names_of
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, create_attacks, default_cache

Enhancement = Callable[[NDArray[np.uint8]], Sequence[str]]
"""Maps crops, uint8 RGB (N, S, S, 3), to answers about enhancement, such as "captured"."""

FACES_AT_ONCE: Final = 64


class CalibrationConfig(DetectorOptions):
    """What is calibrated, on what, and what is promised."""

    defense: str = Field(
        default="default",
        description="A folder that train-defense wrote, the name of weights that come with "
        "demagnify, or any detector.",
    )
    target_fpr: float = Field(
        default=0.01, gt=0, lt=1, description="Share of real faces that may be called fake."
    )
    target_fnr: float = Field(
        default=0.05, gt=0, lt=1, description="Share of fake faces that may be called real."
    )
    attacks: tuple[str, ...] = Field(
        default=("bicubic-x2", "bicubic-x4", "filters", "bicubic-x2+jpeg-75", "jpeg-75"),
        description="Attacks that launder faces: each face counts clean, and under one of them.",
    )
    reals_only: tuple[Path, ...] = Field(
        default=(),
        description="Further data sets whose real faces alone are used: their fake ones are of "
        "kinds that the defence does not look for.",
    )
    split: str = Field(default="val", description="The split to calibrate on.")
    test_split: str = Field(
        default="test",
        description="The split on which the error rates are measured; none measures nothing.",
    )
    seed: int = Field(default=0, description="Of the draw of an attack for each face.")
    precision: Precision = Field(
        default="float32", description="Precision of the detector: float32, bfloat16 or auto."
    )


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces clean and laundered, before they are asked about.

    Attributes:
        clean: As they are.
        laundered: The same faces, each under one attack.
        attacks: (N,), the attack of each.
        sides: (N,), the side of the crop in the file, before it was resized.
        sources: (N,), the number of the data set of each.
    """

    clean: FaceDataset
    laundered: FaceDataset
    attacks: NDArray[np.str_]
    sides: NDArray[np.int64]
    sources: NDArray[np.int64]


def calibrate(
    data: Sequence[Path],
    output: Path,
    config: CalibrationConfig | None = None,
    *,
    defense: DefendedDetector | None = None,
    enhancement: Enhancement | None = None,
    command: str = "",
    log: Callable[[str], None] = lambda _line: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Calibration:
    """Fits the limits of the verdicts and the likelihood ratio, and measures the error rates.

    Writes `calibration.json`, fitted on the split val, and `conditions.json`, measured on the
    split test, to `output`: the folder of the defence, or one that `detect` gets.

    Args:
        data: Labelled faces; see `Manifest.load`.
        output: Where to write.
        config: The settings; the defaults if None.
        defense: The defended detector; the one that `config` names if None.
        enhancement: Answers whether a face was enhanced; limits are then fitted by answer, too.
        command: The command line, for the record.
        log: Gets each line about the progress.
        on_skip: Gets each file or line that is left out.

    Returns:
        What was written to `calibration.json`.

    Raises:
        BadManifestError: If a data set cannot be used or lacks the split to calibrate on.
        BadConfigError: If there are no real or no fake faces, or no attack.
        BadArtifactError: If the defence cannot be loaded.
        BadOutputError: If `output` cannot be written to.

    Example:
        >>> config = CalibrationConfig(target_fpr=0.05)
        >>> calibrate([Path("faces")], Path("runs/defense"), config)  # doctest: +SKIP
    """
    config = config or CalibrationConfig()
    create_attacks(config.attacks, device=config.device)  # a misspelt one is found at once
    if defense is None:
        defense = load_defense(config.defense, device=config.device, precision=config.precision)
    faces = open_laundered(data, config, config.split, defense.input_size, on_skip)
    log(f"calibrating on {len(faces.clean)} faces of {config.split}, each clean and laundered")
    rows = collect(faces, defense, enhancement)
    calibration = fit(rows, faces, defense.fingerprint(), config, data=data, command=command)
    path = calibration.save(output)
    if config.test_split == "none":
        return calibration
    if not all(_has(source, config.test_split) for source in data):
        log(f"no split {config.test_split}: error rates by condition are not measured")
        return calibration
    test = open_laundered(data, config, config.test_split, defense.input_size, on_skip)
    log(f"measuring error rates on {len(test.clean)} faces of {config.test_split}")
    machine = describe_machine(str(defense.device or "cpu"))
    ConditionTable(
        fingerprint=calibration.fingerprint,
        calibration_sha256=sha256(path),
        conditions=tuple(measure(test, defense, calibration, enhancement)),
        data=names_of(data),
        command=command,
        machine=f"{machine.processor}, {machine.device}",
    ).save(output)
    return calibration


def fit(
    rows: Rows,
    faces: Faces,
    fingerprint: str,
    config: CalibrationConfig,
    *,
    data: Sequence[Path],
    command: str = "",
) -> Calibration:
    """Fits a calibration to the logits of `collect`; see `calibrate`."""
    attacks, counts = np.unique(faces.attacks, return_counts=True)
    return Calibration(
        fingerprint=fingerprint,
        target_fpr=config.target_fpr,
        target_fnr=config.target_fnr,
        parts=fit_parts(rows, target_fpr=config.target_fpr, target_fnr=config.target_fnr),
        data=names_of(data),
        reals_only=names_of(config.reals_only),
        conditions={CLEAN: len(faces.clean)}
        | {str(name): int(count) for name, count in zip(attacks, counts, strict=True)},
        command=command,
        demagnify=demagnify.__version__,
    )


def _has(source: Path, split: str) -> bool:
    return split in {counts.split for counts in Manifest.load(source).describe()}


def open_laundered(
    data: Sequence[Path],
    config: CalibrationConfig,
    split: str,
    size: int,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Faces:
    """Opens a split of each data set and launders every face with one attack, drawn at random.

    Raises:
        BadConfigError: If there is no attack.
        BadManifestError: If a data set cannot be used.
    """
    attacks = create_attacks(config.attacks, device=config.device)
    if not attacks:
        raise BadConfigError("calibration needs an attack", hint="such as --attack bicubic-x4")
    opened = []
    for number, source in enumerate([*data, *config.reals_only]):
        manifest = Manifest.load(source, strict=config.strict)
        manifest.check_groups()
        chosen = subsample(manifest.split(split), config.subsample)
        crops = prepared(chosen, strict=config.strict)
        faces = open_faces(crops, size=size, strict=config.strict)
        for skipped in (*manifest.skipped, *faces.skipped):
            if on_skip:
                on_skip(skipped)
        root = crops.root
        sides = np.array([_side(root / name) for name in faces.names], dtype=np.int64)
        faces = faces.renamed(
            [f"{number}:{name}" for name in faces.names],
            [f"{number}:{group}" for group in faces.groups],
        )
        if number >= len(data):
            kept = np.flatnonzero(faces.labels == 0)
            faces, sides = faces.subset(kept), sides[kept]
        opened.append((faces, sides, np.full(len(faces), number)))
    clean = FaceDataset.concatenate([faces for faces, _, _ in opened])
    drawn = generator(config.seed, f"calibrate {split}").integers(len(attacks), size=len(clean))
    pixels = np.empty((len(clean), 3, size, size), dtype=np.uint8)
    for place, attack in enumerate(attacks):
        mine = np.flatnonzero(drawn == place)
        if len(mine):
            met = attacked_faces(clean.subset(mine), attack, cache=default_cache())
            pixels[mine] = met.images[np.arange(len(mine))]
    return Faces(
        clean=clean,
        laundered=clean.with_images(pixels),
        attacks=np.array([attacks[place].name for place in drawn]),
        sides=np.concatenate([sides for _, sides, _ in opened]),
        sources=np.concatenate([sources for _, _, sources in opened]),
    )


def _side(path: Path) -> int:
    with Image.open(path) as opened:
        return min(opened.size)


def collect(
    faces: Faces, defense: DefendedDetector, enhancement: Enhancement | None = None
) -> Rows:
    """Asks the defence, and about enhancement, for every face clean and laundered."""
    parts = [_ask(one, defense, enhancement) for one in (faces.clean, faces.laundered)]
    return Rows(
        logits=np.concatenate([logits for logits, _ in parts]),
        labels=np.tile(faces.clean.labels, 2),
        groups=np.tile(faces.clean.groups, 2),
        laundered=np.repeat([False, True], len(faces.clean)),
        enhancement=None
        if enhancement is None
        else np.concatenate([answers for _, answers in parts]),
    )


def _ask(
    faces: FaceDataset, defense: DefendedDetector, enhancement: Enhancement | None
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    logits, answers = np.empty(len(faces)), np.full(len(faces), ANY, dtype="U16")
    with progress.bar("classifying faces", len(faces)) as advance:
        for rows, batch in faces.batches(FACES_AT_ONCE):
            logits[rows] = defense.decide(batch).logits.double().cpu().numpy()
            if enhancement is not None:
                answers[rows] = list(enhancement(np.stack(images.from_batch(batch))))
            advance(len(rows))
    return logits, answers


def measure(
    faces: Faces,
    defense: DefendedDetector,
    calibration: Calibration,
    enhancement: Enhancement | None = None,
) -> list[Condition]:
    """Returns the error rates of the calibrated verdicts by condition.

    Half of the faces are clean, half laundered. Every face is shrunk to each size that is not
    above its own, and stored at each JPEG quality and without JPEG.
    """
    found = []
    drawn = generator(0, "conditions").integers(2, size=len(faces.clean))
    mixed = FaceDataset.choose([faces.clean, faces.laundered], drawn)
    for side, sizes in SIZES.items():
        kept = np.flatnonzero(faces.sides >= 0.9 * side)
        if not len(kept):
            continue
        chosen = mixed.subset(kept)
        for quality, limits in ((None, None), *QUALITIES.items()):
            logits, answers = _ask(_stored(chosen, side, quality), defense, enhancement)
            rows = Rows(logits, chosen.labels, chosen.groups, drawn[kept] == 1, answers)
            for answer in sorted(set(answers.tolist())):
                part = rows.where(answers == answer)
                found.append(_count(part, calibration, sizes, limits, answer))
    return found


def _stored(faces: FaceDataset, side: int, quality: int | None) -> FaceDataset:
    """Returns the faces shrunk to `side`, stored as JPEG, and resized as `detect` does."""
    pixels = np.empty(faces.images.shape, dtype=np.uint8)
    for rows, batch in faces.batches(256):
        small = [images.fit(face, side) for face in images.from_batch(batch)]
        stored = (
            small if quality is None else [images.through_jpeg(face, quality) for face in small]
        )
        pixels[rows] = images.to_batch([images.fit(face, faces.size) for face in stored]).numpy()
    return faces.with_images(pixels)


def _count(
    rows: Rows,
    calibration: Calibration,
    sizes: tuple[int, int],
    quality: tuple[int, int] | None,
    answer: str,
) -> Condition:
    verdicts = np.array(calibration.apply(rows.logits, [answer] * len(rows.logits)).verdicts)
    real, fake = rows.labels == 0, rows.labels == 1
    return Condition(
        face_size=sizes,
        jpeg_quality=quality,
        enhancement=answer,
        fpr=rate(verdicts[real] == "fake", rows.groups[real]),
        fnr=rate(verdicts[fake] == "real", rows.groups[fake]),
        abstained=rate(verdicts == "unsure", rows.groups) or _never(),
    )


def _never() -> Rate:
    raise BadConfigError("there is no face under this condition")


def rate(hits: NDArray[np.bool_], groups: NDArray[np.str_]) -> Rate | None:
    """Returns the share of hits with its interval; None if there is no face.

    Faces of one group are alike, so that groups are the trials: Clopper and Pearson's exact
    interval for share x groups hits among them.

    Example:
        >>> rate(np.zeros(10, bool), np.arange(10).astype(str)).high < 0.31
        True
    """
    if not len(hits):
        return None
    share, trials = float(hits.mean()), len(set(groups.tolist()))
    count = share * trials
    low = beta.ppf(0.025, count, trials - count + 1) if count > 0 else 0.0
    high = beta.ppf(0.975, count + 1, trials - count) if count < trials else 1.0
    return Rate(
        value=share,
        low=min(float(low), share),
        high=max(float(high), share),
        faces=len(hits),
        groups=trials,
    )
