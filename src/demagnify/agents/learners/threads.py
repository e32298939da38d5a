"""How many threads small networks are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from demagnify.agents.q_network import QNetwork

SMALL: Final = 2**20
"""Weights of the first layer up to which one thread is the fastest."""


@contextmanager
def threads_for(network: QNetwork) -> Iterator[None]:
    """Lets torch compute on one thread if a network is small, and on as many as before after.

    Its batches take microseconds, so further threads gain nothing; on a busy machine, where they
    wait for one another, they turn seconds into minutes. Besides, the result no longer depends on
    how many there are.
    """
    before = torch.get_num_threads()
    small = network.first.weight.numel() <= SMALL
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
