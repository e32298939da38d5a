"""Photographs and clips in, Parquet out: `detect` over many processes or machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from demagnify.core import engine
from demagnify.core.engine import ConfiguredTask, EngineOptions, Item, Result, Summary, Work
from demagnify.core.engine.inputs import absolute
from demagnify.core.errors import BadImageError
from demagnify.inference.detect import DetectionConfig, classify_files
from demagnify.inference.pipeline import FaceVerdict, PhotoVerdict, Pipeline
from demagnify.inference.video import ClipVerdict, TrackVerdict, is_clip

COLUMNS: Final[dict[str, str]] = {
    "kind": "string",
    "face": "int32",
    "x": "double",
    "y": "double",
    "width": "double",
    "height": "double",
    "shot": "int32",
    "start": "double",
    "end": "double",
    "frames": "int32",
    "agreement": "double",
    "verdict": "string",
    "reason": "string",
    "score": "double",
    "logit": "double",
    "action": "string",
    "uncertainty": "double",
    "enhancement": "string",
    "enhancement_probability": "double",
    "enhancement_family": "string",
    "enhancement_factor": "int32",
    "likelihood_ratio": "double",
    "likelihood_ratio_limited": "bool",
    "condition": "string",
    "error_rates": "string",
    "delivered": "string",
}
"""Columns of the shards beside `item`, `input` and `problem`: a row for each face."""


def detect_shards(
    sources: Iterable[str | Path],
    output: Path,
    config: DetectionConfig | None = None,
    options: EngineOptions | None = None,
) -> Summary:
    """Classifies the faces in any number of photographs and clips, into sharded Parquet.

    The values are those of `detect`. A run that was stopped, or lost workers, goes on with the
    same call; each input is in exactly one shard.

    Args:
        sources: Photographs, clips, folders of them, and manifests of paths or URIs (a line each,
            or a column of CSV, JSON lines or Parquet); see `core.engine.list_inputs`.
        output: Folder for `shards/*.parquet`, `skipped.csv`, `summary.json` and `metrics.prom`.
        config: The settings of `detect`.
        options: Engine, workers, size of a unit.

    Returns:
        Counts of inputs, rows, and what was skipped with the reasons.

    Raises:
        BadImageError: If a folder holds no photograph; if `config.strict`, at the first problem.
        BadManifestError: If a manifest cannot be read.
        BadArtifactError: If the defence cannot be loaded.
        BadOutputError: If `output` holds something else, or the inputs have changed.

    Example:
        >>> summary = detect_shards(["photos/"], Path("verdicts"))  # doctest: +SKIP
        >>> summary.items, summary.skipped  # doctest: +SKIP
        (1000, 2)
    """
    config = config or DetectionConfig()
    left_out: list[tuple[str, str]] = []

    def on_skip(name: str, why: str) -> None:
        if config.strict:
            raise BadImageError(f"{name}: {why}")
        left_out.append((name, why))

    inputs = engine.list_inputs(map(absolute, map(str, sources)), _is_clip, on_skip)
    task = DetectTask(config.model_copy(update=_absolute(config)))
    return engine.run(task, inputs, Path(output), options, left_out=left_out)


@dataclass(frozen=True)
class DetectTask(ConfiguredTask):
    """`detect` as a task of the engine.

    Attributes:
        config: The settings.
    """

    config: DetectionConfig
    name: ClassVar[str] = "detect"
    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def identity(self) -> dict[str, Any]:
        """Returns the settings, and fingerprints of all that is loaded."""
        loaded = Pipeline.load(self.config)
        card = json.dumps(loaded.recognizer.card, sort_keys=True).encode()
        return {
            "config": self.config.model_dump(mode="json", exclude={"strict", "save", "device"}),
            "defense": loaded.runtime.fingerprint,
            "calibration": loaded.interpreter and loaded.interpreter.sha256,
            "enhancement": hashlib.sha256(card).hexdigest(),
        }

    def open(self, _folder: Path) -> Work:
        """Loads the defence and what belongs to it."""
        return _Detecting(Pipeline.load(self.config.model_copy(update={"strict": False})))


@dataclass(frozen=True)
class _Detecting:
    pipeline: Pipeline

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        with engine.fetched(items) as files:
            verdicts = classify_files(
                self.pipeline, [one for one in files if isinstance(one, Path)]
            )
            return [
                self._result(item, file, verdicts) for item, file in zip(items, files, strict=True)
            ]

    @staticmethod
    def _result(
        item: Item, file: Path | BadImageError, verdicts: Iterator[PhotoVerdict | ClipVerdict]
    ) -> Result:
        if isinstance(file, BadImageError):
            return Result(problem=str(file).removeprefix(f"{item.uri}: "))
        verdict = next(verdicts)
        problem = verdict.problem and verdict.problem.replace(str(file), item.uri)
        if isinstance(verdict, ClipVerdict):
            return Result([_track(track) for track in verdict.tracks], problem)
        rows = [_face(number, face) for number, face in enumerate(verdict.faces, start=1)]
        return Result(rows, problem)


def _face(number: int, face: FaceVerdict) -> dict[str, Any]:
    fields = face.to_json()
    rates = fields["error_rates"]
    same = ("verdict", "score", "logit", "action", "likelihood_ratio", "likelihood_ratio_limited")
    return {
        "kind": "photo",
        "face": number,
        **dict(zip(("x", "y", "width", "height"), face.box, strict=True)),
        **{name: fields[name] for name in (*same, "condition", "delivered")},
        "uncertainty": face.uncertainty,
        "enhancement": face.enhancement.answer,
        "enhancement_probability": face.enhancement.probability,
        "enhancement_family": face.enhancement.family,
        "enhancement_factor": face.enhancement.factor,
        "error_rates": None if rates is None else json.dumps(rates, sort_keys=True),
    }


def _track(track: TrackVerdict) -> dict[str, Any]:
    same = ("shot", "start", "end", "agreement", "verdict", "reason", "score", "logit")
    fields = {name: getattr(track, name) for name in same}
    return {"kind": "clip", "face": track.number, "frames": len(track.frames), **fields}


def _is_clip(name: str) -> bool:
    return is_clip(Path(name))


def _absolute(config: DetectionConfig) -> dict[str, Any]:
    """Returns the places in a configuration, as a worker in another folder finds them."""
    places = {
        key: value.absolute()
        for key in ("calibration", "enhancement")
        if (value := getattr(config, key)) is not None
    }
    named = Path(config.defense)
    return {**places, **({"defense": str(named.absolute())} if named.exists() else {})}
