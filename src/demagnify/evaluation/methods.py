"""The methods under evaluation, and the logit tables that they need.

A method is a defence or a baseline. Each reads the logit tables of its own detector: one table per
split and condition, over the faces and the transforms that the method can choose from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.agents.loading import load_defense
from demagnify.agents.predictors import PolicyPredictor, Predictor
from demagnify.agents.states import StateEncoder
from demagnify.agents.training import SEED_FOLDER
from demagnify.core import artifacts
from demagnify.core.devices import Precision
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadConfigError
from demagnify.core.files import file_name
from demagnify.detectors import Detector
from demagnify.evaluation.baselines.cached_state import CachedState
from demagnify.evaluation.baselines.simple import FixedTransform
from demagnify.evaluation.results import MethodEntry
from demagnify.evaluation.table_units import fill_table
from demagnify.laundering.conditions import CLEAN, Conditions, is_attacked
from demagnify.laundering.config import Attacked
from demagnify.scores import LogitTable
from demagnify.transforms import IDENTITY

Tables = Mapping[str, Mapping[str, LogitTable]]
"""Split -> condition -> logit table."""

Trainings = Sequence[DefendedDetector]
"""One defence, or the same trained with several seeds."""

_NAMED: Final = re.compile(r"([^=:@/\\]+)=(.+)")


@dataclass(frozen=True, slots=True)
class MethodSeed:
    """A method trained with one seed, and the logit tables of its detector."""

    defense: Predictor
    tables: Tables


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the evaluation.

    Attributes:
        entry: Its name, role and description.
        seeds: One training, or the same method trained with several seeds.
    """

    entry: MethodEntry
    seeds: tuple[MethodSeed, ...]

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.entry.name


@dataclass(frozen=True, slots=True)
class DetectorTables:
    """The logit tables of one detector with one set of transforms.

    Attributes:
        tables: By split and condition.
        name: The detector's name in tables; empty for the base detector.
        alone: The row of the detector without an agent; empty where another row shows it.
        encoder: The state that the agents of this detector observe; None without an agent.
    """

    tables: Tables
    name: str = ""
    alone: str = ""
    encoder: StateEncoder | None = None


def learned_method(name: str, *seeds: MethodSeed, detector: str = "") -> Method:
    """Returns a learned defence as a row, with at least one training.

    `detector` is the name of its `DetectorTables`.
    """
    note = "A policy that chooses a correction per face."
    if len(seeds) > 1:
        note += f" Mean of {len(seeds)} trainings with different seeds."
    entry = MethodEntry(name=name, role="learned", note=note, detector=detector, seeds=len(seeds))
    return Method(entry, seeds)


def encoder_of(defense: Predictor) -> StateEncoder | None:
    """Returns the state that a learned defence observes; None if it observes no image."""
    return defense.encoder if isinstance(defense, PolicyPredictor) else None


def load_methods(
    specs: Sequence[str], *, device: str = "auto", precision: Precision = "auto"
) -> dict[str, list[DefendedDetector]]:
    """Loads defences by name; several of one name are trainings of one defence.

    Args:
        specs: Each "NAME=SOURCE" or "SOURCE": a source of `load_defense`, or a folder with the
            subfolders seed-N. Without a name the last part of the source is the name.
        device: "auto", "cpu", "cuda".
        precision: In which precision the detectors compute.

    Raises:
        BadArtifactError: If a source is no defence and no detector.
        BadConfigError: If two sources without a given name have the same name.
    """
    loaded: dict[str, list[DefendedDetector]] = {}
    for spec in specs:
        given = _NAMED.fullmatch(spec)
        source = given[2] if given else spec
        name = given[1].strip() if given else Path(source).name
        if not given and name in loaded:
            raise BadConfigError(
                f"two defences are called {name!r}",
                hint=f"name them: --defense one={source}, or both alike if only seeds differ",
            )
        loaded.setdefault(name, []).extend(
            load_defense(one, device=device, precision=precision) for one in _seeds_of(source)
        )
    return loaded


