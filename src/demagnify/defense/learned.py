"""A policy as a defence that is judged on a reward table."""

from __future__ import annotations

import numpy as np
import torch

from demagnify.defense.judgement import Defense, Judgement
from demagnify.defense.policy import Policy
from demagnify.defense.reward_table import Integers, RewardTable
from demagnify.defense.state import FaceStates, StateEncoder


class Learned(Defense):
    """Takes the actions of a policy.

    Args:
        policy: Maps states to actions.
        encoder: What the policy sees; used where `judge` is given no states.
        name: What tables call it.
    """

    def __init__(self, policy: Policy, encoder: StateEncoder, *, name: str = "learned") -> None:
        self.policy = policy
        self.encoder = encoder
        self.name = name

    def judge(self, table: RewardTable, states: torch.Tensor | None = None) -> Judgement:
        """Takes the logits of the policy's actions."""
        actions = self.choose(table, states)
        logits = table.lookup(np.arange(len(actions)), actions)
        return Judgement(logits=logits, actions=actions, threshold=table.threshold)

    def choose(self, table: RewardTable, states: torch.Tensor | None = None) -> Integers:
        """Returns the policy's action for every face, int64 (N,); see `Defense.judge`."""
        device = next((weights.device for weights in self.policy.parameters()), table.device)
        encode = FaceStates(table.faces, self.encoder, device)
        chosen = []
        for indices, _ in table.faces.batches(64):
            part = encode(indices) if states is None else states[indices].to(device)
            chosen.append(self.policy(part).cpu().numpy())
        return np.concatenate(chosen)
