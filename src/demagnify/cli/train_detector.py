"""`demagnify train-detector`: a detector from labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import Device, Precision, Seed, Strict


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
    backbone: Annotated[
        str, typer.Option(help="light, resnet50 (the paper's), or any timm network by name.")
    ] = "light",
    weights: Annotated[
        str,
        typer.Option(
            help="What to start from: imagenet, none (random), or a .safetensors or .pth file."
        ),
    ] = "imagenet",
    size: Annotated[int, typer.Option(min=16, help="Side of the faces in pixels.")] = 224,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the training faces.")] = 12,
    batch_size: Annotated[int, typer.Option(min=2, help="Faces per step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=0, help="The highest one.")] = 5e-4,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better validation AUC before it stops.")
    ] = 4,
    augmentation: Annotated[
        float, typer.Option(min=0, max=1, help="How often training faces are altered; 0 never.")
    ] = 1.0,
    seed: Seed = 0,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Train a detector: real or fake, one logit per face.

    Early stop and threshold are chosen on the split val; the split test is not read. A killed
    training goes on where it was when the same command is given again, and on a CPU ends in the
    same bits.
    """
    from pydantic import ValidationError

    from demagnify.detectors import DetectorTraining
    from demagnify.errors import BadConfigError
    from demagnify.experiments.detector import train_detector_on

    try:
        config = DetectorTraining(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            augmentation=augmentation,
            seed=seed,
            precision=precision,
        )
    except ValidationError as error:  # such as a learning rate of 0
        first = error.errors()[0]
        raise BadConfigError(f"{first['loc'][0]}: {first['msg']}, not {first['input']}") from error
    trained = train_detector_on(
        data,
        config,
        output=output,
        backbone=backbone,
        weights=None if weights == "none" else weights,
        size=size,
        strict=strict,
        device=device,
        tell=typer.echo,
    )
    best = max(trained.history, key=lambda epoch: epoch.rank())
    typer.echo(
        f"validation: AUC {best.val_auc:.3f}, balanced accuracy {best.val_balanced_accuracy:.3f} "
        f"at threshold {best.threshold:+.3f} (epoch {best.epoch})"
    )
    typer.echo(f"written to {output}")
