"""The adaptive attack on one split of a data set, and the files that it writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from demagnify.agents.defended import DefendedDetector
from demagnify.core import images, progress
from demagnify.core.files import atomic_folder, write_bytes, write_text
from demagnify.core.printing import count, listed
from demagnify.core.runs import claim
from demagnify.core.sealed import write_sealed
from demagnify.core.settings import DetectorOptions
from demagnify.data import FaceDataset, Manifest, Skipped
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.data.prepare import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.adaptive.attack import (
    CHUNK,
    FAST_ATTACKS,
    Adapted,
    Candidates,
    Target,
    attack_target,
    load_target,
)
from demagnify.evaluation.adaptive.figure import draw
from demagnify.evaluation.adaptive.results import (
    CONFIDENCE,
    RESULT,
    AdaptiveResult,
    Against,
    Cost,
    Reached,
    measure_against,
    measure_gain,
)
from demagnify.evaluation.adaptive.search import Floats, SearchConfig
from demagnify.evaluation.bootstrap import GroupResamples
from demagnify.evaluation.records import SkippedFile
from demagnify.evaluation.words import NOTHING, point_span, with_point_span, with_span
from demagnify.laundering.conditions import CLEAN, create_attacks, default_cache
from demagnify.laundering.quality import quality_of_faces
from demagnify.transforms.base import Transform

LOGITS: Final = "logits.safetensors"
UNDEFENDED_LOGITS: Final = "undefended.safetensors"
FACES: Final = "faces"
FIGURE: Final = "adaptive.png"
FACE_SIZE: Final = 224
_NAMED: Final = 4
_CLASSES: Final = {"all": "faces", "fake": "fakes", "real": "real faces"}


class AdaptiveConfig(SearchConfig, DetectorOptions):
    """The target, the attacks and the faces of an adaptive attack."""

    against: str = Field(
        default="light",
        description="The target: a folder that train-defense wrote, the name of shipped weights, "
        "or any detector that --detector of other verbs takes.",
    )
    attacks: tuple[str, ...] = Field(
        default=FAST_ATTACKS,
        description="The attacks to choose from: names (see `demagnify attack --list`) or files of "
        "super-resolution networks (.pth, .safetensors); by default fast ones.",
    )
    split: str = Field(default="test", description="Which split of the data.")
    size: int | None = Field(
        default=None,
        ge=32,
        description="Side of the faces in pixels; by default the target's own.",
    )
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups.")
    seed: int = Field(
        default=0,
        ge=0,
        description="The same seed gives the same results, bit for bit, on a CPU.",
    )

    @property
    def search(self) -> SearchConfig:
        """The part that the document of the result holds."""
        return SearchConfig(**{name: getattr(self, name) for name in SearchConfig.model_fields})


@dataclass(frozen=True, slots=True)
class AdaptiveAttack:
    """A finished adaptive attack.

    Attributes:
        result: The figures, as in adaptive.json.
        adapted: The outcome face by face, and the published faces.
    """

    result: AdaptiveResult
    adapted: Adapted


def adaptive_attack(
    data: Path,
    output: Path,
    config: AdaptiveConfig | None = None,
    *,
    target: Target | None = None,
    attacks: Sequence[Transform] | None = None,
    cache: Path | None = None,
    command: str = "",
    on_skip: Callable[[Skipped], None] | None = None,
) -> AdaptiveAttack:
    """Attacks a detector with the best attack for each face, and writes the outcome.

    A defence is attacked twice: as it is, and without its agent, each by an attacker who adapts
    to it; the difference is the worth of the defence against such an attacker.

    Writes to `output`: faces/ with the published faces as PNG and metadata.csv, a data set for
    any evaluation (faces that were not attacked are in it unchanged); adaptive.json;
    adaptive.png. The logits are kept beside them: a killed run continues, and other settings or
    further attacks compute only what is new.

    Args:
        data: A manifest; see `Manifest.load`.
        output: The folder to write to.
        config: Target, attacks, budget, order and the rest.
        target: The detector, or defended detector; the one that `config` names if None.
        attacks: The attacks to choose from; those that `config` names if None.
        cache: Where attacked faces are cached; None for the usual place.
        command: The command line that started it, for the record.
        on_skip: Gets each file or line that is left out.

    Returns:
        The figures with their intervals, and the outcome for every face.

    Raises:
        BadManifestError: If the faces cannot be used.
        BadConfigError: If there is no attack, or two have one name.
        BadArtifactError: If `output` belongs to another detector or other faces.
        BadOutputError: If `output` holds something else, another run writes to it, or it cannot
            be written to.

    Example:
        >>> config = AdaptiveConfig(against="default", budget=4)
        >>> run = adaptive_attack(Path("faces"), Path("runs/a"), config)  # doctest: +SKIP
        >>> run.result.target.of_class("fake").success.value  # doctest: +SKIP
    """
    config = config or AdaptiveConfig()
    target = target or load_target(config.against, device=config.device, precision=config.precision)
    if attacks is None:
        attacks = create_attacks(config.attacks, device=config.device)
    faces, skipped = _open(data, config, config.size or target.input_size or FACE_SIZE)
    if on_skip is not None:
        for line in skipped:
            on_skip(line)
    with claim(output, {"run": "adaptive attack"}, what="an adaptive attack"):
        candidates = Candidates(faces, attacks, cache=cache or default_cache())
        resamples = GroupResamples(faces.groups, count=config.resamples, seed=config.seed)
        weights = resamples.weights()
        adapted = attack_target(target, candidates, config, path=output / LOGITS)
        psnr, ssim = _published_quality(candidates, adapted)
        write_faces(output / FACES, candidates, adapted, psnr, ssim, split=config.split)
        against = measure_against(target, candidates, adapted, _cost(psnr, ssim), weights)
        undefended, gain = None, None
        if isinstance(target, DefendedDetector):
            bare = target.detector
            other = attack_target(bare, candidates, config, path=output / UNDEFENDED_LOGITS)
            cost = _cost(*_published_quality(candidates, other))
            undefended = measure_against(bare, candidates, other, cost, weights)
            gain = measure_gain(adapted, other, weights)
        fake = int(faces.labels.sum())
        result = AdaptiveResult(
            command=command,
            data=data.name or str(data),
            split=config.split,
            size=faces.size,
            real=len(faces) - fake,
            fake=fake,
            groups=resamples.groups,
            skipped=tuple(SkippedFile(name=line.where, reason=line.reason) for line in skipped),
            settings=config.search,
            resamples=config.resamples,
            confidence=CONFIDENCE,
            seed=config.seed,
            target=against,
            undefended=undefended,
            gain=gain,
        )
        write_bytes(output / FIGURE, draw(candidates, adapted, result))
        write_sealed(output / RESULT, result.model_dump_json(), indent=1)
        return AdaptiveAttack(result, adapted)


def _open(data: Path, config: AdaptiveConfig, size: int) -> tuple[FaceDataset, list[Skipped]]:
    manifest = Manifest.load(data, strict=config.strict)
    chosen = subsample(manifest.split(config.split), config.subsample, seed=config.seed)
    faces = open_faces(chosen, size=size, strict=config.strict)
    return faces, [*manifest.skipped, *faces.skipped]


def _published_quality(candidates: Candidates, adapted: Adapted) -> tuple[Floats, Floats]:
    """PSNR (dB, infinite for unchanged faces) and SSIM of the published faces, each (N,)."""
    count = len(candidates.faces)
    psnr, ssim = np.full(count, np.inf), np.ones(count)
    changed = np.flatnonzero(adapted.search.winner >= 0)
    psnr[changed], ssim[changed] = quality_of_faces(candidates.faces, adapted.faces, changed)
    return psnr, ssim


def _cost(psnr: Floats, ssim: Floats) -> Cost:
    changed = np.isfinite(psnr)
    if not changed.any():
        return Cost(changed=0, psnr_mean=None, psnr_min=None)
    return Cost(
        changed=int(changed.sum()),
        psnr_mean=float(psnr[changed].mean()),
        psnr_min=float(psnr[changed].min()),
        ssim_mean=float(ssim[changed].mean()),
    )


def write_faces(
    folder: Path,
    candidates: Candidates,
    adapted: Adapted,
    psnr: Floats,
    ssim: Floats,
    *,
    split: str,
) -> None:
    """Writes every face as PNG and `metadata.csv`; an earlier `folder` is replaced in one step.

    Columns: file_name, label, split, group; original, its name in the data set; attack, the
    published one; outcome, one of "succeeded", "failed", "wrong already", "no target"; queries;
    the detector's logit before and after; psnr and ssim against the original.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    faces, found = adapted.faces, adapted.search
    attacks = [*candidates.names, CLEAN]  # the original is number -1
    names, rows = [], []
    for row, label in enumerate(map(label_name, faces.labels.tolist())):
        # Numbers, because the names of the originals may be anything.
        names.append(f"{label}/{row:06d}.png")
        outcome = "succeeded" if found.succeeded[row] else "failed"
        if not found.targeted[row]:
            outcome = "no target"
        elif found.mistaken[row]:
            outcome = "wrong already"
        rows.append(
            {
                "file_name": names[row],
                "label": label,
                "split": split,
                "group": str(faces.groups[row]),
                "original": faces.names[row],
                "attack": attacks[found.winner[row]],
                "outcome": outcome,
                "queries": str(found.queries[row]),
                "score_before": f"{adapted.before[row]:.6g}",
                "score_after": f"{adapted.after[row]:.6g}",
                "psnr": f"{psnr[row]:.4f}",
                "ssim": f"{ssim[row]:.6f}",
            }
        )
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with (
        atomic_folder(folder) as temporary,
        progress.bar("writing faces", len(names)) as advance,
    ):
        for numbers, batch in faces.batches(CHUNK):
            for row, pixels in zip(numbers.tolist(), images.from_batch(batch), strict=True):
                images.save_png(temporary / names[row], pixels)
            advance(len(numbers))
        write_text(temporary / FILE_NAME, buffer.getvalue())