def _seeds_of(source: str) -> list[str]:
    """The subfolders seed-N of a folder in order; the source itself where it has none."""
    folder = Path(source)
    if (folder / artifacts.CARD).exists() or not folder.is_dir():
        return [source]
    found = [path for path in folder.glob(SEED_FOLDER.format("*")) if path.is_dir()]
    order = sorted(found, key=lambda path: (len(path.name), path.name))
    return [str(path) for path in order] or [source]


@dataclass
class _Source:
    """One detector with one set of transforms; its tables are empty until they are filled."""

    name: str
    defended: DefendedDetector
    tables: dict[str, dict[str, LogitTable]] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        return is_bare(self.defended)

    def serves(self, other: DefendedDetector) -> bool:
        mine, theirs = (list(map(repr, one.actions)) for one in (self.defended, other))
        return self.same_detector(other.detector) and mine == theirs

    def same_detector(self, other: Detector) -> bool:
        mine = self.defended.detector
        return mine is other or (
            mine.threshold == other.threshold and mine.fingerprint() == other.fingerprint()
        )

    def fill(
        self,
        split: str,
        conditions: Conditions,
        folder: Path,
        which: Attacked,
        options: EngineOptions | None,
    ) -> None:
        filled = self.tables.setdefault(split, {})
        for name, faces in conditions.items():
            table = LogitTable(faces, self.defended.detector, self.defended.actions)
            mark = "" if which == "all" or name == CLEAN else f"-{which}"
            if mark:  # the other faces are clean: their logits are known
                attacked = is_attacked(faces.labels, which)[:, None]
                table.update(np.where(attacked, np.float32(np.nan), filled[CLEAN].logits))
            path = folder / f"{split}-{file_name(name)}{mark}.safetensors"
            fill_table(table, path, options)
            filled[name] = table


