"""An adaptive attack in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from demagnify.evaluation.adaptive.result import AdaptiveResult, Against, Reached
from demagnify.evaluation.report.words import (
    NOTHING,
    listed,
    point_span,
    with_point_span,
    with_span,
)

NAMED: Final = 4
"""How many attacks are named at most."""

NAMES: Final = {"all": "faces", "fake": "fakes", "real": "real faces"}


def tell(result: AdaptiveResult) -> list[str]:
    """Returns what happened, a few lines for a person."""
    lines = [
        f"{result.real} real and {result.fake} fake faces in {result.groups} groups, split "
        f"{result.split} of {result.data}, {result.size}x{result.size} pixels",
        *_against(result.target),
    ]
    if result.undefended is not None and result.gain is not None:
        gain = result.gain
        lines += [
            *_against(result.undefended),
            "the defence changes the attacker's success by "
            f"{with_point_span(gain.success)} points, and balanced accuracy under attack by "
            f"{with_point_span(gain.attacked['balanced_accuracy'])}",
        ]
    return lines


def _against(against: Against) -> Iterator[str]:
    yield f"against {against.name}:"
    for reached in against.reached:
        yield f"  {_reached(reached)}"
    before, after = (side["balanced_accuracy"] for side in (against.before, against.after))
    change = point_span(against.change["balanced_accuracy"])
    yield (
        f"  balanced accuracy {with_span(before)} % before, {with_span(after)} % after"
        + (f"; change {change} points" if change else "")
    )
    cost = against.cost
    if cost.psnr_mean is not None:
        yield (
            f"  {cost.changed} faces changed: PSNR {cost.psnr_mean:.2f} dB, SSIM "
            f"{cost.ssim_mean:.4f} against the originals"
        )
    best = sorted(against.attacks, key=lambda tried: -tried.published_successes)[:NAMED]
    won = [f"{one.name} {one.published_successes}" for one in best if one.published_successes]
    if won:
        yield f"  which attack turned verdicts: {listed(won)}"


def _reached(reached: Reached) -> str:
    attackable = reached.targets - reached.mistaken
    queries = reached.queries.value
    return (
        f"{NAMES[reached.faces]}: {reached.succeeded} of {attackable} verdicts turned, "
        f"{with_span(reached.success)} %, with "
        f"{NOTHING if queries is None else f'{queries:.1f}'} queries each"
        f"; {reached.mistaken} were misjudged already"
    )
