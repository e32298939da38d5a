"""Looking at images one view after the other: what the sequential agent and its training share."""

from __future__ import annotations

from typing import Final

import torch

from demagnify.agents.policy.base import Ask

EVIDENCE_SCALE: Final = 4.0
"""A logit so far from the threshold is seen as tanh(1)."""


class Views:
    """A number of slots, each with an image that is looked at until the agent says stop.

    To look means to ask the detector about the image after one action; the views are all of the
    image as it came, so their order changes nothing but what the agent knows when it chooses on.
    With A actions the agent has A + 2 choices: look at view 0 to A - 1, stop (A), abstain
    (A + 1). The verdict is the mean logit of the views seen. Looking at a view again shows
    nothing new, so it counts as stop; so does the last view allowed. Who stops or abstains
    before any look gets the image as it is.

    Args:
        slots: How many images at once.
        actions: A.
        most: How many views an image may cost.
        device: Where the tensors are.

    Attributes:
        seen: float32 (slots, A), the logits seen; NaN where not looked.
        last: int64 (slots,), the view looked at last.
        running: bool (slots,), where the agent has not come to an end.
        unsure: bool (slots,), where it abstained.
    """

    def __init__(
        self, slots: int, actions: int, most: int, device: torch.device | None = None
    ) -> None:
        self.actions = actions
        self.most = most
        self.seen = torch.full((slots, actions), torch.nan, device=device)
        self.last = torch.zeros(slots, dtype=torch.int64, device=device)
        self.running = torch.ones(slots, dtype=torch.bool, device=device)
        self.unsure = torch.zeros(slots, dtype=torch.bool, device=device)

    def begin(self, slots: torch.Tensor) -> None:
        """Forgets what was seen in `slots`, int64 (n,)."""
        self.seen[slots] = torch.nan
        self.last[slots] = 0
        self.running[slots] = True
        self.unsure[slots] = False

    @property
    def calls(self) -> torch.Tensor:
        """How many views were looked at, int64 (slots,)."""
        return (~self.seen.isnan()).sum(dim=1)

    @property
    def logits(self) -> torch.Tensor:
        """The mean logit of the views seen, float32 (slots,); NaN before the first."""
        return self.seen.nanmean(dim=1)

    def observe(self, states: torch.Tensor, threshold: float, slots: torch.Tensor) -> torch.Tensor:
        """Returns what the agent sees in `slots`: float32 (n, S + 2 A).

        After the state comes, for each view, whether it was seen, and what it said: the logit's
        distance to the threshold, squeezed between -1 and 1, and 0 where it was not seen.

        Args:
            states: float32 (n, S), of the images in these slots.
            threshold: The detector's.
            slots: int64 (n,).
        """
        seen = self.seen[slots]
        known = ~seen.isnan()
        said = torch.tanh(torch.where(known, seen - threshold, 0.0) / EVIDENCE_SCALE)
        return torch.cat([states, known.float(), said], dim=1)

    def choose(
        self, slots: torch.Tensor, choices: torch.Tensor, ask: Ask
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Follows the agent's choices.

        Args:
            slots: int64 (n,), running ones in rising order.
            choices: int64 (n,), 0 to A + 1.
            ask: Looks at a view.

        Returns:
            Where a view was looked at, and where the end came: each bool (n,).
        """
        ending = choices >= self.actions
        views = torch.where(ending, 0, choices)
        unknown = self.seen[slots, views].isnan()
        looking = unknown & (~ending | (self.calls[slots] == 0))
        chosen = slots[looking]
        if len(chosen):
            self.seen[chosen, views[looking]] = ask(chosen, views[looking])
            self.last[chosen] = views[looking]
        ended = ending | ~unknown | (self.calls[slots] >= self.most)
        self.unsure[slots] = choices == self.actions + 1
        self.running[slots[ended]] = False
        return looking, ended
