"""`demagnify train-detector`, `join`, `train-defense` ...: detectors, and an agent before them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import Skips, say, say_wrapped
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import data, output, tracker

if TYPE_CHECKING:
    from demagnify.agents.presets import Preset
    from demagnify.detectors.joining import JoinConfig
    from demagnify.hardening.enhancement import EnhancementConfig

_PRESET = "demagnify.agents.presets:Preset"


@verb(
    "train-detector",
    output("runs/detector"),
    data(
        "Labelled faces with the splits train and val: a folder with metadata.csv "
        "(file_name,label,split,group), that file itself, or a folder with train/real, train/fake, "
        "val/real, val/fake."
    ),
    tracker("Where the figures of each epoch go as well"),
    Config(_PRESET, section="detector", flags={"detector.attacks": "--attack"}),
)
def train_detector(
    data: tuple[Path, ...], output: Path, config: Preset, tracker: str | None
) -> None:
    """Train a detector: real or fake, one logit per face.

    With --attack the detector is trained and validated on every face clean and under each attack.
    Early stop and threshold are chosen on the split val; the split test is not read. A killed
    training goes on where it was when the same command is given again, and on a CPU ends in the
    same bits. `torchrun -m demagnify train-detector ...` trains on several machines.
    """
    from demagnify.core.process_group import leading
    from demagnify.detectors import train_detector as train

    skips = Skips()
    with leading() as leads:
        if not leads:
            return
        trained = train(data, output, config.detector, tracker=tracker, log=say, on_skip=skips)
    best = max(trained.history, key=lambda epoch: epoch.rank())
    val = trained.detector.card["data"]["val"]
    say_wrapped(
        f"validation: AUC {best.val_auc:.3f}, balanced accuracy {best.val_balanced_accuracy:.3f} "
        f"at threshold {best.threshold:+.3f} (epoch {best.epoch}; n = {val['real']} real and "
        f"{val['fake']} fake faces)"
    )
    say(f"written to {output}")
    skips.end()


@verb(
    "join",
    output("runs/joined"),
    data("Labelled faces with the split to join on, which no detector was trained on."),
    Config(
        "demagnify.detectors.joining:JoinConfig",
        flags={"detectors": "--detector", "attacks": "--attack"},
    ),
)
def join(data: tuple[Path, ...], output: Path, config: JoinConfig) -> None:
    """Join detectors for different kinds of fakes into one: fake if one of them finds it fake.

    Scales and offsets of their logits, and the threshold, are fitted on the split val; every data
    set counts alike, clean and under each --attack. The result is a detector as any other, and
    costs as many calls as it has members. The split test is not read.
    """
    from demagnify.detectors.joining import join as join_detectors

    skips = Skips()
    joined = join_detectors(data, output, config, log=say, on_skip=skips)
    say(f"threshold {joined.threshold:+.3f}; written to {output}")
    skips.end()


@verb(
    "train-defense",
    output("runs/defense"),
    data("Labelled faces with the split to learn from."),
    tracker("Where the learning curve goes as well"),
    Config(
        _PRESET,
        section="defense",
        flags={"defense.actions": "--action", "defense.attacks": "--attack"},
    ),
)
def train_defense(
    data: tuple[Path, ...], output: Path, config: Preset, tracker: str | None
) -> None:
    """Train an agent that picks a corrective transform for each face before the detector.

    It learns from every face of the split clean, and under each --attack. A killed training goes
    on where it was, and on a CPU ends in the same bits.
    """
    from demagnify.agents.training import train_defense as train

    skips = Skips()
    trained = train(data, output, config.defense, tracker=tracker, log=say, on_skip=skips)
    for one in trained:
        if not one.history:
            continue
        last = one.history[-1]
        names = one.defended.actions.names
        shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(names, last.actions, strict=True))
        say_wrapped(
            f"after {last.episode} episodes: mean reward {last.reward:+.3f}; actions: {shares}"
        )
    say(f"written to {output}")
    skips.end()


@verb(
    "train-enhancement",
    output("runs/enhancement"),
    data("Labelled faces with the splits train and val, at their own size."),
    Config(
        "demagnify.hardening.enhancement:EnhancementConfig",
        flags={
            "networks": "--network",
            "slow": "--slow",
            "surrogates.count": "--surrogates",
            "surrogates.steps": "--surrogate-steps",
        },
    ),
)
def train_enhancement(data: tuple[Path, ...], output: Path, config: EnhancementConfig) -> None:
    """Train the second answer of detect: was this face enhanced?

    Super-resolution networks enhance faces, real and fake ones alike. A small network learns to
    tell them from captured ones through JPEG and resizing; plain resizing counts as captured. The
    limits of "cannot tell" are chosen on the split val; the split test is not read.
    """
    from demagnify.hardening.enhancement import train_enhancement as train

    skips = Skips()
    trained = train(data, output, config, log=say, on_skip=skips)
    figures = trained.validation
    say_wrapped(
        f"validation: balanced accuracy {figures['balanced accuracy']:.3f}, cannot tell "
        f"{figures['cannot tell']:.1%}, captured faces called enhanced "
        f"{figures['false alarms']:.1%}, enhanced faces called captured {figures['missed']:.1%}"
    )
    say(f"written to {output}")
    skips.end()
