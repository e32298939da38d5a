"""The learning rate over the steps of a training."""

from __future__ import annotations

import math


def learning_rate(step: int, *, steps: int, base: float, warmup: float) -> float:
    """Returns the learning rate of one step: a linear rise, then half a cosine down to zero.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, without
    restarts.

    Args:
        step: 0 for the first.
        steps: How many there are in all.
        base: The highest rate.
        warmup: Share of the steps in which the rate rises.
    """
    rising = round(steps * warmup)
    if step < rising:
        return base * (step + 1) / rising
    return base * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
