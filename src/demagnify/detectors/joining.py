"""Joins detectors into one: `demagnify join`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

import demagnify
from demagnify.core.artifacts import CARD
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError, BadManifestError, BadOutputError
from demagnify.core.rng import generator
from demagnify.core.runs import check_free
from demagnify.core.settings import RunOptions
from demagnify.data import FaceDataset, Skipped
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import RECORDED, SEEN, all_seen, all_sources
from demagnify.detectors.backbones import JOINED
from demagnify.detectors.detector import Detector
from demagnify.detectors.heads import Head
from demagnify.detectors.joined import JoinedNetwork, noisy_or
from demagnify.detectors.loading import load_detector
from demagnify.detectors.threshold import choose_threshold, false_alarms
from demagnify.laundering.conditions import create_attacks, under_attacks

FOLDS: Final = 5
"""Parts of the groups for the cross-validated figures."""

SHARP: Final = 8.0
"""Scale of logits above their own thresholds: the noisy or of two is then nearly the higher one."""

Floats = NDArray[np.float64]


_Fit = Callable[..., tuple[torch.Tensor, torch.Tensor]]
"""Returns scales and offsets for parts, or for some of their rows."""


class JoinConfig(RunOptions):
    """Which detectors are joined, and under what."""

    detectors: tuple[str, ...] = Field(
        default=(), description="The detectors, at least two, as in detect --defense."
    )
    attacks: tuple[str, ...] = Field(
        default=(),
        description="Attacks under which they are joined, beside the clean faces. They count as "
        "seen afterwards.",
    )
    keep_false_alarms: bool = Field(
        default=False,
        description="Choose the threshold among those with no more false alarms than the first "
        "detector has, as a mean over data sets and attacks.",
    )
    keep_thresholds: bool = Field(
        default=False,
        description="Fit nothing: fake is what one of the detectors calls fake at its own "
        "threshold. A silent expert leaves the verdicts of the others as they are.",
    )
    split: str = Field(default="val", description="The split to join on.")
    seed: int = Field(default=0, ge=0, description="Of the groups of the cross-validation.")
    precision: Precision = Field(
        default="float32", description="Precision of the detectors: float32, bfloat16 or auto."
    )


def join(
    data: Sequence[Path],
    output: Path,
    config: JoinConfig,
    *,
    log: Callable[[str], None] = lambda _line: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Detector:
    """Joins detectors by a noisy or, and writes the result to `output` as any other detector.

    Each detector's logits get a scale and an offset, fitted by logistic regression on validation
    faces, and the joined one a threshold with the best balanced accuracy, or the best with no more
    false alarms than the first detector has. With `keep_thresholds` nothing is fitted. Every data
    set counts alike there, clean and under each attack, and so do both classes. The networks stay
    as they are. The log tells the AUC of each data set, cross-validated over groups.

    Args:
        data: Labelled faces with the split; none that a detector was trained on.
        output: The folder to write.
        config: The settings.
        log: Gets a line for each data set and condition.
        on_skip: Gets each file or line that is left out.

    Raises:
        BadConfigError: If there are fewer than two detectors, or one is not a timm network with one
            logit and the same input as the first.
        BadManifestError: If a data set cannot be used, or lacks a class.
        BadOutputError: If `output` holds anything but this very detector, which is left as it is.

    Example:
        >>> config = JoinConfig(detectors=("hardened", "runs/expert"))
        >>> join([Path("faces")], Path("runs/joined"), config)  # doctest: +SKIP
    """
    load = partial(load_detector, device=config.device, precision=config.precision)
    there = load(str(output)) if (output / CARD).is_file() else None
    if not there:
        check_free(output, "detector")
    members = [load(one) for one in config.detectors]
    _check(members)
    attacks = create_attacks(config.attacks, device=config.device)
    parts: list[_Part] = []
    for number, source in enumerate(data):
        (faces,) = open_splits(
            [source],
            [config.split],
            size=members[0].input_size,
            subsample=config.subsample,
            strict=config.strict,
            on_skip=on_skip,
        ).values()
        if len(set(faces.labels.tolist())) < 2:
            raise BadManifestError(
                f"{source}: the split {config.split} lacks a class", hint="both are needed"
            )
        for name, seen in under_attacks(faces, attacks).items():
            logits = torch.stack([one.logits(seen) for one in members], dim=1)
            parts.append(_Part(f"{source.name}, {name}", number, seen, logits.double()))
    if config.keep_thresholds:
        fit: _Fit = partial(_as_they_are, [one.threshold for one in members])
    else:
        fit = _fit
    found = fit(parts)
    validation = _cross_validated(parts, config.seed, fit)
    for line, aucs in validation.items():
        figures = ", ".join(f"{name} {auc:.3f}" for name, auc in aucs.items())
        log(f"{line}: AUC {figures}")
    network = JoinedNetwork([one.network for one in members])
    with torch.no_grad():
        network.scale.copy_(found[0])
        network.offset.copy_(found[1])
    about = {
        **dict(members[0].about()),
        "name": output.name,
        "backbone": JOINED.join(one.backbone for one in members),
    }
    joined = Detector(network, **about, precision=config.precision)
    joined.to(members[0].mean.device).eval()
    columns = [(part.labels, noisy_or(part.logits * found[0] + found[1])) for part in parts]
    most = _false_alarms_of_first(parts, members[0]) if config.keep_false_alarms else None
    joined.threshold = (
        0.0 if config.keep_thresholds else choose_threshold(*columns, most=most).threshold
    )
    cards = [one.card for one in members]
    joined.card = {
        "joining": config.model_dump(mode="json"),
        "members": [{"name": one.name, "fingerprint": one.fingerprint()} for one in members],
        "scale": found[0].tolist(),
        "offset": found[1].tolist(),
        "validation_auc": validation,
        RECORDED: all_sources(cards, data),
        SEEN: list(all_seen(cards, [attack.name for attack in attacks])),
        "demagnify": demagnify.__version__,
    }
    if there and not _same(joined, there):
        raise BadOutputError(
            f"{output} holds another detector", hint="choose another output folder"
        )
    if not there:
        joined.save(output, joined.card)
    return joined


def _same(joined: Detector, there: Detector) -> bool:
    """Whether a detector that is there is the one that was joined now."""
    card = json.loads(json.dumps(joined.card))
    told = all(there.card.get(key) == value for key, value in card.items())
    return told and there.fingerprint() == joined.fingerprint()


def _false_alarms_of_first(parts: Sequence[_Part], first: Detector) -> float:
    """Returns the first detector's rate of false alarms at its own threshold, mean over parts."""
    own = np.array([first.threshold], dtype=np.float32)
    rates = [
        false_alarms(own, part.labels, part.logits[:, 0].numpy().astype(np.float32))
        for part in parts
    ]
    return float(np.mean(rates))


