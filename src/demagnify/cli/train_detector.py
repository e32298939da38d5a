"""`demagnify train-detector`: a detector from labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import (
    Attacks,
    Device,
    Limit,
    OptionalPrecision,
    OptionalSeed,
    Override,
    Preset,
    Strict,
)
from demagnify.cli.skips import Skips


def run(
    data: Annotated[
        list[Path],
        typer.Option(
            help="Labelled faces with the splits train and val: a folder with metadata.csv "
            "(file_name,label,split,group), that file itself, or a folder with train/real, "
            "train/fake, val/real, val/fake. Give it several times to train on several sets."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/detector"),
    attack: Attacks = None,
    preset: Preset = "default",
    override: Override = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="light, resnet50 (the paper's), or any timm network; the preset's."),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="What to start from: imagenet, none (random), or a .safetensors or .pth file."
        ),
    ] = "imagenet",
    size: Annotated[
        int | None, typer.Option(min=16, help="Side of the faces in pixels; the preset's.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Most passes over the training faces; the preset's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="Faces per step; the preset's.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="The highest one; the preset's.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, help="Epochs without a better validation AUC before it stops; the preset's."
        ),
    ] = None,
    augmentation: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="How often training faces are altered, 0 never; the preset's."
        ),
    ] = None,
    limit: Limit = None,
    seed: OptionalSeed = None,
    strict: Strict = False,
    device: Device = "auto",
    precision: OptionalPrecision = None,
) -> None:
    """Train a detector: real or fake, one logit per face.

    With --attack every face is met as it is and under each attack, in training and in validation.
    Early stop and threshold are chosen on the split val; the split test is not read. A killed
    training goes on where it was when the same command is given again, and on a CPU ends in the
    same bits.
    """
    from demagnify.agents import presets as configs
    from demagnify.detectors import train_detector

    given = {
        "detector.backbone": backbone,
        "face_size": size,
        "detector.epochs": epochs,
        "detector.batch_size": batch_size,
        "detector.learning_rate": learning_rate,
        "detector.patience": patience,
        "detector.augmentation": augmentation,
        "detector.seed": seed,
        "detector.precision": precision,
    }
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = configs.load(preset, [*(override or []), *chosen])
    skips = Skips()
    start = {
        "weights": None if weights == "none" else weights,
        "size": config.face_size,
        "attacks": tuple(attack or ()),
        "subsample": limit,
        "strict": strict,
        "device": device,
    }
    training = config.detector.model_copy(update=start)
    trained = train_detector(data, training, output, log=typer.echo, on_skip=skips)
    best = max(trained.history, key=lambda epoch: epoch.rank())
    typer.echo(
        f"validation: AUC {best.val_auc:.3f}, balanced accuracy {best.val_balanced_accuracy:.3f} "
        f"at threshold {best.threshold:+.3f} (epoch {best.epoch})"
    )
    typer.echo(f"written to {output}")
    skips.end()
