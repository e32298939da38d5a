"""Training a detector: from labelled faces to an artifact, safe against being killed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import demagnify
from demagnify.core import artifacts
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError, BadManifestError, BadOutputError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.augment import Alteration
from demagnify.detectors.config import DetectorTraining
from demagnify.detectors.detector import KIND, Detector
from demagnify.detectors.history import Epoch
from demagnify.detectors.loop import TrainingLoop, imbalance
from demagnify.detectors.state import StateFile, check_same

_PACKAGES: Final = ("torch", "torchvision", "timm")


@dataclass(frozen=True, kw_only=True)
class TrainedDetector:
    """The result of a training.

    Attributes:
        detector: With the weights of its best epoch and the threshold chosen on validation.
        history: All epochs, in order.
        metrics: Of the best epoch on the validation faces.
    """

    detector: Detector
    history: tuple[Epoch, ...]
    metrics: dict[str, float]


def train_detector(
    train: FaceDataset,
    val: FaceDataset,
    config: DetectorTraining,
    *,
    detector: Detector,
    output: Path,
    alteration: Alteration | None = None,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> TrainedDetector:
    """Trains a detector and writes it to `output`.

    Binary cross-entropy, fakes weighted by n_real / n_fake; AdamW; a cosine schedule with
    warm-up. After each epoch the validation faces give the AUC, which chooses the epoch and
    stops the training, and the threshold with the best balanced accuracy.

    A killed training continues when it is started again with the same arguments, and ends on the
    CPU in the same bits as one left alone; a finished one returns at once.

    Args:
        train: Faces to learn from.
        val: Faces to choose by; nothing is learned from them.
        config: The settings.
        detector: Where to start from; it is trained in place.
        output: Folder for the finished detector; its state lies in `output`.training until then.
        alteration: What is done to training faces before the augmentation; validation faces are
            judged as they are.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about the data and one about every epoch.
        about: What else the card shall say, such as under which attacks the faces are.

    Raises:
        BadManifestError: If a class is missing in `train` or `val`.
        BadArtifactError: If `output` belongs to a training with other settings or data.
        BadOutputError: If `output` holds other things, or cannot be written to.
        BadConfigError: If the detector is a wrapped one, or the loss stops being a number.
    """
    say = tell or (lambda _line: None)
    if not detector.backbone:
        raise BadConfigError(
            f"the detector {detector.name!r} wraps a callable and cannot be trained here",
            hint="train it your own way, or make one with detectors.create",
        )
    _check_classes(train, "training")
    _check_classes(val, "validation")
    detector.to(pick_device(device))
    detector.precision = config.precision
    identity = _identity(train, val, config, detector)
    if alteration is not None:
        identity["alteration"] = alteration.identity()
    state = StateFile(output, identity)
    if (output / artifacts.CARD).exists():
        finished = _load_finished(output, identity, device, config)
        state.remove()
        return finished
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadOutputError(
            f"{output} exists and is no detector", hint="choose a new folder for the detector"
        )
    say(_about_data(train, val))
    loop = TrainingLoop(detector, train, val, config, alteration)
    best = loop.run(state, say)
    metrics = best.model_dump(exclude={"loss", "learning_rate", "images_per_second"})
    card = {
        "training": config.model_dump(mode="json"),
        "identity": identity,
        "data": {"train": _describe(train), "val": _describe(val)},
        "pos_weight": imbalance(train),
        "validation": metrics,
        "history": [epoch.model_dump() for epoch in loop.history],
        "versions": _versions(),
        **(about or {}),
    }
    detector.save(output, card)
    detector.card = card
    state.remove()
    return TrainedDetector(detector=detector, history=loop.history, metrics=metrics)


def _check_classes(faces: FaceDataset, what: str) -> None:
    fakes = int(faces.labels.sum())
    for name, count in (("real", len(faces) - fakes), ("fake", fakes)):
        if count == 0:
            raise BadManifestError(
                f"the {what} faces hold no {name} one", hint="both classes are needed"
            )


def _identity(
    train: FaceDataset, val: FaceDataset, config: DetectorTraining, detector: Detector
) -> dict[str, Any]:
    """What the result depends on; the keys are the words in which a difference is told."""
    return {
        "settings": config.identity(),
        "training faces": _data_fingerprint(train),
        "validation faces": _data_fingerprint(val),
        "start weights": detector.fingerprint(),
    }


def _data_fingerprint(faces: FaceDataset) -> str:
    labels = faces.labels.astype("<i8").tobytes()
    return hashlib.sha256(faces.fingerprint().encode() + labels).hexdigest()


def _load_finished(
    output: Path, identity: dict[str, Any], device: str, config: DetectorTraining
) -> TrainedDetector:
    card = artifacts.load(output, KIND).card
    check_same(card.get("identity"), identity, output)
    return TrainedDetector(
        detector=Detector.load(output, device=device, precision=config.precision),
        history=tuple(Epoch.model_validate(epoch) for epoch in card["history"]),
        metrics=card["validation"],
    )


def _describe(faces: FaceDataset) -> dict[str, Any]:
    fakes = int(faces.labels.sum())
    return {
        "real": len(faces) - fakes,
        "fake": fakes,
        "groups": len(set(faces.groups.tolist())),
        "size": faces.size,
        "fingerprint": faces.fingerprint(),
    }


def _about_data(train: FaceDataset, val: FaceDataset) -> str:
    parts = []
    for name, faces in (("training", train), ("validation", val)):
        fakes = int(faces.labels.sum())
        parts.append(f"{name}: {len(faces) - fakes} real and {fakes} fake faces")
    return f"{'; '.join(parts)}; weight of a fake in the loss: {imbalance(train):.3f}"


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in _PACKAGES}
    return {"demagnify": demagnify.__version__, "python": platform.python_version(), **packages}
