"""Who is judged: a defence on the answers of its own detector, or several trainings of one."""

from __future__ import annotations

from dataclasses import dataclass

from demagnify.agents.judgement import Defense
from demagnify.agents.learned import Learned
from demagnify.agents.state import StateEncoder
from demagnify.evaluation.faced import Faceds
from demagnify.evaluation.results import DefenseEntry


@dataclass(frozen=True, slots=True)
class Board:
    """What one detector says after each of some actions.

    Attributes:
        faceds: Its answers, by split and attack.
        name: What tables call the detector; empty for the one that all are measured against.
        alone: What tables call the detector without an agent; empty where another row shows it.
        encoder: What the agents of this detector see; None if nobody acts.
    """

    faceds: Faceds
    name: str = ""
    alone: str = ""
    encoder: StateEncoder | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A defence and the answers that it judges on.

    Attributes:
        defense: The defence.
        faceds: The answers of its detector, by split and attack.
    """

    defense: Defense
    faceds: Faceds


@dataclass(frozen=True, slots=True)
class Contender:
    """A row of the grid.

    Attributes:
        entry: Its name, role and what it does.
        members: One defence, or the same trained with several seeds.
    """

    entry: DefenseEntry
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.entry.name


def learned_contender(name: str, *members: Member, detector: str = "") -> Contender:
    """Returns a learned defence as a row; several members are the same with other seeds.

    Args:
        name: What tables call it.
        members: At least one.
        detector: The board's name.
    """
    note = "A policy that chooses an action per face."
    if len(members) > 1:
        note += f" Mean of {len(members)} trainings with different seeds."
    entry = DefenseEntry(
        name=name, role="learned", note=note, detector=detector, seeds=len(members)
    )
    return Contender(entry, members)


def encoder_of(defense: Defense) -> StateEncoder | None:
    """Returns what a learned defence sees; None of one that looks at no image."""
    return defense.encoder if isinstance(defense, Learned) else None
