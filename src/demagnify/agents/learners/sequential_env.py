"""Looking at faces view by view, as a game: the Gymnasium environment of the sequential agent."""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from demagnify.agents.learners.config import SequentialConfig
from demagnify.agents.policy.views import Views
from demagnify.agents.state import FaceStates, StateEncoder
from demagnify.scores import LogitTable

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Info = dict[str, Any]


class Inspections:
    """A number of slots, in each a face of a filled table that is looked at view by view.

    Rules and observations are those of `Views`. Each view costs `config.cost`; the end earns what
    the mean logit is worth, or what abstaining is paid.

    Args:
        table: Faces and the detector's answers; filled.
        states: float32 (N, S), what the agent sees of each face.
        config: Costs, limits and rewards.
        slots: How many faces at once.
        clean: bool (N,), which faces no attack has touched; None if nobody knows.
    """

    def __init__(
        self,
        table: LogitTable,
        states: torch.Tensor,
        config: SequentialConfig,
        slots: int,
        *,
        clean: Bools | None = None,
    ) -> None:
        self.config = config
        self.faces: Integers = np.zeros(slots, dtype=np.int64)
        self.views = Views(slots, len(table.actions), config.most)
        self._table = table
        self._states = states.cpu()
        self._clean = np.ones(len(table.faces), dtype=np.bool_) if clean is None else clean

    @property
    def observations(self) -> spaces.Box:
        """What an observation looks like: the state, and twice as many numbers as actions."""
        size = self._states.shape[1] + 2 * len(self._table.actions)
        return spaces.Box(-np.inf, np.inf, (size,), np.float32)

    @property
    def choices(self) -> spaces.Discrete[Any]:
        """The views, stop and, where it is paid, abstain."""
        return spaces.Discrete(len(self._table.actions) + 1 + (self.config.abstain is not None))

    def begin(self, slots: Integers, faces: Integers) -> None:
        """Puts the faces of these numbers into `slots`."""
        self.faces[slots] = faces
        self.views.begin(torch.from_numpy(slots))

    def observe(self, slots: Integers) -> Floats:
        """Returns what the agent sees in `slots`, float32 (n, S + 2 A)."""
        states = self._states[torch.from_numpy(self.faces[slots])]
        seen = self.views.observe(states, self._table.threshold, torch.from_numpy(slots))
        observed: Floats = seen.numpy()
        return observed

    def step(self, slots: Integers, choices: Integers) -> tuple[Floats, Bools]:
        """Follows the choices in `slots`; returns rewards and where the end came, each (n,)."""
        looked, ended = self.views.choose(
            torch.from_numpy(slots), torch.from_numpy(choices), self._answer
        )
        over: Bools = ended.numpy()
        rewards = -np.float32(self.config.cost) * looked.numpy().astype(np.float32)
        if over.any():
            rewards[over] += self._earned(slots[over])
        return rewards, over

    def _answer(self, slots: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        faces = self.faces[slots.numpy()]
        return torch.from_numpy(self._table.lookup(faces, actions.numpy()))

    def _earned(self, slots: Integers) -> Floats:
        faces = self.faces[slots]
        compares = self.config.reward.compares
        earned = self.config.reward.of(
            self.views.logits.numpy()[slots],
            self._table.labels[faces],
            self._table.threshold,
            leave=self._table.lookup(faces, np.zeros_like(faces)) if compares else None,
            clean=self._clean[faces],
        )
        if self.config.abstain is None:
            return earned
        return np.where(self.views.unsure.numpy()[slots], np.float32(self.config.abstain), earned)


class SequentialEnv(gymnasium.Env[Floats, np.int64]):
    """One face at a time, view by view, until the agent stops, abstains or has seen enough.

    Args:
        table: Faces and the detector's answers; it is filled if it is not.
        encoder: What the agent sees.
        config: Costs, limits and rewards.

    Reset takes the option "face", the number of the face to show. Every info holds "face"; the
    last of an episode holds "logit", the mean of what was seen, and "unsure".
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self, table: LogitTable, encoder: StateEncoder, config: SequentialConfig | None = None
    ) -> None:
        table.fill()
        states = FaceStates(table, encoder, torch.device("cpu")).all()
        self._inspections = Inspections(table, states, config or SequentialConfig(), 1)
        self._count = len(table.faces)
        self.observation_space = cast("spaces.Space[Floats]", self._inspections.observations)
        self.action_space = self._inspections.choices

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Info]:
        """Shows a face, picked at random unless `options` names its number as "face"."""
        super().reset(seed=seed)
        face = (options or {}).get("face")
        if face is None:
            face = self.np_random.integers(self._count)
        self._inspections.begin(_ONLY, np.array([face], dtype=np.int64))
        return self._inspections.observe(_ONLY)[0], {"face": int(face)}

    def step(self, action: np.int64) -> tuple[Floats, float, bool, bool, Info]:
        """Follows a choice; returns what is seen then, reward, whether it ended, False, info."""
        rewards, ended = self._inspections.step(_ONLY, np.array([action], dtype=np.int64))
        info: Info = {"face": int(self._inspections.faces[0])}
        if ended[0]:
            info["logit"] = float(self._inspections.views.logits[0])
            info["unsure"] = bool(self._inspections.views.unsure[0])
        return self._inspections.observe(_ONLY)[0], float(rewards[0]), bool(ended[0]), False, info


_ONLY = np.zeros(1, dtype=np.int64)
