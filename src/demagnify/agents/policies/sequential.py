"""The policy that runs the detector on one view after the other until it knows enough."""

from __future__ import annotations

from typing import Any, Final

import torch

from demagnify.agents.policies.base import POLICIES, Decisions, Query
from demagnify.agents.policies.q_values import NetworkPolicy
from demagnify.agents.q_network import QNetwork

EVIDENCE_SCALE: Final = 4.0
"""A logit at this distance from the threshold enters the observation as tanh(1)."""


class Views:
    """The rules of sequential decisions, for a number of images (slots) side by side.

    A view is the detector's logit of the image after one action. All views start from the
    original image, so their order only changes the knowledge before the next choice. With A
    actions there are A + 2 choices: view 0 to A - 1, stop (A), abstain (A + 1). The decision is
    the mean logit of the views taken. A view that was taken before brings nothing new, so it
    counts as stop; so does the last view allowed. Stopping or abstaining before any view takes
    the view of the original image first.

    Args:
        slots: The number of images.
        actions: A.
        most: The most views of an image.
        device: The device of the tensors.

    Attributes:
        seen: float32 (slots, A), the logits; NaN where a view was not taken.
        last: int64 (slots,), the latest view.
        running: bool (slots,), where the agent has not stopped.
        abstained: bool (slots,), where it abstained.
    """

    def __init__(
        self, slots: int, actions: int, most: int, device: torch.device | None = None
    ) -> None:
        self.actions = actions
        self.most = most
        self.seen = torch.full((slots, actions), torch.nan, device=device)
        self.last = torch.zeros(slots, dtype=torch.int64, device=device)
        self.running = torch.ones(slots, dtype=torch.bool, device=device)
        self.abstained = torch.zeros(slots, dtype=torch.bool, device=device)

    def begin(self, slots: torch.Tensor) -> None:
        """Starts new images in `slots`, int64 (n,)."""
        self.seen[slots] = torch.nan
        self.last[slots] = 0
        self.running[slots] = True
        self.abstained[slots] = False

    @property
    def calls(self) -> torch.Tensor:
        """The number of views taken, int64 (slots,)."""
        return (~self.seen.isnan()).sum(dim=1)

    @property
    def logits(self) -> torch.Tensor:
        """The mean logit of the views taken, float32 (slots,); NaN before the first."""
        return self.seen.nanmean(dim=1)

    def observe(self, states: torch.Tensor, threshold: float, slots: torch.Tensor) -> torch.Tensor:
        """Returns the observation in `slots`, float32 (n, S + 2 A).

        After the state come, for each view, whether it was taken, and its logit's distance to the
        threshold, squeezed between -1 and 1; 0 where it was not taken.
        """
        seen = self.seen[slots]
        known = ~seen.isnan()
        evidence = torch.tanh(torch.where(known, seen - threshold, 0.0) / EVIDENCE_SCALE)
        return torch.cat([states, known.float(), evidence], dim=1)

    def choose(
        self, slots: torch.Tensor, choices: torch.Tensor, query: Query
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Carries out choices, 0 to A + 1, in running `slots`, which are in rising order.

        Returns where a view was taken, and where the end came: each bool (n,).
        """
        ending = choices >= self.actions
        views = torch.where(ending, 0, choices)
        unknown = self.seen[slots, views].isnan()
        taking = unknown & (~ending | (self.calls[slots] == 0))
        chosen = slots[taking]
        if len(chosen):
            self.seen[chosen, views[taking]] = query(chosen, views[taking])
            self.last[chosen] = views[taking]
        ended = ending | ~unknown | (self.calls[slots] >= self.most)
        self.abstained[slots] = choices == self.actions + 1
        self.running[slots[ended]] = False
        return taking, ended


@POLICIES.register("sequential")
class SequentialPolicy(NetworkPolicy):
    """Takes views, stops or abstains as a network prefers; see `Views` for the rules.

    The network is a plain `QNetwork`: the library that trained it is not needed to use it. Its
    inputs are the observations of `Views`; its outputs are the A views, stop and, where it is
    allowed, abstain.

    Args:
        most: The most views of an image.
        abstains: Whether abstaining is among the network's outputs.
        network: The network, or None to make one from the settings.
        settings: The arguments of `QNetwork`, whose "actions" are A + 1 or A + 2.
    """

    name = "sequential"

    def __init__(
        self,
        most: int,
        abstains: bool,
        network: QNetwork | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(network, **settings)
        self.most = most
        self.abstains = abstains
        self.actions = self.network.second.out_features - 1 - abstains

    @torch.no_grad()
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the first view; 0, the original image, where it stops at once."""
        views = Views(len(states), self.actions, self.most, states.device)
        rows = torch.arange(len(states), device=states.device)
        # No view was taken yet, so the threshold has no influence.
        first: torch.Tensor = self.network(views.observe(states, 0.0, rows)).argmax(dim=1)
        return torch.where(first < self.actions, first, 0)

    def decide(self, states: torch.Tensor, query: Query, threshold: float) -> Decisions:
        """Takes views until it stops; reports the latest view as the action."""
        views = Views(len(states), self.actions, self.most, states.device)
        while views.running.any():
            rows = views.running.nonzero().squeeze(1)
            with torch.no_grad():
                choices = self.network(views.observe(states[rows], threshold, rows)).argmax(dim=1)
            views.choose(rows, choices, query)
        return Decisions(
            logits=views.logits, actions=views.last, calls=views.calls, abstained=views.abstained
        )

    def settings(self) -> dict[str, Any]:
        """Returns the rules and the arguments of the network."""
        return {"most": self.most, "abstains": self.abstains, **super().settings()}
