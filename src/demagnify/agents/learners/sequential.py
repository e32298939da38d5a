"""The sequential agent: look, look again, stop or abstain; each look costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from demagnify.agents.learners.base import LEARNERS, CurvePoint, clean_faces
from demagnify.agents.learners.config import SequentialConfig
from demagnify.agents.learners.from_table import FromTable, Lesson
from demagnify.agents.learners.sequential_env import Inspections
from demagnify.agents.policy import SequentialPolicy
from demagnify.agents.q_network import QNetwork
from demagnify.agents.state import FaceStates
from demagnify.core.errors import BadConfigError


@LEARNERS.register("sequential")
class Sequential(FromTable[SequentialPolicy]):
    """Learns which view to look at next, and when it has seen enough, with PPO.

    A view is the image after one action; `SequentialEnv` says what is seen and paid. This is
    classification with costly features (Janisch et al., AAAI 2019) whose features are the
    detector's answers. Stable-Baselines3 trains it (the extra `sb3`); the policy that is left is
    a network of ours and needs it no more. Unlike the other learners it must explore, as what it
    sees next depends on what it does.

    Args:
        config: The settings.
    """

    name: ClassVar[str] = "sequential"

    def __init__(self, config: SequentialConfig | None = None) -> None:
        self.config = config or SequentialConfig()

    def settings(self) -> SequentialConfig:
        """Returns the settings."""
        return self.config

    def blank(self, state_size: int, actions: int, seed: int) -> SequentialPolicy:
        """See `FromTable.blank`."""
        abstains = self.config.abstain is not None
        network = QNetwork(
            state_size + 2 * actions,
            actions + 1 + abstains,
            hidden=self.config.hidden,
            standardize=True,
            seed=seed,
        )
        return SequentialPolicy(self.config.most, abstains, network)

    def learn(self, policy: SequentialPolicy, lesson: Lesson) -> Sequence[CurvePoint]:
        """See `FromTable.learn`.

        Raises:
            BadConfigError: If Stable-Baselines3 is not installed.
        """
        try:
            from demagnify.agents.learners import ppo
        except ModuleNotFoundError as error:
            raise BadConfigError(
                f"the sequential learner needs {error.name}, which is not installed",
                hint="pip install 'demagnify[sb3]'",
            ) from error
        table, network = lesson.table, policy.network
        states = FaceStates(table, lesson.encoder, table.device)
        mean, deviation = states.moments()
        beside = torch.zeros(2 * len(table.actions), device=mean.device)
        network.fit_scale(torch.cat([mean, beside]), torch.cat([deviation, beside + 1]))
        seen = (states.all() - mean) * network.scale[: len(mean)]
        inspections = Inspections(
            table,
            seen,
            self.config,
            self.config.environments,
            clean=clean_faces(lesson.conditions),
        )
        return ppo.train(inspections, network, self.config, len(table.faces), lesson.seed)
