"""`demagnify harden`: a detector that super-resolution deceives less."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import Detector, Device, Limit, Seed, Strict
from demagnify.cli.skips import Skips


def run(
    data: Annotated[
        list[Path],
        typer.Option(
            help="Labelled faces with the splits train and val, as in train-detector. Give it "
            "several times to train on several sets."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/hardened"),
    detector: Detector = "light",
    rounds: Annotated[int, typer.Option(min=1, help="Most rounds of agent and detector.")] = 3,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the training faces in each round.")
    ] = 1,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="The detector's, at its highest.")
    ] = 2e-4,
    clean: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the training faces that stay clean.")
    ] = 0.3,
    explore: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of the others degraded at random instead of as the agent chose; with 1 "
            "no agent takes part.",
        ),
    ] = 0.5,
    surrogates: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many small super-resolution networks the loop trains for itself first, for "
            "the agent to choose from.",
        ),
    ] = 15,
    surrogate_steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Training steps of each of these networks; enhancing ones take three times as "
            "many.",
        ),
    ] = 800,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="A published attack that the agent may choose as well: a name from attack --list "
            "or a network file. It counts as seen afterwards. Give it several times for several."
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=16, help="Side of the faces in pixels.")] = 224,
    limit: Limit = None,
    seed: Seed = 0,
    strict: Strict = False,
    device: Device = "auto",
) -> None:
    """Harden a detector: an agent finds its weak spots, and it is trained on them.

    In each round the agent learns which degradations (filters, and small super-resolution networks
    that the loop trains for itself) deceive the detector, and the detector is fine-tuned on faces
    degraded as the agent chose. No published network takes part unless --attack names it, so all
    of them stay unseen. The round that is best on the split val wins; the split test is not read.
    A killed run continues.
    """
    from demagnify.detectors import Optimization
    from demagnify.hardening.config import HardeningConfig, SurrogateConfig
    from demagnify.hardening.harden import FIGURE
    from demagnify.hardening.harden import harden as harden_detector

    config = HardeningConfig(
        rounds=rounds,
        clean=clean,
        explore=explore,
        seed=seed,
        surrogates=SurrogateConfig(count=surrogates, steps=surrogate_steps),
        training=Optimization(epochs=epochs, learning_rate=learning_rate, patience=epochs),
        attacks=attack or (),
        detector=detector,
        size=size,
        subsample=limit,
        strict=strict,
        device=device,
    )
    skips = Skips()
    hardened = harden_detector(data, config, output, log=typer.echo, on_skip=skips)
    best = hardened.best
    share = "" if best.share == 1 else f"{best.share:.0%} of the weights of "
    typer.echo(
        f"best: {share}round {best.number}: balanced accuracy on validation faces {best.clean:.3f} "
        f"clean (it was {hardened.rounds[0].clean:.3f}), {best.degraded:.3f} degraded "
        f"(it was {hardened.rounds[0].degraded:.3f})"
    )
    typer.echo(f"written to {output}; look at {output}{FIGURE}")
    skips.end()
