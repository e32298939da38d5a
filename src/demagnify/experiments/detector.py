"""Training a detector on one data set or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from demagnify import detectors
from demagnify.data import Faces, Manifest
from demagnify.detectors import DetectorTraining, TrainedDetector, train_detector


def open_split(sources: Sequence[Path], split: str, *, size: int, strict: bool = False) -> Faces:
    """Returns the faces of one split of one data set or several, as one set.

    Groups of different data sets stay apart even where they have the same name.

    Args:
        sources: Manifests; see `Manifest.load`.
        split: "train", "val", "test".
        size: Side of the faces in pixels.
        strict: Whether a bad line or file stops the reading instead of being skipped.

    Raises:
        BadManifestError: If a data set cannot be read, lacks the split, or has a group in two.
    """
    parts = []
    for number, source in enumerate(sources):
        manifest = Manifest.load(source, strict=strict)
        manifest.check_groups()
        faces = Faces.open(manifest.split(split), size=size, strict=strict)
        faces.skipped = (*manifest.skipped, *faces.skipped)
        if len(sources) > 1:
            groups = [f"{number}:{group}" for group in faces.groups]
            names = [f"{number}:{name}" for name in faces.names]
            faces = faces.renamed(names, groups)
        parts.append(faces)
    return parts[0] if len(parts) == 1 else Faces.concatenate(parts)


def train_detector_on(
    sources: Sequence[Path],
    config: DetectorTraining,
    *,
    output: Path,
    backbone: str = "light",
    weights: str | Path | None = "imagenet",
    size: int = 224,
    strict: bool = False,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
) -> TrainedDetector:
    """Trains a detector on the splits train and val of one data set or several.

    Args:
        sources: Manifests; see `Manifest.load`.
        config: The settings of the training.
        output: Folder for the finished detector.
        backbone: "light", "resnet50", or any timm network by name.
        weights: What to start from; see `detectors.create`.
        size: Side of the faces in pixels.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about the data, about what was skipped, and about every epoch.

    Raises:
        BadManifestError: If a data set cannot be used.
        BadArtifactError: If `output` belongs to another training.
    """
    say = tell or (lambda _line: None)
    train = open_split(sources, "train", size=size, strict=strict)
    val = open_split(sources, "val", size=size, strict=strict)
    for skipped in dict.fromkeys((*train.skipped, *val.skipped)):  # both read the whole manifest
        say(f"skipped {skipped}")
    detector = detectors.create(
        backbone, weights=weights, input_size=size, device=device, seed=config.seed
    )
    return train_detector(
        train, val, config, detector=detector, output=output, device=device, tell=tell
    )
