"""Which attack the attacker tries next on each face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demagnify.evaluation.adaptive.settings import Order

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Ranking:
    """Ranks the attacks that are left to a face; under "success" it learns from every try.

    Args:
        order: See `AdaptiveSettings.order`.
        psnr: float64 (N, M), PSNR in dB of every face after every attack.
    """

    def __init__(self, order: Order, psnr: Floats) -> None:
        self._order = order
        self._psnr = psnr
        self._tries = np.zeros((2, psnr.shape[1]), dtype=np.int64)
        self._successes = np.zeros_like(self._tries)

    def choose(self, faces: Integers, labels: Integers, left: Flags) -> Integers:
        """Returns for each face the attack to try next.

        Ties go to the higher PSNR, then to the earlier attack.

        Args:
            faces: int64 (n,), numbers of faces.
            labels: int64 (n,), their labels.
            left: bool (n, M), what has not been tried; at least one attack in each row.
        """
        numbers = np.broadcast_to(np.arange(left.shape[1]), left.shape)
        keys: list[NDArray[np.generic]] = [numbers]
        if self._order != "given":
            keys.append(-self._psnr[faces])
        if self._order == "success":
            keys.append(-self._rates()[labels])
        best: Integers = np.lexsort([*keys, ~left], axis=-1)[:, 0]
        return best

    def learn(self, attacks: Integers, labels: Integers, succeeded: Flags) -> None:
        """Takes note of which tries turned a verdict, each array (n,)."""
        np.add.at(self._tries, (labels, attacks), 1)
        np.add.at(self._successes, (labels, attacks), succeeded)

    def _rates(self) -> Floats:
        """Success per label and attack, (2, M); an attack without a try counts as one half."""
        rates: Floats = (self._successes + 1) / (self._tries + 2)
        return rates
