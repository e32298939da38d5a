"""`demagnify detect`: verdicts on photographs and clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.cli.console import command_line, say, say_json, say_wrapped, show_summary
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, Option
from demagnify.core.printing import count, printable

if TYPE_CHECKING:
    from demagnify.core.engine import EngineOptions
    from demagnify.data import Skipped
    from demagnify.inference import ClipVerdict, DetectionConfig, PhotoVerdict


@verb(
    "detect",
    Argument(
        "photos",
        "Photographs and clips, or folders of them. With --output also manifests: a text file "
        "with a path or URI per line, or a table (CSV, JSON lines, Parquet) with a column uri.",
        type=str,
        nargs=-1,
        required=True,
        metavar="PHOTO...",
    ),
    Option(
        "--json", "as_json", "Print one JSON object per photograph or clip and line.", is_flag=True
    ),
    Option(
        "--report",
        "report",
        "Write a case report here: case.json, index.html and the face crops.",
        type=PATH,
    ),
    Option("--overwrite", "overwrite", "Replace a case that --report finds there.", is_flag=True),
    Option(
        "--pdf",
        "pdf",
        'With --report: print the page to report.pdf, too (extra "pdf").',
        is_flag=True,
    ),
    Option(
        "--output",
        "output",
        "Write a row per face to Parquet files in this folder, with many processes or machines, "
        "and print a summary; the same command goes on after an interruption.",
        type=PATH,
    ),
    Config("demagnify.inference:DetectionConfig"),
    Config("demagnify.core.engine:EngineOptions", into="engine"),
    extra="data",
)
def detect(
    photos: tuple[str, ...],
    config: DetectionConfig,
    engine: EngineOptions,
    *,
    as_json: bool,
    report: Path | None,
    overwrite: bool,
    pdf: bool,
    output: Path | None,
) -> None:
    """Classify photographs and clips: find every face, correct it, print real, fake or unsure.

    In clips each face is followed through its shot, and its verdict is that of the mean of its
    frames; it is unsure where they disagree. Needs the extra "video".

    With a calibration (see calibrate), faces between two limits are unsure, and each
    answer comes with a likelihood ratio and the error rates that were measured under its
    conditions; outside of them it is "not validated". Scope: face swaps and video manipulations;
    not fully synthetic portraits, not local retouching. A score above 0.5 means fake; it is a
    ranking, not evidence.

    A second answer says whether a super-resolution network enhanced the face: captured, enhanced,
    or cannot tell. It does not speak for fake: real faces are enhanced, too, so that a
    calibration may have wider limits for them, between which the verdict is unsure.
    """
    _check_doors(config, output, drawn=bool(as_json or report or config.save))
    if (overwrite or pdf) and report is None:
        raise click.UsageError("--overwrite and --pdf go with --report")
    if output is not None:
        _detect_shards(photos, output, config, engine)
        return
    if engine.given:
        raise click.UsageError("--engine, --workers and --unit need --output")
    from demagnify.inference import detect as detect_faces
    from demagnify.inference.answers import SCOPE, SCOPES

    classified = skipped = 0

    def on_skip(one: Skipped) -> None:
        nonlocal skipped
        skipped += 1
        say(printable(f"{one.where}: {one.reason}"), err=True)

    def on_verdict(verdict: PhotoVerdict | ClipVerdict) -> None:
        nonlocal classified, skipped
        _print(verdict, as_json=as_json)
        classified, skipped = classified + bool(_found(verdict)), skipped + bool(verdict.problem)

    if report is None:
        for verdict in detect_faces(photos, config, on_skip=on_skip):
            on_verdict(verdict)
    else:
        from demagnify.inference.case import write_case

        write_case(
            [*map(Path, photos)],
            report,
            config,
            command=command_line(),
            overwrite=overwrite,
            pdf=pdf,
            on_verdict=on_verdict,
            on_skip=on_skip,
        )
        say(f"report: {printable(report / 'index.html')}", err=True)
    if classified and not as_json:
        whose = "scope" if config.defense in SCOPES else "scope of the default"
        say_wrapped(f"{whose}: {SCOPES.get(config.defense, SCOPE)}", err=True)
    if skipped:
        raise click.exceptions.Exit(EXIT_SOME_SKIPPED if classified else EXIT_FAULT_OF_INPUT)


def _check_doors(config: DetectionConfig, output: Path | None, *, drawn: bool) -> None:
    """Refuses options that do not go together; `drawn`: with --json, --report or --save."""
    if output is not None and (drawn or config.explain):
        raise click.UsageError("--output goes with none of --json, --report, --save and --explain")
    if config.explain and not drawn:
        raise click.UsageError("--explain goes with --save, --report or --json")


def _detect_shards(
    photos: Sequence[str], output: Path, config: DetectionConfig, engine: EngineOptions
) -> None:
    from demagnify.inference.detect_shards import detect_shards

    show_summary(detect_shards(photos, output, config, engine))


NO_MEANING: Final = "not calibrated: no likelihood ratio"


def _found(verdict: PhotoVerdict | ClipVerdict) -> Sequence[object]:
    """Returns the faces of a photograph or clip."""
    from demagnify.inference import PhotoVerdict

    return verdict.faces if isinstance(verdict, PhotoVerdict) else verdict.tracks


def _print(verdict: PhotoVerdict | ClipVerdict, *, as_json: bool) -> None:
    from demagnify.inference import PhotoVerdict

    if as_json:
        say_json(verdict.to_json())
        return
    if verdict.problem:
        say(printable(f"{verdict.path}: {verdict.problem}"), err=True)
    if isinstance(verdict, PhotoVerdict):
        _print_photo(verdict)
    elif verdict.shots:
        _print_clip(verdict)


def _print_photo(verdict: PhotoVerdict) -> None:
    """Prints a line for each face, and what there is to say about it in lines beneath."""
    from demagnify.data.face_finding import square

    for number, face in enumerate(verdict.faces, start=1):
        assert verdict.pixels is not None  # noqa: S101  for the type checker
        x, y, side = square(face.face, verdict.pixels.shape)
        say(
            f"{printable(verdict.path)}: face {number}, crop of {side} pixels at {x},{y}: "
            f"{face.verdict}"
        )
        views = f", mean of {face.views} views" if face.views > 1 else ""
        corrected = "" if face.action == "identity" else f", corrected by {face.action}"
        lines = [
            f"score {face.score:.3f}{views}{corrected}",
            str(face.enhancement),
            *([NO_MEANING] if face.meaning is None else face.meaning.in_words()),
            *([] if face.explanation is None else [str(face.explanation)]),
        ]
        for line in lines:
            say_wrapped(f"  {line}")


def _print_clip(verdict: ClipVerdict) -> None:
    path = printable(verdict.path)
    for shot in verdict.shots:
        say(
            f"{path}: shot {shot.number}, {shot.start:.3f} to {shot.end:.3f} s: "
            f"{shot.verdict or 'no face'}"
        )
        for number in shot.tracks:
            face = verdict.tracks[number - 1]
            reason = f" ({face.reason})" if face.reason else ""
            say(
                f"{path}: shot {shot.number}, face {number}, {face.start:.3f} to "
                f"{face.end:.3f} s: {face.verdict}"
            )
            frames = count(len(face.frames), "frame")
            say_wrapped(f"  score {face.score:.3f}, {frames}, {face.agreement:.0%} agree{reason}")
    rate = ", variable frame rate" if verdict.uneven else ""
    say(
        f"{path}: {verdict.examined} of {verdict.frames} frames examined "
        f"({verdict.frames_per_second:g} per second){rate}"
    )
    say_wrapped(f"  {verdict.condition}, no likelihood ratio")
