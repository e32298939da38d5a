"""The adaptive attacker on one split of a data set, and what is written about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_bytes, write_text
from demagnify.data import FaceDataset, Manifest
from demagnify.data.prepare import open_faces
from demagnify.data.subsample import limited
from demagnify.evaluation.adaptive.attacker import Adapted
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.cost import FaceCosts
from demagnify.evaluation.adaptive.measure import Yardstick, measure_against, measure_gain
from demagnify.evaluation.adaptive.picture import draw
from demagnify.evaluation.adaptive.result import RESULT, AdaptiveResult
from demagnify.evaluation.adaptive.settings import AdaptiveSettings
from demagnify.evaluation.adaptive.target import Target, attack_target, undefended_part
from demagnify.evaluation.adaptive.written import write_faces
from demagnify.evaluation.context import SkippedFile
from demagnify.laundering.conditions import default_cache
from demagnify.transforms.attacks.base import Attack

ANSWERS: Final = "answers.safetensors"
UNDEFENDED_ANSWERS: Final = "undefended.safetensors"
FACES: Final = "faces"
PICTURE: Final = "adaptive.png"
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class AdaptivePlan:
    """Who is attacked, on which faces, with what.

    Attributes:
        source: A manifest; see `Manifest.load`.
        target: The detector, or defended detector.
        attacks: What the attacker chooses from.
        split: Which split of the faces.
        limit: At most so many faces, drawn by group; None takes all.
        size: Side of the faces in pixels.
        settings: Budget, order and the rest.
        resamples: Bootstrap resamples over groups.
        seed: Of the resamples, and of the faces where there is a limit.
        command: The command line that made it.
        strict: Whether a bad line or file stops the work instead of being skipped.
        cache: Where attacked faces are kept; None for the usual place.
    """

    source: Path
    target: Target
    attacks: Sequence[Attack]
    split: str = "test"
    limit: int | None = None
    size: int = 224
    settings: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    resamples: int = 1000
    seed: int = 0
    command: str = ""
    strict: bool = False
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class AdaptiveRun:
    """A finished adaptive attack.

    Attributes:
        result: The figures, as in adaptive.json.
        adapted: What was done face by face, and the published faces.
    """

    result: AdaptiveResult
    adapted: Adapted


def attack_adaptively(plan: AdaptivePlan, output: Path) -> AdaptiveRun:
    """Attacks a detector with the best attack for each face, and writes what came of it.

    A defence is attacked twice: as it is, and without its agent, each by an attacker who adapts
    to it; the difference is what the defence is worth against such an attacker.

    Writes to `output`: faces/ with the published faces as PNG and metadata.csv, a data set on
    which anything can be judged (faces that were not attacked are in it as they are);
    adaptive.json; adaptive.png. The detector's answers are kept beside them: a run that was
    stopped goes on where it was, and other settings or further attacks ask only what is new.

    Raises:
        BadManifestError: If the faces cannot be used.
        BadConfigError: If there is no attack, or two have one name.
        BadArtifactError: If `output` belongs to another detector or other faces.
        BadOutputError: If `output` holds something else, or cannot be written to.
    """
    _check_output(output)
    faces, skipped = _open(plan)
    candidates = Candidates(faces, plan.attacks, cache=plan.cache or default_cache())
    yardstick = Yardstick.of(faces, resamples=plan.resamples, seed=plan.seed, confidence=CONFIDENCE)
    adapted = attack_target(plan.target, candidates, plan.settings, path=output / ANSWERS)
    cost = FaceCosts.of(candidates, adapted)
    write_faces(output / FACES, candidates, adapted, cost, split=plan.split)
    target = measure_against(
        plan.target, candidates, adapted, plan.settings, cost.summary(), yardstick
    )
    undefended, gain = None, None
    bare = undefended_part(plan.target)
    if bare is not None:
        other = attack_target(bare, candidates, plan.settings, path=output / UNDEFENDED_ANSWERS)
        cost = FaceCosts.of(candidates, other)
        undefended = measure_against(
            bare, candidates, other, plan.settings, cost.summary(), yardstick
        )
        gain = measure_gain(faces, adapted, other, yardstick)
    fake = int(faces.labels.sum())
    result = AdaptiveResult(
        command=plan.command,
        data=plan.source.name or str(plan.source),
        split=plan.split,
        size=faces.size,
        real=len(faces) - fake,
        fake=fake,
        groups=yardstick.groups,
        skipped=skipped,
        settings=plan.settings,
        resamples=plan.resamples,
        confidence=CONFIDENCE,
        seed=plan.seed,
        target=target,
        undefended=undefended,
        gain=gain,
    )
    write_bytes(output / PICTURE, draw(candidates, adapted, result))
    write_text(output / RESULT, result.model_dump_json(indent=1) + "\n")
    return AdaptiveRun(result, adapted)


def _check_output(output: Path) -> None:
    """Makes sure that nothing but an earlier adaptive attack is written over."""
    if not output.exists() or (output / ANSWERS).is_file():
        return
    # Hidden files are what a killed run was about to move into place.
    if not output.is_dir() or any(not path.name.startswith(".") for path in output.iterdir()):
        raise BadOutputError(
            f"{output} is not empty, and not made by an adaptive attack",
            hint="choose another output folder",
        )


def _open(plan: AdaptivePlan) -> tuple[FaceDataset, tuple[SkippedFile, ...]]:
    manifest = Manifest.load(plan.source, strict=plan.strict)
    chosen = limited(manifest.split(plan.split), plan.limit, seed=plan.seed)
    faces = open_faces(chosen, size=plan.size, strict=plan.strict)
    lines = (*manifest.skipped, *faces.skipped)
    return faces, tuple(SkippedFile(name=line.where, reason=line.reason) for line in lines)
