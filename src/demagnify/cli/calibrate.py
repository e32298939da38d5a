"""`demagnify calibrate`: limits of the verdicts, likelihood ratios, error rates by condition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import Skips, command_line, say
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import data, output

if TYPE_CHECKING:
    from demagnify.inference.calibrate import CalibrationConfig


@verb(
    "calibrate",
    output("runs/calibration"),
    data("Labelled faces with the splits val and, to measure error rates by condition, test."),
    Config(
        "demagnify.inference.calibrate:CalibrationConfig",
        flags={"attacks": "--attack", "enhancers": "--enhancer"},
    ),
)
def calibrate(data: tuple[Path, ...], output: Path, config: CalibrationConfig) -> None:
    """Calibrate a defence on your own faces, clean and laundered.

    Fits when a verdict is given and when it is unsure, so that at most the target shares of new
    real and fake faces are called wrong, and a likelihood ratio with limits that the number of
    faces supports. Writes calibration.json, and conditions.json with the error rates on the split
    test. `demagnify detect --calibration OUTPUT` uses them.
    """
    from demagnify.inference.calibrate import calibrate as fit

    skips = Skips()
    made = fit(data, output, config, command=command_line(), log=say, on_skip=skips)
    for name, part in made.parts.items():
        above, below = (
            f"never ({groups} {what} groups are too few for {share:.1%})"
            if limit is None
            else f"logit {words} {limit:.3f}"
            for limit, words, groups, what, share in (
                (part.threshold, "above", part.real_groups, "real", made.target_fpr),
                (part.real_below, "up to", part.fake_groups, "fake", made.target_fnr),
            )
        )
        say(f"enhancement {name}: fake: {above}; real: {below}; between: unsure")
        ratio = part.likelihood_ratio
        if ratio is not None:
            say(
                f"  likelihood ratio from {10**ratio.low:.3g} to {10**ratio.high:.3g}, "
                f"Cllr {ratio.cllr:.3f} (at best {ratio.cllr_min:.3f})"
            )
    say(f"written to {output}")
    skips.end()
