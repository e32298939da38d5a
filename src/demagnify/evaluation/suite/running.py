"""Runs a suite on a detector or defence, and writes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.agents.predictors import PolicyPredictor
from demagnify.core import documents
from demagnify.core.errors import BadConfigError
from demagnify.core.files import file_name, sha256
from demagnify.core.printing import count
from demagnify.core.runs import claim
from demagnify.data import FaceDataset, Skipped
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import all_seen
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.evaluation.methods import is_bare
from demagnify.evaluation.records import SkippedFile
from demagnify.evaluation.results import UNDEFENDED
from demagnify.evaluation.suite.row import (
    DEFENDED,
    SCORES,
    Entry,
    Faces,
    Row,
    Statistics,
    figures,
)
from demagnify.evaluation.suite.table import Key, ScoreTable
from demagnify.evaluation.suite.versions import Suite, SuiteConfig, load_suite
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import (
    at_size,
    attacked_only,
    create_attacks,
    default_cache,
)
from demagnify.laundering.config import CLEAN
from demagnify.scores import LogitTable

_OF_THE_CARD: Final = ("kind", "preset", "training", "data", "detector", "hardening", "backbone")


def run_suite(
    data: Sequence[Path],
    output: Path,
    config: SuiteConfig | None = None,
    *,
    defense: DefendedDetector | None = None,
    command: str = "",
    log: Callable[[str], None] | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Row:
    """Evaluates a detector or defence under every condition of a suite, and writes its row.

    Nothing is chosen on these faces: thresholds are the detector's own. `output` gets row.json and
    scores.csv.gz, from which `verify_row` computes every figure again. Attacked faces are cached
    for all rows, and logits are kept in `output`/tables: a killed run continues.

    Args:
        data: Data sets with the split of the suite; see `Manifest.load`.
        output: The folder of the row.
        config: What is entered, and the suite.
        defense: The defence as an object, in place of the one that `config` names.
        command: The command line, for the record.
        log: Gets a line about each condition.
        on_skip: Gets each file or line that is left out.

    Raises:
        BadArtifactError: If there is no such detector, or `output` holds another run's tables.
        BadConfigError: If there is no such suite.
        BadManifestError: If a data set cannot be used.
        BadOutputError: If `output` holds the row of something else, or cannot be written to.

    Example:
        >>> config = SuiteConfig(detector="light")
        >>> row = run_suite([Path("faces")], Path("rows/light"), config)  # doctest: +SKIP
        >>> row.summary.attacked  # doctest: +SKIP
    """
    config, log = config or SuiteConfig(), log or (lambda _line: None)
    suite = load_suite(config.suite)
    defended = defense or load_defense(
        config.detector, device=config.device, precision=config.precision
    )
    opened = open_splits(
        data,
        [suite.split],
        size=suite.size,
        subsample=config.subsample,
        strict=config.strict,
        on_skip=on_skip,
    )
    faces = opened[suite.split]
    if len(set(faces.names)) < len(faces):
        raise BadConfigError("two faces have the same name", hint="name each face once")
    logits: dict[Key, NDArray[np.float32]] = {}
    with claim(output / "tables", {"run": "bench"}, what="a benchmark run") as folder:
        for condition, attacked in _conditions(faces, suite, config):
            log(f"{condition}: {count(len(faces), 'face')}")
            found = _logits(attacked, defended, folder / f"{file_name(condition)}.safetensors")
            logits |= {(condition, method): values for method, values in found.items()}
    groups = tuple(map(str, faces.groups))
    table = ScoreTable(tuple(map(str, faces.names)), groups, faces.labels, _by_method(logits))
    table.save(output / SCORES)
    statistics = Statistics(seed=config.seed, resamples=config.resamples)
    fake = int(faces.labels.sum())
    entry = _entry(defended, config.detector)
    row = Row(
        name=config.name or Path(config.detector).name,
        suite=suite,
        suite_sha256=suite.digest(),
        created=documents.created(),
        command=command,
        entry=entry,
        faces=Faces(
            data=", ".join(one.name or str(one) for one in data),
            fingerprint=faces.fingerprint(),
            real=len(faces) - fake,
            fake=fake,
            groups=len(set(groups)),
            skipped=tuple(SkippedFile(name=one.where, reason=one.reason) for one in faces.skipped),
        ),
        statistics=statistics,
        versions=describe_versions(),
        machine=describe_machine(str(defended.device or "cpu")),
        scores_sha256=sha256(output / SCORES),
        figures=figures(table, suite, entry, statistics),
    ).sealed()
    row.save(output)
    return row


def _conditions(
    faces: FaceDataset, suite: Suite, config: SuiteConfig
) -> Iterator[tuple[str, FaceDataset]]:
    """Yields the faces under one condition at a time, in the order of the suite."""
    names = iter(suite.conditions)
    cache = default_cache()
    for attack in (CLEAN, *suite.attacks):
        attacked = faces
        for one in create_attacks([attack], device=config.device):
            attacked = attacked_faces(faces, one, cache=cache)
        mixed = attacked_only({CLEAN: faces, attack: attacked}, suite.faces)[attack]
        for codec in suite.reencodings:
            encoded = mixed
            for one in create_attacks([codec], device=config.device):
                encoded = attacked_faces(mixed, one, cache=cache)
            yield next(names), encoded


def _logits(
    faces: FaceDataset, defended: DefendedDetector, path: Path
) -> dict[str, NDArray[np.float32]]:
    resized = at_size({CLEAN: faces}, defended.input_size)[CLEAN]
    table = LogitTable(resized, defended.detector, defended.actions)
    table.fill(path)
    found = {UNDEFENDED: table.logits[:, 0].copy()}
    if not is_bare(defended):
        agent = PolicyPredictor(defended.policy, defended.encoder, threshold=defended.own_threshold)
        found[DEFENDED] = agent.predict(table).logits
    return found


def _by_method(logits: dict[Key, NDArray[np.float32]]) -> dict[Key, NDArray[np.float32]]:
    """Puts all conditions of one method after those of the other."""
    return dict(sorted(logits.items(), key=lambda pair: pair[0][1] != UNDEFENDED))


def _entry(defended: DefendedDetector, source: str) -> Entry:
    return Entry(
        source=source,
        detector=defended.detector.name,
        fingerprint=defended.fingerprint(),
        input_size=defended.input_size,
        threshold=defended.threshold,
        detector_threshold=None if defended.own_threshold is None else defended.detector.threshold,
        seen_attacks=all_seen((defended.card, defended.detector.card)),
        card=_card(defended),
    )


def _card(defended: DefendedDetector) -> dict[str, Any]:
    card = defended.card or defended.detector.card
    return {key: card[key] for key in _OF_THE_CARD if key in card}