def summarize(result: AdaptiveResult) -> list[str]:
    """Returns the outcome in a few lines for a person."""
    lines = [
        f"{result.real} real and {result.fake} fake faces in {count(result.groups, 'group')}, "
        f"split {result.split} of {result.data}, {result.size}x{result.size} pixels",
        *_against(result.target),
    ]
    if result.undefended is not None and result.gain is not None:
        gain = result.gain
        lines += [
            *_against(result.undefended),
            "the defence changes the attacker's success by "
            f"{with_point_span(gain.success)} points, and balanced accuracy under attack by "
            f"{with_point_span(gain.attacked['balanced_accuracy'])}",
        ]
    return lines


def _against(against: Against) -> Iterator[str]:
    yield f"against {against.name}:"
    for reached in against.reached:
        yield f"  {_reached(reached)}"
    before, after = (side["balanced_accuracy"] for side in (against.before, against.after))
    change = point_span(against.change["balanced_accuracy"])
    yield (
        f"  balanced accuracy {with_span(before)} % before, {with_span(after)} % after"
        + (f"; change {change} points" if change else "")
    )
    cost = against.cost
    if cost.psnr_mean is not None:
        yield (
            f"  {count(cost.changed, 'face')} changed: PSNR {cost.psnr_mean:.2f} dB, SSIM "
            f"{cost.ssim_mean:.4f} against the originals"
        )
    best = sorted(against.attacks, key=lambda tried: -tried.published_successes)[:_NAMED]
    won = [f"{one.name} {one.published_successes}" for one in best if one.published_successes]
    if won:
        yield f"  verdicts turned by {listed(won)}"


def _reached(reached: Reached) -> str:
    attackable = reached.targets - reached.mistaken
    queries = reached.queries.value
    return (
        f"{_CLASSES[reached.faces]}: {reached.succeeded} of {attackable} verdicts turned, "
        f"{with_span(reached.success)} %, with "
        f"{NOTHING if queries is None else f'{queries:.1f}'} queries each"
        f"; {reached.mistaken} were wrong already"
    )
