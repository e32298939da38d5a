"""Training a detector on one data set or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from demagnify import detectors
from demagnify.data import FaceDataset, Manifest, Skipped
from demagnify.data.prepare import open_faces
from demagnify.data.provenance import RECORDED, identify
from demagnify.data.subsample import subsample
from demagnify.detectors import DetectorTraining, TrainedDetector, train_detector
from demagnify.laundering.conditions import create_attacks, pooled, under_attacks

SPLITS: Final = ("train", "val")


def open_splits(
    sources: Sequence[Path],
    splits: Sequence[str],
    *,
    size: int,
    limit: int | None = None,
    strict: bool = False,
    skip: Callable[[Skipped], None] | None = None,
) -> dict[str, FaceDataset]:
    """Returns splits of one data set or several, each as one set of faces.

    Faces that have yet to be cut out of photographs or videos are cut out once, into the cache.
    Groups of different data sets stay apart even where they have the same name. What was left
    out is listed once: a file in its split, a line of a manifest, whose split nobody knows, in
    the first.

    Args:
        sources: Manifests; see `Manifest.load`.
        splits: Some of "train", "val", "test".
        size: Side of the faces in pixels.
        limit: At most so many faces of each data set and split, drawn by group; see `limited`.
        strict: Whether a bad line or file stops the reading instead of being skipped.
        skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be read, lacks a split, or has a group in two.
    """
    manifests = [Manifest.load(source, strict=strict) for source in sources]
    for manifest in manifests:
        manifest.check_groups()
    chosen = {
        split: [subsample(manifest.split(split), limit) for manifest in manifests]
        for split in splits
    }
    marks = [f"{number}:" for number in range(len(sources))] if len(sources) > 1 else [""]
    lines = [
        Skipped(f"{mark}{line.where}", line.reason)
        for mark, manifest in zip(marks, manifests, strict=True)
        for line in manifest.skipped
    ]
    opened = {}
    for split, parts in chosen.items():
        faces = [
            _marked(open_faces(part, size=size, strict=strict), mark)
            for part, mark in zip(parts, marks, strict=True)
        ]
        opened[split] = faces[0] if len(faces) == 1 else FaceDataset.concatenate(faces)
        opened[split].skipped, lines = (*lines, *opened[split].skipped), []
    say = skip or (lambda _skipped: None)
    for skipped in (one for whole in opened.values() for one in whole.skipped):
        say(skipped)
    return opened


def open_split(
    sources: Sequence[Path],
    split: str,
    *,
    size: int,
    limit: int | None = None,
    strict: bool = False,
    skip: Callable[[Skipped], None] | None = None,
) -> FaceDataset:
    """Returns one split of one data set or several; see `open_splits`."""
    opened = open_splits(sources, [split], size=size, limit=limit, strict=strict, skip=skip)
    return opened[split]


def _marked(faces: FaceDataset, mark: str) -> FaceDataset:
    """Returns the same faces with `mark` before every name and group."""
    names, groups = ([f"{mark}{name}" for name in names] for names in (faces.names, faces.groups))
    marked = faces.renamed(names, groups)
    marked.skipped = tuple(Skipped(f"{mark}{one.where}", one.reason) for one in faces.skipped)
    return marked


def train_detector_on(
    sources: Sequence[Path],
    config: DetectorTraining,
    *,
    output: Path,
    attacks: Sequence[str] = (),
    backbone: str = "light",
    weights: str | Path | None = "imagenet",
    size: int = 224,
    limit: int | None = None,
    strict: bool = False,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
    skip: Callable[[Skipped], None] | None = None,
) -> TrainedDetector:
    """Trains a detector on the splits train and val of one data set or several.

    Args:
        sources: Manifests; see `Manifest.load`.
        config: The settings of the training.
        output: Folder for the finished detector.
        attacks: Under which attacks it meets every face too, by name or network file, in training
            and in validation; these count as seen afterwards.
        backbone: "light", "resnet50", or any timm network by name.
        weights: What to start from; see `detectors.create`.
        size: Side of the faces in pixels.
        limit: At most so many faces of each data set and split, drawn by group.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about the data, and about every epoch.
        skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be used.
        BadArtifactError: If `output` belongs to another training.
    """
    say = tell or (lambda _line: None)
    opened = open_splits(sources, SPLITS, size=size, limit=limit, strict=strict, skip=skip)
    train, val = opened.values()
    chosen = create_attacks(attacks, device=device)
    about: dict[str, Any] = {RECORDED: identify(sources)}
    if chosen:
        train, val = (pooled(under_attacks(faces, chosen)) for faces in (train, val))
        about["seen_attacks"] = [attack.name for attack in chosen]
        say("each face clean" + "".join(f" and under {attack.name}" for attack in chosen))
    detector = detectors.create(
        backbone, weights=weights, input_size=size, device=device, seed=config.seed
    )
    return train_detector(
        train,
        val,
        config,
        detector=detector,
        output=output,
        device=device,
        tell=tell,
        about=about,
    )