class _Part:
    """The members' logits of one data set under one condition."""

    def __init__(self, name: str, source: int, faces: FaceDataset, logits: torch.Tensor) -> None:
        self.name = name
        self.labels = faces.labels
        self.groups = np.array([f"{source}:{group}" for group in faces.groups])
        self.logits = logits

    def weights(self, rows: NDArray[np.bool_]) -> Floats:
        """Returns weights of the chosen rows: both classes count alike, and add up to 1."""
        chosen = rows.astype(np.float64)
        for label in (0, 1):
            mine = rows & (self.labels == label)
            chosen[mine] = 0.5 / max(1, mine.sum())
        return chosen


def _check(members: Sequence[Detector]) -> None:
    if len(members) < 2:
        raise BadConfigError("at least two detectors are joined", hint="--detector A --detector B")
    first = members[0]
    for one in members:
        if not one.trainable or one.head != Head() or JOINED in one.backbone:
            raise BadConfigError(
                f"the detector {one.name!r} is not a single timm network with one logit",
                hint="join detectors that train-detector or harden wrote, all at once",
            )
        same = one.resizing == first.resizing and all(
            torch.equal(getattr(one, key), getattr(first, key)) for key in ("mean", "std")
        )
        if not same:
            raise BadConfigError(
                f"{first.name!r} and {one.name!r} take faces of different sizes or scales",
                hint="train both at the same --size, from backbones of one family",
            )


def _fit(
    parts: Sequence[_Part], rows: Sequence[NDArray[np.bool_]] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns scales and offsets with the least log loss of the joined logit."""
    chosen = rows or [np.ones(len(part.labels), dtype=np.bool_) for part in parts]
    logits = torch.cat([part.logits for part in parts])
    labels = torch.from_numpy(np.concatenate([part.labels for part in parts])).double()
    pairs = zip(parts, chosen, strict=True)
    weights = torch.from_numpy(np.concatenate([part.weights(mine) for part, mine in pairs]))
    weights /= len(parts)
    count = logits.shape[1]

    def loss(values: Floats) -> tuple[float, Floats]:
        given = torch.tensor(values, requires_grad=True)
        joined = noisy_or(logits * given[:count].exp() + given[count:])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            joined, labels, weight=weights, reduction="sum"
        )
        (gradient,) = torch.autograd.grad(losses, given)
        return losses.item(), gradient.numpy()

    start = np.r_[np.zeros(count), np.full(count, -1.0)]
    best = torch.from_numpy(minimize(loss, start, jac=True, method="L-BFGS-B").x)
    return best[:count].exp(), best[count:]


def _as_they_are(
    thresholds: Sequence[float],
    _parts: Sequence[_Part],
    _rows: Sequence[NDArray[np.bool_]] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns scales and offsets by which each detector keeps its threshold, now at 0."""
    scale = torch.full((len(thresholds),), SHARP, dtype=torch.float64)
    return scale, -scale * torch.tensor(thresholds, dtype=torch.float64)


def _cross_validated(parts: Sequence[_Part], seed: int, fit: _Fit) -> dict[str, dict[str, float]]:
    """Returns the AUC of each member and of the joined one, which was fitted to other groups."""
    groups = np.unique(np.concatenate([part.groups for part in parts]))
    folds = dict(
        zip(
            groups.tolist(),
            generator(seed, "joining").permutation(len(groups)) % FOLDS,
            strict=True,
        )
    )
    inside = [np.array([folds[group] for group in part.groups]) for part in parts]
    joined = [np.empty(len(part.labels)) for part in parts]
    for fold in range(FOLDS):
        scale, offset = fit(parts, [mine != fold for mine in inside])
        for part, mine, place in zip(parts, inside, joined, strict=True):
            left = part.logits[torch.from_numpy(mine == fold)]
            place[mine == fold] = noisy_or(left * scale + offset).numpy()
    found: dict[str, dict[str, float]] = {}
    for part, own in zip(parts, joined, strict=True):
        columns: dict[str, Any] = {
            f"detector {number}": column
            for number, column in enumerate(part.logits.numpy().T, start=1)
        }
        columns["joined"] = own
        found[part.name] = {
            name: float(roc_auc_score(part.labels, column)) for name, column in columns.items()
        }
    return found
