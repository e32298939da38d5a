"""`demagnify plan`: how long a large run will take."""

from __future__ import annotations

from pathlib import Path

import click

from demagnify.cli.console import plain_console, say_wrapped, show_table
from demagnify.cli.generate import verb
from demagnify.cli.options import PATH, Option


@verb(
    "plan",
    Option(
        "--images",
        "images",
        "Number of photographs, such as 1e8.",
        "required",
        type=float,
        required=True,
    ),
    Option(
        "--cores",
        "cores",
        "Processor cores, one worker on each.",
        "default: 1",
        type=click.IntRange(1),
        default=1,
    ),
    Option(
        "--gpus",
        "gpus",
        "GPUs, one worker on each; needs --costs with times of a GPU.",
        type=click.IntRange(1),
        default=None,
    ),
    Option(
        "--costs",
        "costs",
        "A file that benchmarks/scale.py rates wrote; the measurement that comes with demagnify "
        "if not given.",
        type=PATH,
    ),
)
def plan(images: float, cores: int, gpus: int | None, costs: Path | None) -> None:
    """Estimate hours and memory of a large run, from measured times per photograph.

    The times are those of one processor, which the output names: measure your own with
    benchmarks/scale.py rates, and give its file as --costs. Storage, network and other programs are
    not counted: on a busy machine a short run took twice as long.
    """
    from demagnify.core.engine.plan import Costs, plan

    if not 1 <= images <= 1e15:
        raise click.UsageError("--images is a number from 1 to 1e15")
    measured = Costs.load(costs)
    found = plan(measured, images=images, cores=cores, gpus=gpus or 0)
    rows = [
        (
            name,
            f"{one.per_second:.1f}",
            _time(one.seconds),
            f"{_time(one.low)} to {_time(one.high)}",
            f"{one.memory_gib:.1f}",
        )
        for name, one in found.items()
    ]
    unit = "GPU" if gpus else "core"
    title = f"{images:,.0f} photographs on {gpus or cores} {unit}{'s' * ((gpus or cores) > 1)}"
    head = ("verb", f"photographs/s per {unit}", "time", "95 % interval", "GiB memory")
    show_table(plain_console(), head, rows, title=title)
    say_wrapped(f"measured on {measured.machine}, {measured.date}: {measured.command}")


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours < 48 else f"{hours:,.1f} h ({hours / 24:,.1f} days)"
