"""Which detectors and actions an evaluation needs answers of, and which of them is the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.learned import Learned
from demagnify.agents.state import StateEncoder
from demagnify.core.errors import BadConfigError
from demagnify.core.files import file_name
from demagnify.data import FaceDataset
from demagnify.detectors import Detector
from demagnify.evaluation import Board, Contender, Faced, Member, learned_contender
from demagnify.evaluation.baselines.cached_state import Remembered
from demagnify.evaluation.baselines.simple import AlwaysAction
from demagnify.evaluation.results import DefenseEntry
from demagnify.laundering.conditions import Conditions, PartlyAttacked
from demagnify.scores import LogitTable
from demagnify.transforms import IDENTITY

Group = Sequence[DefendedDetector]
"""One defence, or the same trained with several seeds."""


@dataclass
class Bench:
    """A detector with a set of actions, and its answers.

    Attributes:
        name: Of the first defence that needs it.
        defended: That defence.
        faceds: The answers, by split and attack; empty until they were asked for.
    """

    name: str
    defended: DefendedDetector
    faceds: dict[str, dict[str, Faced]] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Whether nobody acts here."""
        return is_bare(self.defended)

    def fits(self, other: DefendedDetector) -> bool:
        """Returns whether these answers serve another defence too."""
        mine, theirs = (list(map(repr, one.actions)) for one in (self.defended, other))
        return self.same_detector(other.detector) and mine == theirs

    def same_detector(self, other: Detector) -> bool:
        """Returns whether another detector judges alike."""
        mine = self.defended.detector
        return mine is other or (
            mine.threshold == other.threshold and mine.fingerprint() == other.fingerprint()
        )

    def ask(self, split: str, conditions: Conditions, folder: Path, *, suffix: str = "") -> None:
        """Asks the detector about every face of a split under each condition.

        Args:
            split: The split's name.
            conditions: The faces clean and under each attack.
            folder: Where answers are kept.
            suffix: Of their files, where other faces are attacked than all.
        """
        asked = self.faceds.setdefault(split, {})
        for name, faces in conditions.items():
            table = LogitTable(faces, self.defended.detector, self.defended.actions)
            clean = next(iter(asked.values())).table if asked else None
            if clean is not None and suffix:
                table.adopt(_rows_left_clean(faces, clean))
            mark = suffix if clean is not None else ""
            table.fill(folder / f"{split}-{file_name(name)}{mark}.safetensors")
            asked[name] = Faced(table)


