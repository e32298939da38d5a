"""`demagnify harden`: a detector that super-resolution deceives less."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import Skips, say, say_wrapped
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import data, output, tracker

if TYPE_CHECKING:
    from demagnify.hardening.config import HardeningConfig


@verb(
    "harden",
    output("runs/hardened"),
    data("Labelled faces with the splits train and val, as in train-detector."),
    tracker("Where the figures of each round and epoch go as well"),
    Config(
        "demagnify.hardening.config:HardeningConfig",
        flags={
            "attacks": "--attack",
            "degradations": "--degradation",
            "surrogates.count": "--surrogates",
            "surrogates.steps": "--surrogate-steps",
            "training.epochs": "--epochs",
            "training.learning_rate": "--learning-rate",
            "training.accumulate": "--accumulate",
            "training.processes": "--processes",
        },
    ),
)
def harden(
    data: tuple[Path, ...], output: Path, config: HardeningConfig, tracker: str | None
) -> None:
    """Harden a detector: an agent finds its weak spots, and it is trained on them.

    In each round the agent learns which degradations (filters, and small super-resolution
    networks that the loop trains for itself) deceive the detector, and the detector is fine-tuned
    on faces degraded as the agent chose. No published network takes part unless --attack names
    it, so all of them stay unseen. The round that is best on the split val wins; the split test
    is not read. A killed run continues.
    """
    from demagnify.core.process_group import leading
    from demagnify.hardening.harden import FIGURE
    from demagnify.hardening.harden import harden as harden_detector

    skips = Skips()
    with leading() as leads:
        if not leads:
            return
        hardened = harden_detector(data, output, config, tracker=tracker, log=say, on_skip=skips)
    best = hardened.best
    share = "" if best.share == 1 else f"{best.share:.0%} of the weights of "
    say_wrapped(
        f"best: {share}round {best.number}: balanced accuracy on validation faces {best.clean:.3f} "
        f"clean (it was {hardened.rounds[0].clean:.3f}), {best.degraded:.3f} degraded "
        f"(it was {hardened.rounds[0].degraded:.3f})"
    )
    if best.number == 0:
        say("no round was better than the detector that came in: hardening changed nothing")
    say(f"written to {output}; look at {output}{FIGURE}")
    skips.end()
