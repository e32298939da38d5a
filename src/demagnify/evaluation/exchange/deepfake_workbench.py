"""deepfake-workbench's score files (its contract C5, `dfwb.scores/1`), which `dfwb eval` reads.

Two files for each method and condition: `NAME.scores.csv` with a line per face, and
`NAME.scores.meta.json` with what the scores depend on; see `docs/concepts/score-files.md` in
https://github.com/dfwb-research/deepfake-workbench. Written are

* `score`, P(fake), 0.5 at the method's threshold, and `logit`, the logit of that;
* `key`, the face's name: demagnify scores faces, so each has a line of its own;
* the columns `x_logit` and `x_threshold`, as the method has them, `x_group` and `x_verdict`
  ("unsure" where it abstains);
* in the second file the condition as `protocol.where`, and as `scheme_sha256` the SHA-256 of the
  lines key, compression, split of this split alone.

Paths of the machine are cut to their last component, as the contract has it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from demagnify import __version__
from demagnify.core.documents import created, read_json, read_text
from demagnify.core.files import file_name, write_text
from demagnify.data.labels import NAMES
from demagnify.evaluation.exchange.base import SCORE_FORMATS, ScoreFormat
from demagnify.evaluation.exchange.scored import ScoreColumn, ScoredRun, logits_of

_SCHEMA: Final = "dfwb.scores/1"
_SCORES: Final = ".scores.csv"
_META: Final = ".scores.meta.json"
_REQUIRED: Final = ("dataset", "key", "compression", "label", "score", "status")
_OPTIONAL: Final = ("logit", "label_key", "method", "n_clips", "n_frames")
_OWN: Final = ("x_group", "x_logit", "x_threshold", "x_verdict")
_OK: Final = "ok"
_PATH: Final = re.compile(r"(^|[\s=:,;\"'(])(?:file://)?(?:~/|/(?![/\s]))(?:[^\s\"',;]*/)?")


@SCORE_FORMATS.register("deepfake-workbench")
class DeepfakeWorkbench(ScoreFormat):
    """Score files of deepfake-workbench."""

    name: ClassVar[str] = "deepfake-workbench"
    summary: ClassVar[str] = (
        "a folder with a score file of deepfake-workbench and its metadata per method and condition"
    )

    def write(self, run: ScoredRun, output: Path) -> list[Path]:
        """Writes METHOD/CONDITION-SPLIT.scores.csv and its metadata below the folder `output`."""
        written = []
        for column in run.columns:
            stem = file_name(f"{column.condition}-{run.split}")
            place = output / file_name(column.method) / f"{stem}{_SCORES}"
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow((*_REQUIRED, *_OPTIONAL, *_OWN))
            writer.writerows(_lines(run, column))
            meta = place.with_name(f"{stem}{_META}")
            write_text(meta, json.dumps(_meta(run, column), indent=2, ensure_ascii=False) + "\n")
            write_text(place, text.getvalue())
            written += [place, meta]
        return written

    def recognises(self, path: Path) -> bool:
        """Whether the name ends in .scores.csv, as the contract wants it."""
        return path.name.endswith(_SCORES)

    def read(self, path: Path) -> ScoredRun:
        """Reads a score file, and its metadata where it is there; faces without a score count."""
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
        absent = [name for name in _REQUIRED if rows and name not in rows[0]]
        if absent or not rows:
            raise ValueError(
                f"it has no column {absent[0]}" if absent else "there is no line in it"
            )
        meta = _read_meta(path)
        protocol = meta.get("protocol") or {}
        where = protocol.get("where") or {}
        method = str((meta.get("detector") or {}).get("name") or path.name.removesuffix(_SCORES))
        condition = str(where.get("condition") or protocol.get("id") or rows[0]["dataset"])
        column = _column(rows, condition, method)
        return ScoredRun(
            name=path.name.removesuffix(_SCORES),
            data=rows[0]["dataset"],
            split=str(protocol.get("split") or ""),
            columns=(column,) if len(column.labels) else (),
            final=method,
            created=str(meta.get("created") or ""),
            command=str(meta.get("command") or ""),
        )


def _lines(run: ScoredRun, column: ScoreColumn) -> list[tuple[object, ...]]:
    verdicts = np.array(NAMES)[column.verdicts.astype(np.int64)]
    if column.unsure is not None:
        verdicts = np.where(column.unsure, "unsure", verdicts)
    scores, distances = column.probabilities, column.logits - column.threshold
    values = zip(
        column.faces,
        column.labels.tolist(),
        scores.tolist(),
        distances.tolist(),
        column.groups,
        column.logits.tolist(),
        verdicts.tolist(),
        strict=True,
    )
    return [
        # dataset, key, compression, label, score, status; logit, ..., n_frames; x_...
        (
            *(run.data, _portable(face), "", label, repr(score), _OK),
            *(repr(distance), NAMES[label], "", "", 1),
            *(_portable(group), repr(logit), repr(column.threshold), verdict),
        )
        for face, label, score, distance, group, logit, verdict in values
    ]


def _meta(run: ScoredRun, column: ScoreColumn) -> dict[str, Any]:
    keys = sorted(f"{_portable(face)}\t\t{run.split}\n" for face in column.faces)
    faces = len(column.faces)
    return {
        "schema": _SCHEMA,
        "detector": {
            "name": column.method,
            "version": run.versions.get("demagnify", __version__),
            "source": _portable(f"demagnify:{run.name}/{column.method}"),
            "checkpoint_sha256": None,
            "contract_version": [1, 0],
        },
        "protocol": {
            "id": f"{run.data}/demagnify",
            "split": run.split,
            "where": {"condition": _portable(column.condition)},
            "pack": "demagnify",
            "pack_version": run.versions.get("demagnify", __version__),
            "scheme_sha256": hashlib.sha256("".join(keys).encode()).hexdigest(),
        },
        "labels": "binary",
        "processing_profile": None,
        "input_adaptation": {"derived_crop": False, "mismatch_override": False},
        "aggregation": None,
        "coverage": {"expected": faces, "ok": faces, "missing": 0, "error": 0},
        "seed": None,
        "env": {name: _portable(text) for name, text in {**run.versions, **run.about}.items()},
        "git": None,
        "command": _portable(run.command) or None,
        "created": run.created or created(),
        "calibration": None,
    }


def _portable(text: str) -> str:
    return _PATH.sub(r"\1", text)


def _read_meta(path: Path) -> dict[str, Any]:
    place = path.with_name(path.name.removesuffix(_SCORES) + _META)
    if not place.is_file():
        return {}
    meta = read_json(place)
    if not isinstance(meta, dict) or meta.get("schema") != _SCHEMA:
        raise ValueError(f"{place.name} is not of the schema {_SCHEMA}")
    return meta


def _column(rows: list[dict[str, str]], condition: str, method: str) -> ScoreColumn:
    scored = [row for row in rows if row["status"] == _OK]
    bad = next((row for row in scored if row["label"] not in ("0", "1")), None)
    if bad is not None:
        raise ValueError(f"the label of {bad['key']!r} is {bad['label']!r}, not 0 or 1")
    values = np.array([float(row["score"]) for row in scored], dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("a score is no probability from 0 to 1")
    threshold, logits = 0.0, logits_of(values)
    if scored and all(row.get("x_logit") and row.get("x_threshold") for row in scored):
        threshold = float(scored[0]["x_threshold"])
        logits = np.array([float(row["x_logit"]) for row in scored])
    unsure = np.array([row.get("x_verdict") == "unsure" for row in scored], dtype=bool)
    return ScoreColumn(
        condition=condition,
        method=method,
        faces=tuple(row["key"] for row in scored),
        groups=tuple(row.get("x_group") or row["key"] for row in scored),
        labels=np.array([int(row["label"]) for row in scored], dtype=np.int64),
        logits=logits,
        threshold=threshold,
        unsure=unsure if unsure.any() else None,
        missing=len(rows) - len(scored),
    )
