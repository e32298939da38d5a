"""`demagnify attack`: attacked copies of faces; `demagnify adaptive-attack`: the best for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import Skips, command_line, say, say_wrapped
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, Option, output
from demagnify.core.printing import count

if TYPE_CHECKING:
    from demagnify.core.engine import EngineOptions
    from demagnify.evaluation.adaptive import AdaptiveConfig
    from demagnify.laundering.config import AttackConfig

_CONTENT = {"photos": "whole photographs", "crops": "face crops"}


@verb(
    "attack",
    Argument(
        "source",
        "Photographs or face crops: a folder of images, one with metadata.csv or real/ and fake/, "
        "a data set's annotation file, or a single photograph.",
        type=PATH,
        required=False,
    ),
    output("runs/attacked"),
    Option("--list", "list_names", "List the attacks and stop.", is_flag=True),
    Config(
        "demagnify.laundering.config:AttackConfig",
        flags={"attack": "--model", "content": "--photos/--crops"},
    ),
    Config("demagnify.core.engine:EngineOptions", into="engine"),
)
def attack(
    source: Path | None,
    output: Path,
    config: AttackConfig,
    engine: EngineOptions,
    *,
    list_names: bool,
) -> None:
    """Attack photographs or face crops: shrink faces, rebuild them with a network, paste back.

    Writes copies under the same names with what their files say (EXIF, colour profile),
    metadata.csv with labels carried along and PSNR and SSIM, faces.csv, skipped.csv, and
    beside the folder a figure of a few faces. What is done is not done again.

    With --engine, --workers or --unit, worker processes attack, and this one only checks and lists.
    """
    from demagnify.core.errors import BadConfigError
    from demagnify.transforms import ATTACKS

    if list_names:
        from demagnify.core import assets

        networks = {row.name: row.purpose for row in assets.describe()}
        networks |= {f"edsr-liif-x{factor}": networks["edsr-liif"] for factor in (2, 3, 4)}
        for name in ATTACKS:
            usual = "no attack" if name == "identity" else "no network, to compare with"
            say(f"{name:<20} {networks.get(name, usual)}")
        return
    if source is None:
        raise BadConfigError("no photographs were given", hint="demagnify attack FOLDER OUTPUT")

    from demagnify.laundering.attack import attack as attack_files

    options = engine if engine.given else None
    summary = attack_files(source, output, config, log=say, options=options)
    if config.content == "auto":
        other = "--crops" if summary.content == "photos" else "--photos"
        say_wrapped(f"taken for {_CONTENT[summary.content]}; {other} if they are not")
    quality, attacked = summary.quality, summary.photos - summary.unattacked
    within = "" if summary.content == "crops" else f" in {count(attacked, 'photograph')}"
    say_wrapped(
        f"attacked {count(quality.count, 'face')}{within}: PSNR {quality.psnr:.2f} dB, SSIM "
        f"{quality.ssim:.4f} against the originals; written to {summary.output}"
    )
    if summary.unattacked:
        say_wrapped(f"{summary.unattacked} are written unattacked: no face was found or chosen")
    say(f"look at {summary.figure}")
    Skips().end(summary.skipped)


@verb(
    "adaptive-attack",
    Argument("data", "Labelled faces: a folder with metadata.csv, or its CSV.", type=PATH),
    output("runs/adaptive"),
    Config(
        "demagnify.evaluation.adaptive:AdaptiveConfig",
        flags={
            "attacks": "--attack",
            "targets": "--faces",
            "stop_at_success": "--stop-at-success/--best-of-budget",
        },
    ),
)
def adaptive_attack(data: Path, output: Path, config: AdaptiveConfig) -> None:
    """Attack a detector with the best of many attacks for each face, by its scores alone.

    A defended detector is attacked as it is, and once more without its defence, to compare.
    Writes faces/ (PNG files with metadata.csv: a data set that evaluate and all others read),
    adaptive.json and adaptive.png. Stopped, the same command goes on where it was.
    """
    from demagnify.evaluation.adaptive import adaptive_attack as attack_methods
    from demagnify.evaluation.adaptive import summarize

    result = attack_methods(data, output, config, command=command_line()).result
    for line in summarize(result):
        say_wrapped(line)
    say(f"look at {output / 'adaptive.png'}; the faces are in {output / 'faces'}")
    Skips().end(f"{one.name}: {one.reason}" for one in result.skipped)
