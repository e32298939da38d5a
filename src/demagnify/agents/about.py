"""What the card of a defence says about it, and how it is made again from that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demagnify.agents import state
from demagnify.agents.policy import Policy
from demagnify.agents.state import StateEncoder
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.transforms import TransformSet, create


class Part(BaseModel):
    """A registered thing and its settings; of actions and states the name may hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The name in its registry")
    settings: dict[str, Any] = Field(default_factory=dict, description="Its keyword arguments")


class DefenseAbout(BaseModel):
    """What a card says about a defence, beside how it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: int = Field(ge=1, description="Side in pixels of the faces that the agent knows")
    actions: tuple[Part, ...] = Field(description="What it can do; identity is the first")
    state: Part = Field(description="What it sees")
    policy: Part = Field(description="How it decides")

    @classmethod
    def of(
        cls, chosen: TransformSet, encoder: StateEncoder, policy: Policy, input_size: int
    ) -> DefenseAbout:
        """Describes a defence."""
        return cls(
            input_size=input_size,
            actions=tuple(Part(name=action.spec) for action in chosen),
            state=Part(name=encoder.spec),
            policy=Part(name=policy.name, settings=policy.settings()),
        )

    @classmethod
    def read(cls, card: Mapping[str, Any], folder: Path) -> DefenseAbout:
        """Reads the description from a card.

        Raises:
            BadArtifactError: If it is not there or not as it should be.
        """
        try:
            return cls.model_validate(card.get("defense"))
        except ValidationError as error:
            raise BadArtifactError(
                f"{folder / artifacts.CARD}: {first_finding(error, inside='defense')}",
                hint="use the demagnify that wrote it, or train again",
            ) from error

    def make_actions(self) -> TransformSet:
        """Makes the actions."""
        return TransformSet([create(part.name, part.settings) for part in self.actions])

    def make_encoder(self) -> StateEncoder:
        """Makes the state encoder, yet to be bound to its detector."""
        return state.create(self.state.name, self.state.settings)

    def make_policy(self) -> Policy:
        """Makes the policy, its weights yet to be loaded."""
        return Policy.create(self.policy.name, self.policy.settings)