class Benches:
    """The benches of an evaluation; the first is the base's.

    Args:
        groups: Name in the tables -> defences.
        base: The detector that all are measured against; None for the one from which the first
            defence's was hardened, if that is known, or else the first defence's own.

    Raises:
        BadConfigError: If there is no defence, or they know faces of different sizes.
    """

    def __init__(self, groups: Mapping[str, Group], base: Detector | None = None) -> None:
        everyone = [(name, one) for name, group in groups.items() for one in group]
        if not everyone:
            raise BadConfigError("there is no defence to judge")
        self.input_size = _common_size([one for _, one in everyone])
        self._groups = groups
        self.all: list[Bench] = []
        for name, one in everyone:
            if not any(bench.fits(one) for bench in self.all):
                self.all.append(Bench(name, one))
        self._move_base_to_front(base or self._origin() or everyone[0][1].detector)
        self._encoders: dict[str, StateEncoder] = {}

    @property
    def base(self) -> Bench:
        """The bench of the detector that all are measured against."""
        return self.all[0]

    def fill(self, split: str, conditions: Conditions, folder: Path, *, suffix: str = "") -> None:
        """Asks every detector about a split; the base's answers stand in `folder` itself."""
        for bench in self.all:
            own = folder if bench is self.base else folder / file_name(bench.name)
            bench.ask(split, conditions, own, suffix=suffix)

    def contenders(self) -> list[Contender]:
        """Returns the rows of the defences that act, and of detectors with several seeds."""
        rows = []
        for name, group in self._groups.items():
            if not all(is_bare(one) for one in group):
                members = [
                    Member(self._learned(name, one), self._bench(one).faceds) for one in group
                ]
                rows.append(learned_contender(name, *members, detector=self._board_name(group[0])))
            elif len(group) > 1:
                rows.append(_detectors(name, [self._bench(one) for one in group]))
        return rows

    def boards(self) -> list[Board]:
        """Returns the other detectors, each with what the agents before it see."""
        boards = []
        for name, group in self._groups.items():
            bench = self._bench(group[0])
            as_base = self.base.same_detector(bench.defended.detector)
            if bench is self.base or bench.name != name or (bench.bare and len(group) > 1):
                continue
            if bench.bare and as_base:
                continue
            shown = as_base or self._shown(bench)
            alone = "" if shown else name if bench.bare else f"{name}, no agent"
            encoder = None if bench.bare else self._encoder(bench.defended)
            boards.append(Board(bench.faceds, name=name, alone=alone, encoder=encoder))
        return boards

    def _shown(self, bench: Bench) -> bool:
        """Whether an earlier or a bare bench brings the row of this one's detector."""
        for other in self.all[1:]:
            if other is bench:
                continue
            first = other.bare or self.all.index(other) < self.all.index(bench)
            if first and not bench.bare and other.same_detector(bench.defended.detector):
                return True
        return False

    def _bench(self, defended: DefendedDetector) -> Bench:
        return next(bench for bench in self.all if bench.fits(defended))

    def _board_name(self, defended: DefendedDetector) -> str:
        bench = self._bench(defended)
        return "" if bench is self.base else bench.name

    def _learned(self, name: str, defended: DefendedDetector) -> Learned:
        return Learned(defended.policy, self._encoder(defended), name=name)

    def _encoder(self, defended: DefendedDetector) -> StateEncoder:
        """Returns what a defence sees; all that see alike share one memory."""
        encoder = defended.encoder
        asks = "" if encoder.needs == "nothing" else defended.detector.fingerprint()
        kept = Remembered.around(encoder, self.input_size)
        return self._encoders.setdefault(f"{encoder.spec} {asks}", kept)

    def _origin(self) -> Detector | None:
        """Returns the detector from which the first one was hardened, where it is at hand."""
        first = self.all[0].defended.detector
        story = first.card.get("hardening", {})
        start = story.get("identity", {}).get("start weights")
        if start is None:
            return None
        mine = [bench.defended.detector for bench in self.all]
        device = str(first.device or "cpu")
        shipped = (
            detectors.load_detector(name, device=device, precision=first.precision)
            for name in detectors.shipped()
        )
        found = (one for many in (mine, shipped) for one in many if one.fingerprint() == start)
        return next(found, None)

    def _move_base_to_front(self, detector: Detector) -> None:
        mine = [bench for bench in self.all if bench.same_detector(detector)]
        acting = [bench for bench in mine if not bench.bare]
        chosen = (acting or mine or [Bench("base", undefended(detector))])[0]
        self.all = [chosen, *(bench for bench in self.all if bench is not chosen)]


def is_bare(defended: DefendedDetector) -> bool:
    """Returns whether a detector stands alone, without an agent that could act."""
    return list(defended.actions.names) == [IDENTITY]


def _detectors(name: str, benches: Sequence[Bench]) -> Contender:
    """Returns a detector that was trained with several seeds as one row."""
    note = f"Detectors without an agent; mean of {len(benches)} trainings."
    entry = DefenseEntry(name=name, role="detector", note=note, detector=name, seeds=len(benches))
    return Contender(
        entry, tuple(Member(AlwaysAction(0, IDENTITY), bench.faceds) for bench in benches)
    )


def _common_size(defenses: Sequence[DefendedDetector]) -> int:
    sizes = sorted({one.input_size for one in defenses})
    if len(sizes) > 1:
        raise BadConfigError(
            f"the defences know faces of different sizes: {' and '.join(map(str, sizes))} pixels",
            hint="judge them in runs of their own",
        )
    return sizes[0]


def _rows_left_clean(faces: FaceDataset, clean: LogitTable) -> torch.Tensor:
    """Returns what is known of faces that `attacked_only` left clean, NaN of the others: (N, A).

    Args:
        faces: Of one condition.
        clean: The filled table of the clean faces.
    """
    known = torch.full(clean.logits.shape, torch.nan)
    if isinstance(faces.images, PartlyAttacked):
        left = torch.from_numpy(~faces.images.attacked_rows)
        known[left] = torch.from_numpy(clean.logits)[left]
    return known
