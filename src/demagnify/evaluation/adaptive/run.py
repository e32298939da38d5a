"""The adaptive attack on one split of a data set, and the files that it writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demagnify.core import images, progress
from demagnify.core.errors import BadOutputError
from demagnify.core.files import atomic_folder, write_bytes, write_text
from demagnify.data import FaceDataset, Manifest
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.data.prepare import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.adaptive.attack import (
    Adapted,
    Candidates,
    Target,
    attack_target,
    undefended_part,
)
from demagnify.evaluation.adaptive.figure import draw
from demagnify.evaluation.adaptive.measure import (
    FaceCosts,
    Yardstick,
    measure_against,
    measure_gain,
)
from demagnify.evaluation.adaptive.results import RESULT, AdaptiveResult
from demagnify.evaluation.adaptive.search import AdaptiveSettings
from demagnify.evaluation.results import SkippedFile
from demagnify.laundering.conditions import default_cache
from demagnify.transforms.base import Transform

CHUNK = 64


def write_faces(
    folder: Path, candidates: Candidates, adapted: Adapted, cost: FaceCosts, *, split: str
) -> None:
    """Writes every face as PNG and `metadata.csv`; what stood at `folder` is replaced in one step.

    Columns: file_name, label, split, group; original, its name in the data set; attack, the one
    that was published; outcome, one of "succeeded", "failed", "misjudged already", "no target";
    queries; the detector's score before and after; psnr and ssim against the original.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    names = _names(adapted)
    with (
        atomic_folder(folder) as temporary,
        progress.bar("writing faces", len(names)) as advance,
    ):
        for rows, batch in adapted.faces.batches(CHUNK):
            for row, pixels in zip(rows.tolist(), images.from_batch(batch), strict=True):
                images.save_png(temporary / names[row], pixels)
            advance(len(rows))
        write_text(temporary / FILE_NAME, _table(names, candidates, adapted, cost, split))


def _names(adapted: Adapted) -> list[str]:
    """Numbers, because the names of the originals may be anything."""
    labels = map(label_name, adapted.faces.labels.tolist())
    return [f"{label}/{number:06d}.png" for number, label in enumerate(labels)]


def _table(
    names: list[str], candidates: Candidates, adapted: Adapted, cost: FaceCosts, split: str
) -> str:
    buffer = io.StringIO()
    rows = _rows(names, candidates, adapted, cost, split)
    first = next(rows)
    writer = csv.DictWriter(buffer, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    return buffer.getvalue()


def _rows(
    names: list[str], candidates: Candidates, adapted: Adapted, cost: FaceCosts, split: str
) -> Iterator[dict[str, str]]:
    faces, found = adapted.faces, adapted.search
    attacks = [*candidates.names, "none"]  # the original is number -1
    for row, name in enumerate(names):
        yield {
            "file_name": name,
            "label": label_name(int(faces.labels[row])),
            "split": split,
            "group": str(faces.groups[row]),
            "original": faces.names[row],
            "attack": attacks[found.winner[row]],
            "outcome": _outcome(adapted, row),
            "queries": str(found.queries[row]),
            "score_before": f"{adapted.before[row]:.6g}",
            "score_after": f"{adapted.after[row]:.6g}",
            "psnr": f"{cost.psnr[row]:.4f}",
            "ssim": f"{cost.ssim[row]:.6f}",
        }


def _outcome(adapted: Adapted, row: int) -> str:
    found = adapted.search
    if not found.targeted[row]:
        return "no target"
    if found.mistaken[row]:
        return "misjudged already"
    return "succeeded" if found.succeeded[row] else "failed"


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
    attacks: Sequence[Transform]
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
    chosen = subsample(manifest.split(plan.split), plan.limit, seed=plan.seed)
    faces = open_faces(chosen, size=plan.size, strict=plan.strict)
    lines = (*manifest.skipped, *faces.skipped)
    return faces, tuple(SkippedFile(name=line.where, reason=line.reason) for line in lines)
