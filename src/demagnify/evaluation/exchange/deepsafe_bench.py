"""deepsafe-bench's prediction matrix: one gzipped CSV file with a line for each sample.

The columns are `id, modality, label, generator, ensemble_score, ensemble_verdict,
ensemble_method`, and for every model `prob_NAME` and `lat_NAME` (milliseconds); see
https://github.com/deepsafehq/deepsafe-bench, `REPRODUCING.md`. Written are

* a line for each face under each condition; `generator`, by which deepsafe-bench splits its
  figures, names data set and attack;
* a `prob_NAME` for each method, 0.5 at its threshold, where deepsafe-bench cuts;
* the method of the run as `ensemble`;
* two columns more, `condition` and `group`, which other readers pass over. `lat_NAME` is empty.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from demagnify.core.errors import BadConfigError
from demagnify.core.files import check_regular, write_bytes
from demagnify.data.labels import NAMES
from demagnify.evaluation.exchange.base import SCORE_FORMATS, ScoreFormat
from demagnify.evaluation.exchange.scored import ScoreColumn, ScoredRun, logits_of
from demagnify.laundering.config import CLEAN

_HEAD: Final = ("id", "modality", "label", "generator")
_ENSEMBLE: Final = ("ensemble_score", "ensemble_verdict", "ensemble_method")
_OWN: Final = ("condition", "group")
_PROB: Final = "prob_"
_SUFFIX: Final = ".csv.gz"
_MODALITY: Final = "images"
_MOST_BYTES: Final = 2**28


@SCORE_FORMATS.register("deepsafe-bench")
class DeepsafeBench(ScoreFormat):
    """The matrix of predictions of deepsafe-bench."""

    name: ClassVar[str] = "deepsafe-bench"
    summary: ClassVar[str] = (
        "one CSV file, deepsafe-bench's prediction matrix: a line per face and condition"
    )

    def write(self, run: ScoredRun, output: Path) -> list[Path]:
        """Writes one file, whose name ends in .csv.gz; the same content gives the same bytes."""
        if not output.name.endswith(_SUFFIX):
            raise BadConfigError(
                f"{output}: deepsafe-bench reads gzipped CSV",
                hint=f"give a file that ends in {_SUFFIX}",
            )
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(_lines(run))
        write_bytes(output, gzip.compress(text.getvalue().encode(), mtime=0))
        return [output]

    def recognises(self, path: Path) -> bool:
        """Whether the first columns are those of a matrix."""
        if not path.name.endswith((_SUFFIX, ".csv")):
            return False
        with _open(path) as file:
            return next(csv.reader(file), [])[: len(_HEAD)] == list(_HEAD)

    def read(self, path: Path) -> ScoredRun:
        """Reads a matrix; without the column `condition` a condition is a modality."""
        with _open(path) as file:
            rows = list(csv.DictReader(file))
        methods = [one for one in rows[0] if one.startswith(_PROB)] if rows else []
        conditions = dict.fromkeys(_condition(row) for row in rows)
        columns = [
            _column([row for row in rows if _condition(row) == condition], condition, method)
            for condition in conditions
            for method in methods
        ]
        scored = tuple(one for one in columns if len(one.labels))
        name = path.name.removesuffix(".gz").removesuffix(".csv")
        return ScoredRun(name=name, data=name, split="", columns=scored)


def _open(path: Path) -> io.TextIOWrapper:
    check_regular(path, most=_MOST_BYTES)
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _lines(run: ScoredRun) -> Iterator[tuple[object, ...]]:
    methods = list(dict.fromkeys(one.method for one in run.columns))
    scores = [f"{kind}_{method}" for method in methods for kind in ("prob", "lat")]
    yield (*_HEAD, *_ENSEMBLE, *scores, *_OWN)
    for condition in dict.fromkeys(one.condition for one in run.columns):
        found = {one.method: one for one in run.columns if one.condition == condition}
        values = {name: one.probabilities.tolist() for name, one in found.items()}
        first, final = next(iter(found.values())), found.get(run.final)
        generator = run.data if condition == CLEAN else f"{run.data}+{condition}"
        for place, (face, group, label) in enumerate(
            zip(first.faces, first.groups, first.labels.tolist(), strict=True)
        ):
            ensemble: tuple[object, ...] = ("", "", "")
            if final is not None:
                verdict = NAMES[int(final.verdicts[place])]
                ensemble = (values[run.final][place], verdict, run.final)
            each = [
                cell
                for method in methods
                for cell in (values[method][place] if method in values else "", "")
            ]
            head = (f"{condition}/{face}", _MODALITY, NAMES[label], generator)
            yield (*head, *ensemble, *each, condition, group)


def _condition(row: dict[str, str]) -> str:
    return row.get("condition") or row.get("modality") or "all"


def _column(rows: list[dict[str, str]], condition: str, method: str) -> ScoreColumn:
    scored = [row for row in rows if row.get(method)]
    bad = next((row for row in scored if row["label"] not in NAMES), None)
    if bad is not None:
        raise ValueError(f"the label of {bad['id']!r} is {bad['label']!r}, not real or fake")
    values = np.array([float(row[method]) for row in scored], dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"a value of {method} is no probability from 0 to 1")
    names = [row["id"].removeprefix(f"{condition}/") for row in scored]
    return ScoreColumn(
        condition=condition,
        method=method.removeprefix(_PROB),
        faces=tuple(names),
        groups=tuple(row.get("group") or row["id"] for row in scored),
        labels=np.array([NAMES.index(row["label"]) for row in scored], dtype=np.int64),
        logits=logits_of(values),
        missing=len(rows) - len(scored),
    )
