"""Calibrates a defence on labelled faces: `demagnify calibrate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

import demagnify
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.core.devices import Precision
from demagnify.core.files import sha256
from demagnify.core.settings import DetectorOptions
from demagnify.data.manifest import Manifest
from demagnify.data.records import Skipped
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.calibration import Calibration
from demagnify.inference.conditions import FILE as TABLE
from demagnify.inference.conditions import Condition, ConditionTable
from demagnify.inference.enhancement import EnhancementRecognizer
from demagnify.inference.fitting import Rows, fallbacks, fit_parts, names_of
from demagnify.inference.labelled import (
    STORED,
    Enhancement,
    Faces,
    Laundering,
    asks,
    collect,
    open_labelled,
)
from demagnify.inference.measuring import measure
from demagnify.laundering.conditions import CLEAN, create_attacks


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
    enhancers: tuple[str, ...] = Field(
        default=(),
        description="Super-resolution networks by which each face is enhanced in addition, as the "
        "network leaves it and stored as JPEG 75: for limits of faces that are called enhanced.",
    )
    by_enhancement: bool = Field(
        default=True,
        description="Fit limits also by the answer about enhancement: captured, enhanced, cannot "
        "tell.",
    )
    enhancement: Path | None = Field(
        default=None,
        description="A folder that train-enhancement wrote: what says whether a face was enhanced.",
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

    Faces are seen as `detect` sees them: at their own size, which says whether they were enhanced,
    and resized for the detector. Writes `calibration.json`, fitted on the split val, and
    `conditions.json`, measured on the split test, to `output`: the folder of the defence, or one
    that `detect` gets.

    Args:
        data: Labelled faces; see `Manifest.load`.
        output: Where to write.
        config: The settings; the defaults if None.
        defense: The defended detector; the one that `config` names if None.
        enhancement: Answers whether faces were enhanced; the network that `config` names if None.
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
    attacks = create_attacks(config.attacks, device=config.device)  # a misspelt one is found now
    enhancers = create_attacks(config.enhancers, device=config.device)
    if defense is None:
        defense = load_defense(config.defense, device=config.device, precision=config.precision)
    recognizer = ""
    if enhancement is None and config.by_enhancement:
        enhancement, recognizer = recognizes(config.enhancement)
    ask = asks(defense, enhancement)

    def opened(split: str) -> tuple[Faces, Laundering]:
        faces = open_labelled(
            data,
            split,
            reals_only=config.reals_only,
            count=config.subsample,
            strict=config.strict,
            on_skip=on_skip,
        )
        return faces, Laundering(attacks, len(faces), config.seed, f"calibrate {split}")

    faces, launder = opened(config.split)
    log(f"calibrating on {len(faces)} faces of {config.split}, each clean and laundered")
    rows = collect(faces, ask, launder, enhancers)
    made = fit(rows, launder, defense.fingerprint(), config, data=data, command=command)
    made = made.model_copy(update={"recognizer": recognizer})
    for line in fallbacks(rows, made.parts):
        log(line)
    found = None
    if config.test_split != "none":
        if all(_has(source, config.test_split) for source in (*data, *config.reals_only)):
            test, launder = opened(config.test_split)
            log(f"measuring error rates on {len(test)} faces of {config.test_split}")
            found = measure(test, ask, made, launder, enhancers)
        else:
            log(f"no split {config.test_split}: error rates by condition are not measured")
    save(output, made, found, device=str(defense.device or "cpu"))
    return made


def recognizes(folder: Path | None) -> tuple[Enhancement, str]:
    """Returns what answers whether faces were enhanced, and the SHA-256 of its network.

    Args:
        folder: One that train-enhancement wrote; the network of demagnify if None.
    """
    recognizer = EnhancementRecognizer.load(folder)
    return lambda crops: [one.answer for one in recognizer(crops)], recognizer.sha256


def fit(
    rows: Rows,
    launder: Laundering,
    fingerprint: str,
    config: CalibrationConfig,
    *,
    data: Sequence[Path],
    command: str = "",
) -> Calibration:
    """Fits a calibration to the logits of `collect`; see `calibrate`."""
    attacks, counts = np.unique(launder.names, return_counts=True)
    met = {CLEAN: len(launder.names)}
    met |= {str(name): int(count) for name, count in zip(attacks, counts, strict=True)}
    if rows.enhancers is not None:
        for name in sorted(set(rows.enhancers[rows.enhanced].tolist())):
            mine = rows.enhancers == name
            for way, again in ((name, False), (f"{name}+jpeg-{STORED}", True)):
                met[way] = met.get(way, 0) + int((mine & (rows.laundered == again)).sum())
    return Calibration(
        fingerprint=fingerprint,
        target_fpr=config.target_fpr,
        target_fnr=config.target_fnr,
        parts=fit_parts(rows, target_fpr=config.target_fpr, target_fnr=config.target_fnr),
        data=names_of(data),
        reals_only=names_of(config.reals_only),
        conditions=met,
        command=command,
        demagnify=demagnify.__version__,
    )


def save(
    folder: Path,
    calibration: Calibration,
    found: Sequence[Condition] | None,
    *,
    device: str = "cpu",
) -> None:
    """Writes a calibration with its table of conditions; a table of an older one goes away.

    Args:
        folder: Where to write.
        calibration: The calibration.
        found: The error rates of its verdicts by condition; None if they were not measured.
        device: Where the defence ran, for the record.

    Raises:
        BadOutputError: If `folder` cannot be written to.
    """
    (folder / TABLE).unlink(missing_ok=True)
    path = calibration.save(folder)
    if found is None:
        return
    machine = describe_machine(device)
    ConditionTable(
        fingerprint=calibration.fingerprint,
        calibration_sha256=sha256(path),
        conditions=tuple(found),
        data=calibration.data,
        command=calibration.command,
        machine=f"{machine.processor}, {machine.device}",
    ).save(folder)


def _has(source: Path, split: str) -> bool:
    return split in {counts.split for counts in Manifest.load(source).describe()}
