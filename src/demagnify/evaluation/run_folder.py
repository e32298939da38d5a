"""A run on disk: results.json, predictions.csv, examples/; a report needs nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from demagnify.core.errors import BadArtifactError
from demagnify.core.files import atomic_folder, atomic_path, write_text
from demagnify.core.images import Pixels, load, save_png
from demagnify.evaluation.examples import Example, Pictures
from demagnify.evaluation.grid import JudgedSplit
from demagnify.evaluation.result import SCHEMA_VERSION, EvaluationResult

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
