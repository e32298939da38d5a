"""The scores of demagnify's own runs: what `evaluate` and `bench run` wrote."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from demagnify.core.documents import read_json
from demagnify.core.errors import BadArtifactError
from demagnify.core.files import sha256
from demagnify.core.printing import plain
from demagnify.core.sealed import CHANGED
from demagnify.data.labels import NAMES
from demagnify.evaluation.exchange.scored import ScoreColumn, ScoredRun
from demagnify.evaluation.results import UNDEFENDED


def is_run(path: Path) -> bool:
    """Whether `path` is a folder that `evaluate` or `bench run` wrote, or its document."""
    return path.is_dir() or path.suffix == ".json"


def load_run(path: Path, *, split: str = "test") -> ScoredRun:
    """Reads the scores of an evaluation, or of a row of the benchmark.

    Args:
        path: The folder, or its results.json or row.json.
        split: Which split of an evaluation; a row has one.

    Raises:
        BadArtifactError: If there is no such run, it is damaged, or it has no such split.
    """
    from demagnify.evaluation.suite.row import ROW

    return _load_row(path) if _holds(path, ROW) else _load_evaluation(path, split)


def _holds(path: Path, name: str) -> bool:
    if path.is_dir():
        return (path / name).is_file()
    try:
        document = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("kind") == "benchmark row"


def _load_row(path: Path) -> ScoredRun:
    from demagnify.evaluation.suite.row import load_row
    from demagnify.evaluation.suite.table import ScoreTable

    row = load_row(path)
    scores = (path if path.is_dir() else path.parent) / row.scores
    if row.digest != row.computed_digest():
        raise BadArtifactError(f"{path}: {CHANGED}", hint="`demagnify bench run` makes it again")
    table = ScoreTable.load(scores)
    _check_file(scores, row.scores_sha256)
    columns = tuple(
        ScoreColumn(
            condition=condition,
            method=method,
            faces=table.faces,
            groups=table.groups,
            labels=table.labels,
            logits=logits.astype(np.float64),
            threshold=float(np.float32(row.entry.threshold_of(method))),
        )
        for (condition, method), logits in table.logits.items()
    )
    return ScoredRun(
        name=row.name,
        data=row.faces.data,
        split=row.suite.split,
        columns=columns,
        final=row.method,
        created=row.created,
        command=row.command,
        versions={"demagnify": row.versions.demagnify, "python": row.versions.python},
        about={"processor": row.machine.processor, "detector": row.entry.fingerprint},
        skipped=len(row.faces.skipped),
    )


def _load_evaluation(path: Path, split: str) -> ScoredRun:
    # It imports torch, which a row does without.
    from demagnify.evaluation.run_folder import PREDICTIONS, load_result

    result = load_result(path)
    there = [one.name for one in result.splits]
    if split not in there:
        raise BadArtifactError(
            f"{path}: it has no split {split!r}", hint=f"there are: {', '.join(there)}"
        )
    table = (path if path.is_dir() else path.parent) / PREDICTIONS
    try:
        _check_file(table, result.predictions_sha256)
        with table.open(encoding="utf-8", newline="") as file:
            columns = tuple(_columns(csv.DictReader(file), split))
    except FileNotFoundError as error:
        raise BadArtifactError(f"{table}: there is no such file") from error
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise BadArtifactError(f"{table} is damaged: {error!r}") from error
    methods = dict.fromkeys(one.method for one in columns)
    competing = (*result.of_role("detector"), *result.of_role("learned"))
    final = [one for name in competing for one in methods if _is_of(one, name)]
    return ScoredRun(
        name=result.context.title or path.name,
        data=result.context.data or "faces",
        split=split,
        columns=columns,
        final=final[-1] if final else UNDEFENDED,
        created=result.created,
        command=result.context.command,
        versions={
            "demagnify": result.versions.demagnify,
            "python": result.versions.python,
            **result.versions.packages,
        },
        about={"processor": result.machine.processor, "device": result.context.device},
        skipped=len(result.split_entry(split).skipped),
    )


def _check_file(path: Path, digest: str) -> None:
    if sha256(path) != digest:
        raise BadArtifactError(
            f"{path} was changed by hand or damaged (SHA-256 differs)", hint="evaluate again"
        )


def _is_of(column: str, method: str) -> bool:
    """Whether a name in predictions.csv is the method's, or one of its trainings' ("dqn #2")."""
    return column == method or column.startswith(f"{method} #")


def _columns(rows: Iterable[dict[str, str]], split: str) -> Iterator[ScoreColumn]:
    mine = (row for row in rows if row["split"] == split)
    for (condition, method), part in itertools.groupby(
        mine, key=lambda row: (row["condition"], row["method"])
    ):
        found = list(part)
        threshold = float(found[0]["threshold"])
        verdicts = [row["verdict"] for row in found]
        unsure = np.array([one not in NAMES for one in verdicts])
        yield ScoreColumn(
            condition=plain(condition),
            method=plain(method),
            faces=tuple(plain(row["name"]) for row in found),
            groups=tuple(plain(row["group"]) for row in found),
            labels=np.array([NAMES.index(row["label"]) for row in found], dtype=np.int64),
            logits=np.array(
                [_on_its_side(float(row["logit"]), threshold, row["verdict"]) for row in found]
            ),
            threshold=threshold,
            unsure=unsure if unsure.any() else None,
        )


def _on_its_side(logit: float, threshold: float, verdict: str) -> float:
    """Returns a logit that was rounded on writing, on the side of the threshold of its verdict."""
    if verdict == NAMES[1]:
        return max(logit, float(np.nextafter(threshold, np.inf)))
    return min(logit, threshold) if verdict == NAMES[0] else logit
