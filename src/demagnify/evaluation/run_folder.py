"""A run on disk: results.json, predictions.csv, examples/; a report needs nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from demagnify.core import rng as randomness
from demagnify.core.errors import BadArtifactError
from demagnify.core.files import atomic_folder, atomic_path, write_text
from demagnify.core.images import Pixels, from_batch, load, save_png
from demagnify.evaluation.grid import JudgedSplit
from demagnify.evaluation.results import SCHEMA_VERSION, UNDEFENDED, EvaluationResult, Record
from demagnify.scores import LogitTable

Outcome = Literal["mended", "broken", "right", "wrong"]

_SHOWN: Final[dict[Outcome, int]] = {"mended": 2, "broken": 2, "right": 1, "wrong": 1}


class Example(Record):
    """One attacked face before and after the defence; its pictures are PNG files beside it.

    Attributes:
        outcome: What the defence did to the verdict: mended or broke it, or left it right or wrong.
        population: How many faces of the split had this outcome; examples are drawn at random
            among them.
        score_before: Logit of the attacked face.
        score_after: Logit after the action.
    """

    split: str
    attack: str
    defense: str
    name: str
    label: int
    outcome: Outcome
    population: int
    action: str
    score_before: float
    threshold_before: float
    score_after: float
    threshold_after: float


class Pictures:
    """The three photographs of an example, each uint8 RGB (H, W, 3).

    Args:
        original: The face as it was.
        attacked: After the attack.
        corrected: After the attack and the agent's action.
    """

    def __init__(self, original: Pixels, attacked: Pixels, corrected: Pixels) -> None:
        self.original = original
        self.attacked = attacked
        self.corrected = corrected


def pick_examples(
    split: JudgedSplit, attack: str, defense: str, *, seed: int = 0
) -> Iterator[tuple[Example, Pictures]]:
    """Yields a few faces of each outcome, drawn at random within the outcome.

    Args:
        split: The judged split.
        attack: Under which attack.
        defense: A defence that chooses actions.
        seed: Same seed, same faces.
    """
    before, after = split[attack, UNDEFENDED].measured, split[attack, defense].measured
    actions = split[attack, defense].judgement.actions
    if actions is None:
        return
    outcomes = _outcomes(before.scores.correct, after.scores.correct)
    for number, (outcome, shown) in enumerate(_SHOWN.items()):
        members = np.flatnonzero(outcomes == number)
        order = randomness.generator(seed, "examples", number).permutation(members)
        for face in order[:shown]:
            example = Example(
                split=split.name,
                attack=attack,
                defense=defense,
                name=str(split.faces.names[face]),
                label=int(split.labels[face]),
                outcome=outcome,
                population=len(members),
                action=split[attack, defense].parts[0].actions[actions[face]],
                score_before=float(before.scores.logits[face]),
                threshold_before=before.scores.threshold,
                score_after=float(after.scores.logits[face]),
                threshold_after=after.scores.threshold,
            )
            table = split.table(attack, defense)
            yield example, _pictures(split, table, int(face), int(actions[face]))


def _pictures(split: JudgedSplit, table: LogitTable, face: int, action: int) -> Pictures:
    attacked = table.faces.batch(np.array([face]))
    return Pictures(
        from_batch(split.faces.batch(np.array([face])))[0],
        from_batch(attacked)[0],
        from_batch(table.actions[action](attacked))[0],
    )


def _outcomes(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places in `_SHOWN`, for each face."""
    return np.select([~before & after, before & ~after, before & after], [0, 1, 2], default=3)


RESULTS: Final = "results.json"
PREDICTIONS: Final = "predictions.csv"
EXAMPLES: Final = "examples"
_INDEX: Final = "examples.json"
_COLUMNS: Final = (
    "split",
    "attack",
    "defense",
    "name",
    "group",
    "label",
    "logit",
    "threshold",
    "verdict",
    "action",
)
_LABELS: Final = ("real", "fake")
_UNSURE: Final = "unsure"


def save_result(folder: Path, result: EvaluationResult) -> Path:
    """Writes `result` to results.json in `folder`; returns its path."""
    path = folder / RESULTS
    write_text(path, result.model_dump_json(indent=1) + "\n")
    return path


