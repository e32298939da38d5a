"""A run on disk: results.json, predictions.csv, examples/; a report needs nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from demagnify.core import rng as randomness
from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.core.files import atomic_folder, atomic_path
from demagnify.core.images import Pixels, from_batch, load, save_png
from demagnify.core.printing import cell as safe_cell
from demagnify.core.sealed import read_sealed, write_sealed
from demagnify.data.labels import label_name
from demagnify.evaluation.grid import EvaluatedSplit
from demagnify.evaluation.records import Record, load_record
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult
from demagnify.scores import LogitTable

RESULTS: Final = "results.json"
PREDICTIONS: Final = "predictions.csv"
EXAMPLES: Final = "examples"
_INDEX: Final = "examples.json"
_IMAGES: Final = ("original", "attacked", "corrected")
_COLUMNS: Final = (
    *("split", "condition", "method", "name", "group"),
    *("label", "logit", "threshold", "verdict", "action"),
)
_UNSURE: Final = "unsure"

Outcome = Literal["mended", "broken", "right", "wrong"]
_SHOWN: Final[dict[Outcome, int]] = {"mended": 2, "broken": 2, "right": 1, "wrong": 1}


class Example(Record):
    """One attacked face before and after the defence; its images are PNG files beside it.

    Attributes:
        outcome: The change of the verdict: mended, broken, right before and after, or wrong.
        population: How many faces of the split had this outcome; examples are drawn at random
            among them.
        score_before: Logit of the attacked face.
        score_after: Logit after the action.
    """

    split: str
    condition: str
    method: str
    name: str
    label: int
    outcome: Outcome
    population: int
    action: str
    score_before: float
    threshold_before: float
    score_after: float
    threshold_after: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """The three images of an example, each uint8 RGB (H, W, 3).

    Attributes:
        original: The clean face.
        attacked: After the attack.
        corrected: After the attack and the agent's action.
    """

    original: Pixels
    attacked: Pixels
    corrected: Pixels


def pick_examples(
    split: EvaluatedSplit, condition: str, method: str, *, seed: int = 0
) -> Iterator[tuple[Example, Pictures]]:
    """Yields a few faces of each outcome of a method that chooses actions, drawn at random.

    The same seed draws the same faces.
    """
    cell = split[condition, method]
    before, after = split[condition, UNDEFENDED].measured.scores, cell.measured.scores
    actions = cell.predictions.actions
    if actions is None:
        return
    outcomes = _outcomes(before.correct, after.correct)
    for number, (outcome, shown) in enumerate(_SHOWN.items()):
        members = np.flatnonzero(outcomes == number)
        order = randomness.generator(seed, "examples", number).permutation(members)
        for face in order[:shown]:
            example = Example(
                split=split.name,
                condition=condition,
                method=method,
                name=str(split.faces.names[face]),
                label=int(split.labels[face]),
                outcome=outcome,
                population=len(members),
                action=cell.seeds[0].actions[actions[face]],
                score_before=float(before.logits[face]),
                threshold_before=before.threshold,
                score_after=float(after.logits[face]),
                threshold_after=after.threshold,
            )
            table = split.table(condition, method)
            yield example, _pictures(split, table, int(face), int(actions[face]))


def _pictures(split: EvaluatedSplit, table: LogitTable, face: int, action: int) -> Pictures:
    attacked = table.faces.batch(np.array([face]))
    return Pictures(
        from_batch(split.faces.batch(np.array([face])))[0],
        from_batch(attacked)[0],
        from_batch(table.transforms[action](attacked))[0],
    )


def _outcomes(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places in `_SHOWN`, for each face."""
    return np.select([~before & after, before & ~after, before & after], [0, 1, 2], default=3)


def save_result(folder: Path, result: EvaluationResult) -> Path:
    """Writes `result` to results.json in `folder`; returns its path."""
    path = folder / RESULTS
    write_sealed(path, result.model_dump_json(), indent=1)
    return path


def load_result(folder: Path) -> EvaluationResult:
    """Reads results.json from `folder`, or the file itself.

    Raises:
        BadArtifactError: If it is missing, damaged, of another version, or something else.
    """
    path = folder / RESULTS if folder.is_dir() else folder
    hint = f"give the folder that `demagnify evaluate` wrote {RESULTS} to"
    return load_record(path, EvaluationResult, "an evaluation", hint=hint)


def save_predictions(folder: Path, splits: Iterable[EvaluatedSplit]) -> Path:
    """Writes one line per split, condition, method and face to predictions.csv in `folder`."""
    path = folder / PREDICTIONS
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for split in splits:
            writer.writerows(map(safe_cell, row) for row in _rows(split))
    return path


def _rows(split: EvaluatedSplit) -> Iterator[tuple[object, ...]]:
    labels = [label_name(label) for label in split.labels.tolist()]
    for condition, seed in ((cell.condition, seed) for cell in split for seed in cell.seeds):
        scores, chosen, unsure = seed.scores, seed.predictions.actions, seed.predictions.abstained
        actions = [""] * len(labels) if chosen is None else [seed.actions[one] for one in chosen]
        verdicts = [label_name(int(fake)) for fake in scores.verdicts]
        if unsure is not None:
            verdicts = np.where(unsure, _UNSURE, verdicts).tolist()
        logits = [f"{logit:.6g}" for logit in scores.logits.tolist()]
        head, threshold = (split.name, condition, seed.name), f"{scores.threshold:.6g}"
        for name, group, label, logit, verdict, action in zip(
            split.faces.names, split.faces.groups, labels, logits, verdicts, actions, strict=True
        ):
            yield (*head, name, group, label, logit, threshold, verdict, action)


def save_examples(folder: Path, examples: Iterable[tuple[Example, Pictures]]) -> Path:
    """Writes examples and their images to examples/ in `folder`; returns its path."""
    path = folder / EXAMPLES
    with atomic_folder(path) as temporary:
        index = []
        for number, (example, pictures) in enumerate(examples):
            index.append(example.model_dump(mode="json"))
            for kind, pixels in asdict(pictures).items():
                save_png(temporary / _file_name(number, kind), pixels)
        write_sealed(temporary / _INDEX, {"examples": index}, indent=1)
    return path


def load_examples(folder: Path) -> list[tuple[Example, Pictures]]:
    """Reads the examples of a run; an empty list if it has none.

    Raises:
        BadArtifactError: If the index is damaged.
        BadImageError: If an image is missing or damaged.
    """
    index = folder / EXAMPLES / _INDEX
    if not index.is_file():
        return []
    try:
        examples = TypeAdapter(list[Example]).validate_python(read_sealed(index).get("examples"))
    except ValidationError as error:
        raise BadArtifactError(f"{index} is damaged: {first_finding(error)}") from error
    except (OSError, ValueError) as error:
        raise BadArtifactError(f"{index}: {error}", hint="evaluate again") from error
    return [
        (example, Pictures(*(load(index.parent / _file_name(number, one)) for one in _IMAGES)))
        for number, example in enumerate(examples)
    ]


def _file_name(number: int, kind: str) -> str:
    return f"{number:02d}-{kind}.png"