class MethodTables:
    """The logit tables that the methods of an evaluation need; each is filled once.

    Args:
        methods: Name -> trainings of a defence. Detectors and transforms may differ.
        base: The detector that every method is compared with; None for the detector from which
            the first one was hardened, if it is available, else the first one itself.

    Raises:
        BadConfigError: If there is no method, or they need faces of different sizes.
    """

    def __init__(self, methods: Mapping[str, Trainings], base: Detector | None = None) -> None:
        everyone = [(name, one) for name, seeds in methods.items() for one in seeds]
        if not everyone:
            raise BadConfigError("there is no defence to evaluate")
        self.input_size = _common_size([one for _, one in everyone])
        self._methods = methods
        self._sources: list[_Source] = []
        for name, one in everyone:
            if not any(source.serves(one) for source in self._sources):
                self._sources.append(_Source(name, one))
        self._move_base_to_front(base or self._origin() or everyone[0][1].detector)
        self._encoders: dict[str, StateEncoder] = {}

    @property
    def base(self) -> DefendedDetector:
        """The base detector, with the transforms of the methods that share it."""
        return self._sources[0].defended

    @property
    def base_tables(self) -> Tables:
        """The logit tables of the base detector."""
        return self._sources[0].tables

    def fill(
        self,
        split: str,
        conditions: Conditions,
        folder: Path,
        *,
        which: Attacked = "all",
        options: EngineOptions | None = None,
    ) -> None:
        """Computes every logit of a split.

        Args:
            split: The split's name.
            conditions: Its faces clean and under each attack.
            folder: Where tables are kept; those of the base detector stand in it directly.
            which: Which faces are attacked; the others are clean under every attack.
            options: Share the work among many processes or machines.
        """
        for source in self._sources:
            own = folder if source is self._sources[0] else folder / file_name(source.name)
            source.fill(split, conditions, own, which, options)

    def rows(self) -> list[Method]:
        """Returns the methods with an agent, and detectors with several seeds."""
        rows = []
        for name, seeds in self._methods.items():
            if not all(is_bare(one) for one in seeds):
                found = [
                    MethodSeed(
                        PolicyPredictor(
                            one.policy,
                            self._encoder(one),
                            name=name,
                            threshold=one.own_threshold,
                        ),
                        self._source(one).tables,
                    )
                    for one in seeds
                ]
                source = self._source(seeds[0])
                detector = "" if source is self._sources[0] else source.name
                rows.append(learned_method(name, *found, detector=detector))
            elif len(seeds) > 1:
                rows.append(_detectors(name, [self._source(one) for one in seeds]))
        return rows

    def others(self) -> list[DetectorTables]:
        """Returns the tables of the detectors beside the base detector."""
        base, others = self._sources[0], []
        for name, seeds in self._methods.items():
            source = self._source(seeds[0])
            as_base = base.same_detector(source.defended.detector)
            if source is base or source.name != name or (source.bare and len(seeds) > 1):
                continue
            if source.bare and as_base:
                continue
            shown = as_base or self._shown_elsewhere(source)
            alone = "" if shown else name if source.bare else f"{name}, no agent"
            encoder = None if source.bare else self._encoder(source.defended)
            others.append(DetectorTables(source.tables, name=name, alone=alone, encoder=encoder))
        return others

    def _shown_elsewhere(self, source: _Source) -> bool:
        """Whether an earlier or a bare source brings the row of this one's detector."""
        place = self._sources.index(source)
        return not source.bare and any(
            (other.bare or number < place) and other.same_detector(source.defended.detector)
            for number, other in enumerate(self._sources)
            if number not in (0, place)
        )

    def _source(self, defended: DefendedDetector) -> _Source:
        return next(source for source in self._sources if source.serves(defended))

    def _encoder(self, defended: DefendedDetector) -> StateEncoder | None:
        """The state that a defence observes, if any; equal states share one cache."""
        encoder = defended.encoder
        if encoder is None:
            return None
        asks = "" if encoder.needs == "nothing" else defended.detector.fingerprint()
        cached = CachedState.around(encoder, self.input_size)
        return self._encoders.setdefault(f"{encoder.spec} {asks}", cached)

    def _origin(self) -> Detector | None:
        """The detector from which the first one was hardened, where it is available."""
        first = self._sources[0].defended.detector
        start = first.card.get("hardening", {}).get("identity", {}).get("start weights")
        if start is None:
            return None
        device = str(first.device or "cpu")
        shipped = (
            detectors.load_detector(name, device=device, precision=first.precision)
            for name in detectors.shipped()
        )
        mine = [source.defended.detector for source in self._sources]
        found = (one for many in (mine, shipped) for one in many if one.fingerprint() == start)
        return next(found, None)

    def _move_base_to_front(self, detector: Detector) -> None:
        mine = [source for source in self._sources if source.same_detector(detector)]
        acting = [source for source in mine if not source.bare]
        chosen = (acting or mine or [_Source("base", undefended(detector))])[0]
        self._sources = [chosen, *(one for one in self._sources if one is not chosen)]


def is_bare(defended: DefendedDetector) -> bool:
    """Returns whether a detector stands alone, without an agent that could act."""
    return list(defended.actions.names) == [IDENTITY]


def _detectors(name: str, sources: Sequence[_Source]) -> Method:
    """A detector that was trained with several seeds as one row."""
    note = f"Detectors without an agent; mean of {len(sources)} trainings."
    entry = MethodEntry(name=name, role="detector", note=note, detector=name, seeds=len(sources))
    seeds = (MethodSeed(FixedTransform(0, IDENTITY), source.tables) for source in sources)
    return Method(entry, tuple(seeds))


def _common_size(defenses: Sequence[DefendedDetector]) -> int:
    sizes = sorted({one.input_size for one in defenses})
    if len(sizes) > 1:
        raise BadConfigError(
            f"the defences know faces of different sizes: {' and '.join(map(str, sizes))} pixels",
            hint="evaluate them in runs of their own",
        )
    return sizes[0]