def load_result(folder: Path) -> EvaluationResult:
    """Reads results.json from `folder`, or the file itself.

    Raises:
        BadArtifactError: If it is missing, damaged, of another version, or something else.
    """
    path = folder / RESULTS if folder.is_dir() else folder
    hint = f"give the folder that `demagnify evaluate` wrote {RESULTS} to"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadArtifactError(f"{path}: there is no such file", hint=hint) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadArtifactError(f"{path} cannot be read as JSON: {error}", hint=hint) from error
    if not isinstance(document, dict) or document.get("kind") != "evaluation":
        raise BadArtifactError(f"{path} is not the result of an evaluation", hint=hint)
    if document.get("schema_version") not in range(1, SCHEMA_VERSION + 1):
        raise BadArtifactError(
            f"{path} has schema version {document.get('schema_version')}; "
            f"this demagnify reads up to {SCHEMA_VERSION}",
            hint="use the demagnify that wrote it, or evaluate again",
        )
    try:
        return EvaluationResult.model_validate(document)
    except ValidationError as error:
        raise BadArtifactError(f"{path} is damaged: {_first(error)}", hint=hint) from error


def save_predictions(folder: Path, splits: Iterable[JudgedSplit]) -> Path:
    """Writes one line per split, attack, defence and face to predictions.csv in `folder`."""
    path = folder / PREDICTIONS
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for split in splits:
            writer.writerows(_rows(split))
    return path


def _rows(split: JudgedSplit) -> Iterable[tuple[object, ...]]:
    labels = [_LABELS[label] for label in split.labels]
    for attack, part in ((cell.attack, part) for cell in split for part in cell.parts):
        scores, chosen, unsure = part.scores, part.judgement.actions, part.judgement.unsure
        names = part.actions
        actions = [""] * len(labels) if chosen is None else [names[action] for action in chosen]
        verdicts = [_LABELS[int(fake)] for fake in scores.verdicts]
        if unsure is not None:
            verdicts = [
                _UNSURE if withheld else verdict
                for verdict, withheld in zip(verdicts, unsure, strict=True)
            ]
        logits = [f"{logit:.6g}" for logit in scores.logits.tolist()]
        head, threshold = (split.name, attack, part.name), f"{scores.threshold:.6g}"
        for name, group, label, logit, verdict, action in zip(
            split.faces.names, split.faces.groups, labels, logits, verdicts, actions, strict=True
        ):
            yield (*head, name, group, label, logit, threshold, verdict, action)


def save_examples(folder: Path, examples: Iterable[tuple[Example, Pictures]]) -> Path:
    """Writes examples and their pictures to examples/ in `folder`; returns its path."""
    path = folder / EXAMPLES
    with atomic_folder(path) as temporary:
        index = []
        for number, (example, pictures) in enumerate(examples):
            index.append(example.model_dump(mode="json"))
            for kind, pixels in vars(pictures).items():
                save_png(temporary / _picture_name(number, kind), pixels)
        write_text(temporary / _INDEX, json.dumps(index, indent=1, ensure_ascii=False) + "\n")
    return path


def load_examples(folder: Path) -> list[tuple[Example, Pictures]]:
    """Reads the examples of a run; an empty list if it has none.

    Raises:
        BadArtifactError: If the index is damaged.
        BadImageError: If a picture is missing or damaged.
    """
    index = folder / EXAMPLES / _INDEX
    if not index.is_file():
        return []
    try:
        examples = TypeAdapter(list[Example]).validate_json(index.read_bytes())
    except ValidationError as error:
        raise BadArtifactError(f"{index} is damaged: {_first(error)}") from error
    return [
        (example, Pictures(**{kind: _picture(folder, number, kind) for kind in _KINDS}))
        for number, example in enumerate(examples)
    ]


_KINDS: Final = ("original", "attacked", "corrected")


def _picture(folder: Path, number: int, kind: str) -> Pixels:
    return load(folder / EXAMPLES / _picture_name(number, kind))


def _picture_name(number: int, kind: str) -> str:
    return f"{number:02d}-{kind}.png"


def _first(error: ValidationError) -> str:
    """The first of pydantic's findings in one line."""
    finding = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in finding["loc"]) or "the document"
    return f"{place}: {finding['msg']}"
