"""The evaluation of methods on a data set, clean and under attack.

Everything that is chosen (the best fixed correction, the re-tuned threshold, the best baseline) is
chosen on the selection split; the other splits are only evaluated, once, in full.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.predictors import Predictor
from demagnify.agents.states import StateEncoder
from demagnify.core.devices import Precision
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadConfigError
from demagnify.core.files import sha256
from demagnify.core.runs import claim
from demagnify.core.settings import DetectorOptions
from demagnify.core.trackers import check_tracker, track
from demagnify.data import FaceDataset, Skipped
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import all_seen, compare_provenance
from demagnify.detectors import Detector
from demagnify.evaluation.baselines.choose import choose_baselines
from demagnify.evaluation.document import make_result, worst_attack
from demagnify.evaluation.grid import EvaluatedSplit, check_same_faces
from demagnify.evaluation.machine import action_costs
from demagnify.evaluation.methods import (
    DetectorTables,
    Method,
    MethodSeed,
    MethodTables,
    Tables,
    Trainings,
    encoder_of,
    is_bare,
    learned_method,
    load_methods,
)
from demagnify.evaluation.report import write_report
from demagnify.evaluation.results import ConditionEntry, Context, EvaluationResult, Settings
from demagnify.evaluation.run_folder import (
    pick_examples,
    save_examples,
    save_predictions,
    save_result,
)
from demagnify.laundering.conditions import (
    CLEAN,
    at_size,
    attacked_only,
    create_attacks,
    under_attacks,
)
from demagnify.laundering.config import Attacked
from demagnify.laundering.quality import quality_of_faces

SPLITS: Final = ("val", "test")
COSTS: Final = "costs.json"
MEASURED: Final = 256
"""Number of faces, spread evenly over a split, on which image quality is measured."""
_OF_THE_CARD: Final = ("detector", "training", "data", "validation", "pos_weight")


class EvaluationConfig(Settings, DetectorOptions):
    """The methods, the attacks and the faces of an evaluation."""

    defenses: tuple[str, ...] = Field(
        default=("runs/defense",),
        description="A folder that train-defense wrote (with --seeds: all its trainings as one "
        "row), a shipped one, or any detector as in train-defense --detector (then without an "
        "agent). Several make several rows, NAME=FOLDER names them; one name given again adds "
        "another training to its row.",
    )
    base: str | None = Field(
        default=None,
        description="The detector whose undefended figures all methods are compared with; by "
        "default the one from which the first method's detector was hardened, else the first's "
        "own.",
    )
    attacks: tuple[str, ...] = Field(
        default=(),
        description="An attack by name (see `demagnify attack --list`) or the file of a "
        "super-resolution network (.pth, .safetensors); several for several conditions.",
    )
    faces: Attacked = Field(default="all", description="Which faces are attacked.")
    size: int | None = Field(
        default=None,
        ge=16,
        description="Side in pixels at which faces are attacked, such as that of the files; they "
        "are then resized to the detector's, which is the default.",
    )
    attack_precision: Precision = Field(
        default="float32",
        description="float32, bfloat16 or auto: the precision of the attacks' networks. bfloat16 "
        "is several times faster on processors that have it, and moves pixels by less than one "
        "grey level.",
    )
    title: str = Field(default="", description="A name for the run, for the report.")

    @property
    def settings(self) -> Settings:
        """The part that the document of the result holds."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        result: The document from which tables and figures are made.
        splits: The evaluated splits with the prediction for every face, by name.
    """

    result: EvaluationResult
    splits: dict[str, EvaluatedSplit]

    def save(self, folder: Path) -> Path:
        """Writes results.json, predictions.csv and examples/ to `folder`; returns the folder.

        The examples show the first learned defence on the last split under the attack that hurts
        the undefended detector most.

        Raises:
            BadOutputError: If the place cannot be written to.
        """
        predictions = save_predictions(folder, self.splits.values())
        learned = self.result.of_role("learned")
        if learned:
            split = list(self.splits.values())[-1]
            attack = worst_attack(self.result, split.name)
            seed = self.result.settings.seed
            save_examples(folder, pick_examples(split, attack, learned[0], seed=seed))
        digest = {"predictions_sha256": sha256(predictions)}
        save_result(folder, self.result.model_copy(update=digest))
        return folder


def evaluate(
    data: Sequence[Path] | Mapping[str, FaceDataset],
    output: Path,
    config: EvaluationConfig | None = None,
    *,
    methods: Mapping[str, DefendedDetector | Trainings] | None = None,
    base: Detector | None = None,
    command: str = "",
    about: Mapping[str, Any] | None = None,
    tracker: str | None = None,
    options: EngineOptions | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Evaluation:
    """Evaluates every method under every attack on val and test, and writes the run to `output`.

    Writes results.json, predictions.csv, examples/ and the report. Logits are kept in
    `output`/tables: a killed evaluation computes only what is missing. The splits meet the same
    attacks, except that val meets only attacks that some method saw: nothing may be chosen under
    the others.

    Args:
        data: Manifests with the splits val and test (see `Manifest.load`), or faces of each.
        output: The run folder.
        config: The methods, the attacks and the rest.
        methods: Name in the tables -> defended detector, or several trained with different seeds;
            those that `config` names if None. Detectors and transforms may differ. A method whose
            agent has nothing to choose is a bare detector, and a row of its own.
        base: The detector that all are compared with; the one that `config` describes if None.
        command: The command line that started it, for the record.
        about: The resolved configuration of the run, for the record.
        tracker: Where the final figures go: "tensorboard", "mlflow", with ":" a folder or address,
            or `package.module:Class`; see `demagnify.core.trackers`.
        options: Share the filling of logit tables among many processes or machines.
        on_skip: Gets each file or line that is left out.

    Returns:
        The document, and the prediction for every face.

    Raises:
        BadConfigError: If there is no method, or they need faces of different sizes.
        BadManifestError: If a data set cannot be used.
        BadArtifactError: If `output` holds the logits of other methods or faces.
        BadOutputError: If another run writes to `output`, or it cannot be written to.

    Example:
        >>> config = EvaluationConfig(defenses=("default",), attacks=("bicubic-x2",))
        >>> run = evaluate([Path("faces")], Path("runs/evaluation"), config)  # doctest: +SKIP
        >>> run.result.cell("test", "bicubic-x2", "default")  # doctest: +SKIP
    """
    config = config or EvaluationConfig()
    if tracker is not None:
        check_tracker(tracker)
    device, precision = config.device, config.precision
    attacks = create_attacks(config.attacks, device=device, precision=config.attack_precision)
    if methods is None:
        methods = load_methods(config.defenses, device=device, precision=precision)
    if base is None and config.base is not None:
        base = detectors.load_detector(config.base, device=device, precision=precision)
    trainings = {
        name: [one] if isinstance(one, DefendedDetector) else list(one)
        for name, one in methods.items()
    }
    tables = MethodTables(trainings, base)
    size, sources = tables.input_size, () if isinstance(data, Mapping) else data
    opened = _open(data, config, size, on_skip)
    seen = all_seen(_cards(trainings))  # seen if any method was trained against it
    timings: dict[str, float] = {}
    with claim(output / "tables", {"run": "evaluation"}, what="an evaluation") as folder:
        for split, faces in opened.items():
            with _timed(timings, f"attacking {split}"):
                met = [one for one in attacks if split != SPLITS[0] or one.name in seen]
                conditions = at_size(under_attacks(faces, met), size)
            with _timed(timings, f"detector on {split}"):
                mixed = attacked_only(conditions, config.faces)
                tables.fill(split, mixed, folder, which=config.faces, options=options)
        defended = next(
            (one for many in trainings.values() for one in many if not is_bare(one)), None
        )
        clean = tables.base_tables[SPLITS[0]][CLEAN].faces
        context = Context(
            title=config.title,
            command=command,
            seen_attacks=seen,
            attacked=config.faces,
            base=tables.base.detector.name,
            training_data=compare_provenance(_cards(trainings), sources),
            device=str(tables.base.device or "cpu"),
            data=", ".join(source.name or str(source) for source in sources),
            detector=_about_detector(tables.base),
            configuration=dict(about or {}),
            attack_quality=measure_quality(conditions),  # of the last split
            learner_history=() if defended is None else _learner_rows(defended),
            detector_history=tuple(tables.base.detector.card.get("history", ())),
            costs=action_costs(clean, tables.base, folder / COSTS),
            timings=timings,
        )
        evaluation = evaluate_tables(
            tables.base_tables,
            tables.rows(),
            others=tables.others(),
            settings=config.settings,
            context=context,
        )
        evaluation.save(output)
        write_report(output)
        # Other figures, as those of a defence that was trained again, are another run.
        figures = evaluation.result.figures()
        with track(tracker, output, figures, config) as tracking:
            tracking.points([(0, figures)])
        return evaluation


def evaluate_tables(
    tables: Tables,
    learned: Sequence[Predictor | Method],
    *,
    others: Sequence[DetectorTables] = (),
    settings: Settings | None = None,
    context: Context | None = None,
) -> Evaluation:
    """Evaluates methods on logit tables, beside all baselines.

    Args:
        tables: Split -> condition -> logit table of the base detector, with whose undefended
            figures all others are compared. Every split holds "none", the clean faces, and the
            same faces under its attacks. The selection split must be among them.
        learned: The learned defences. Those of another detector, or with several seeds, come as
            `Method`.
        others: Other detectors; each gets a row of its own and, where it has actions, baselines.
        settings: Seed, resamples, batches; defaults if None.
        context: The record beside the figures.

    Raises:
        BadConfigError: If the selection split or clean faces are missing, splits differ in their
            actions, or two methods have one name.
    """
    settings, context = settings or Settings(), context or Context()
    if settings.selection_split not in tables:
        raise BadConfigError(
            f"there is no split {settings.selection_split!r} to choose the baselines on",
            hint=f"the splits are {', '.join(tables)}",
        )
    rows = [
        one if isinstance(one, Method) else learned_method(one.name, MethodSeed(one, tables))
        for one in learned
    ]
    for split, conditions in tables.items():
        check_same_faces(split, conditions)
    base = DetectorTables(tables, encoder=_first_encoder(rows, tables))
    baselines = [
        choose_baselines(one, seen=context.seen_attacks, settings=settings)
        for one in (base, *others)
    ]
    methods = [row for one in baselines for row in one.rows] + rows
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadConfigError(f"several methods are called {', '.join(twice)}")
    splits = {
        name: EvaluatedSplit(name, conditions, methods, settings)
        for name, conditions in tables.items()
    }
    entries = tuple(method.entry for method in methods)
    return Evaluation(make_result(splits, entries, baselines, settings, context), splits)


def measure_quality(conditions: Mapping[str, FaceDataset]) -> tuple[ConditionEntry, ...]:
    """Returns how far each attack moves the pixels: PSNR and SSIM against the clean faces."""
    clean = conditions[CLEAN]
    count = min(MEASURED, len(clean))
    indices = np.unique(np.linspace(0, len(clean) - 1, count).astype(np.int64))
    return tuple(
        ConditionEntry.of(name, *quality_of_faces(clean, faces, indices))
        for name, faces in conditions.items()
        if name != CLEAN
    )


def _open(
    data: Sequence[Path] | Mapping[str, FaceDataset],
    config: EvaluationConfig,
    size: int,
    on_skip: Callable[[Skipped], None] | None,
) -> dict[str, FaceDataset]:
    if isinstance(data, Mapping):
        return {split: data[split] for split in SPLITS}
    return open_splits(
        data,
        SPLITS,
        size=config.size or size,
        subsample=config.subsample,
        strict=config.strict,
        on_skip=on_skip,
    )


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round(time.perf_counter() - start, 2)


def _first_encoder(rows: Sequence[Method], tables: Tables) -> StateEncoder | None:
    """The state of the first agent of the base detector; None if there is none."""
    mine = [seed for row in rows for seed in row.seeds if seed.tables is tables]
    return next(filter(None, (encoder_of(seed.defense) for seed in mine)), None)


def _cards(methods: Mapping[str, Trainings]) -> list[Mapping[str, Any]]:
    """The card of every defence and every detector."""
    everyone = [one for many in methods.values() for one in many]
    return [card for one in everyone for card in (one.card, one.detector.card)]


def _about_detector(defended: DefendedDetector) -> dict[str, Any]:
    card = defended.detector.card
    return {
        "name": defended.detector.name,
        "threshold": defended.detector.threshold,
        "input_size": defended.input_size,
        **{key: card[key] for key in _OF_THE_CARD if key in card},
    }


def _learner_rows(defended: DefendedDetector) -> tuple[dict[str, float | None], ...]:
    names = defended.actions.names
    return tuple(
        {
            **{key: value for key, value in point.items() if key != "actions"},
            **{f"share of {name}": x for name, x in zip(names, point["actions"], strict=True)},
        }
        for point in defended.card.get("history", ())
    )
