"""Training a detector: from labelled faces to a folder, safe against being killed."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

import demagnify
from demagnify.core import artifacts
from demagnify.core.devices import pick_device
from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.core.memory import given_back_seldom
from demagnify.core.process_group import ProcessGroup, together
from demagnify.core.runs import check_free, claim
from demagnify.core.settings import RunOptions
from demagnify.core.trackers import Tracking, track
from demagnify.data import FaceDataset, Skipped
from demagnify.data.prepare import open_splits
from demagnify.data.provenance import RECORDED, provenance_of
from demagnify.detectors.augment import TrainingTransform
from demagnify.detectors.config import TrainDetectorConfig
from demagnify.detectors.detector import KIND, Detector
from demagnify.detectors.loading import create
from demagnify.detectors.loop import Epoch, Targets, TrainingLoop, imbalance
from demagnify.laundering.conditions import create_attacks, pooled, under_attacks

SPLITS: Final = ("train", "val")
_PACKAGES: Final = ("torch", "torchvision", "timm")

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
"""uint8 RGB images (N, 3, S, S) with labels (N,), such as a `DataLoader` gives."""
Data = Sequence[Path | str] | tuple[FaceDataset | Batches, FaceDataset | Batches]
"""Manifests with the splits train and val; or training and validation faces."""


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
    data: Data,
    output: Path,
    config: TrainDetectorConfig | None = None,
    *,
    detector: Detector | None = None,
    transform: TrainingTransform | None = None,
    targets: Targets | None = None,
    about: Mapping[str, Any] | None = None,
    tracker: str | Tracking | None = None,
    log: Callable[[str], None] | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> TrainedDetector:
    """Trains a detector and writes it to `output`.

    Binary cross-entropy, fakes weighted by n_real / n_fake; AdamW; a cosine schedule with
    warm-up. After each epoch the validation faces give the AUC, which chooses the epoch and
    stops the training, and the threshold with the best balanced accuracy.

    A killed training continues when it is started again with the same arguments, and ends on the
    CPU in the same bits as one left alone; a finished one returns at once.

    Args:
        data: Manifests with the splits train and val, see `Manifest.load`; or training and
            validation faces, each a `FaceDataset` or a `DataLoader`. Nothing is learned from
            validation faces, which choose epoch and threshold.
        output: Folder for the finished detector; its state is in `output`.training until then.
        config: The settings.
        detector: The detector to start from, which is trained in place; a new one of
            `config.backbone` and `config.weights` if None.
        transform: Applied to training faces before the augmentation, not to validation faces.
        targets: float32 (N,) in [0, 1], in place of the labels of the N training faces in the
            loss, such as another detector's verdicts.
        about: Further entries of the card.
        tracker: Where the figures of every epoch go as they come: "tensorboard", "mlflow", with
            ":" a folder or address, or `package.module:Class`; see `demagnify.core.trackers`.
        log: Gets a line about the data, and one about every epoch.
        on_skip: Gets each file or line that is left out.

    Returns:
        The detector with the weights of its best epoch, and every epoch.

    Raises:
        BadManifestError: If a data set cannot be used, or a class is missing in a split.
        BadArtifactError: If `output` is the result of another training.
        BadOutputError: If `output` holds other things or the state of another training, if
            another process trains there, or if it cannot be written to.
        BadConfigError: If the detector is a wrapped one, or the loss stops being a number.

    Example:
        >>> import tempfile, numpy as np
        >>> from demagnify.data import FaceDataset
        >>> pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
        >>> faces = FaceDataset.from_arrays(pixels, [0, 1] * 4)
        >>> config = TrainDetectorConfig(
        ...     backbone="test_resnet", weights=None, size=32, epochs=1, batch_size=4, device="cpu"
        ... )
        >>> folder = Path(tempfile.mkdtemp(), "detector")
        >>> trained = train_detector((faces, faces), folder, config)
        >>> trained.detector.logits(faces).shape
        torch.Size([8])
    """
    config = config or TrainDetectorConfig()
    say = log or (lambda _line: None)
    train, val, entries = _open(data, config, say, on_skip)
    if detector is None:
        detector = create(
            config.backbone,
            weights=config.weights,
            input_size=config.size,
            device=config.device,
            seed=config.seed,
        )
    if not detector.trainable:
        raise BadConfigError(
            f"the detector {detector.name!r} wraps a callable and cannot be trained here",
            hint="wrap a torch.nn.Module, or make one with detectors.create",
        )
    detector.to(pick_device(config.device))
    detector.precision = config.precision
    identity = {  # everything on which the result depends; messages name the keys that differ
        "settings": config.identity(),
        "training faces": _data_fingerprint(train),
        "validation faces": _data_fingerprint(val),
        "start weights": detector.fingerprint(),
    }
    if transform is not None:
        identity["transform"] = transform.identity()
    if targets is not None:
        identity["targets"] = hashlib.sha256(targets.astype("<f4").tobytes()).hexdigest()
    folder = output.with_name(output.name + ".training")
    if (output / artifacts.CARD).exists():
        finished = _load_finished(output, identity, detector)
        shutil.rmtree(folder, ignore_errors=True)
        with track(tracker, output, identity, config, log=log) as tracking:
            tracking.points(map(Epoch.point, finished.history))
        return finished
    check_free(output, "detector")
    say(_about_data(train, val))
    part = _Part(detector, train, val, config, transform, targets)
    with (
        claim(folder, identity, what="a training") as held,
        track(tracker, output, identity, config, log=log) as tracking,
        together(config.processes) as group,
    ):
        group.send(part)
        loop = part.loop(group)

        def tell(line: str) -> None:
            say(line)
            tracking.points(map(Epoch.point, loop.progress.history))

        with given_back_seldom():
            best = loop.run(held / "state.safetensors", tell)
        tracking.points(map(Epoch.point, loop.progress.history))
    metrics = best.model_dump(exclude={"loss", "learning_rate", "images_per_second"})
    card = {
        "training": config.model_dump(mode="json"),
        "identity": identity,
        "data": {"train": _describe(train), "val": _describe(val)},
        "pos_weight": imbalance(train),
        "validation": metrics,
        "history": [epoch.model_dump() for epoch in loop.progress.history],
        "versions": {
            "demagnify": demagnify.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        **entries,
        **(about or {}),
    }
    detector.save(output, card)
    detector.card = card
    shutil.rmtree(folder, ignore_errors=True)
    return TrainedDetector(detector=detector, history=tuple(loop.progress.history), metrics=metrics)


@dataclass(frozen=True)
class _Part:
    """The arguments of a `TrainingLoop`, as other processes get them."""

    detector: Detector
    train: FaceDataset
    val: FaceDataset
    config: TrainDetectorConfig
    transform: TrainingTransform | None
    targets: Targets | None

    def loop(self, group: ProcessGroup) -> TrainingLoop:
        """Returns the loop of one process."""
        self.detector.to(group.device(self.config.device))
        return TrainingLoop(
            self.detector,
            self.train,
            self.val,
            self.config,
            self.transform,
            self.targets,
            group,
        )

    def __call__(self, group: ProcessGroup) -> None:
        """Trains with rank 0."""
        self.loop(group).run(None, lambda _line: None)


def open_training(
    data: Data, config: RunOptions, size: int, on_skip: Callable[[Skipped], None] | None
) -> tuple[FaceDataset, FaceDataset, list[Path]]:
    """Returns training and validation faces, and the manifests that they come from."""
    sources = [Path(one) for one in data if isinstance(one, str | Path)]
    if not sources:
        first, last = (
            one if isinstance(one, FaceDataset) else FaceDataset.from_batches(one)
            for one in (data[0], data[-1])
            if not isinstance(one, str | Path)
        )
        return first, last, []
    train, val = open_splits(
        sources,
        SPLITS,
        size=size,
        subsample=config.subsample,
        strict=config.strict,
        on_skip=on_skip,
    ).values()
    return train, val, sources


def _open(
    data: Data,
    config: TrainDetectorConfig,
    log: Callable[[str], None],
    on_skip: Callable[[Skipped], None] | None,
) -> tuple[FaceDataset, FaceDataset, dict[str, Any]]:
    """Returns training and validation faces, clean and attacked, and the card's entries on them."""
    attacks = create_attacks(config.attacks, device=config.device)
    train, val, sources = open_training(data, config, config.size, on_skip)
    entries: dict[str, Any] = {RECORDED: provenance_of(sources)} if sources else {}
    for name, faces in (("training", train), ("validation", val)):
        _check_classes(faces, name)
    if attacks:
        train, val = (pooled(under_attacks(faces, attacks)) for faces in (train, val))
        entries["seen_attacks"] = [attack.name for attack in attacks]
        log("each face clean" + "".join(f" and under {attack.name}" for attack in attacks))
    return train, val, entries


def _check_classes(faces: FaceDataset, what: str) -> None:
    for name, count in _counts(faces).items():
        if not count:
            raise BadManifestError(
                f"the {what} faces hold no {name} one", hint="both classes are needed"
            )


def _counts(faces: FaceDataset) -> dict[str, int]:
    fakes = int(faces.labels.sum())
    return {"real": len(faces) - fakes, "fake": fakes}


def _data_fingerprint(faces: FaceDataset) -> str:
    labels = faces.labels.astype("<i8").tobytes()
    return hashlib.sha256(faces.fingerprint().encode() + labels).hexdigest()


def _load_finished(output: Path, identity: dict[str, Any], detector: Detector) -> TrainedDetector:
    card = artifacts.load(output, KIND).card
    artifacts.check_same(card.get("identity"), identity, output)
    return TrainedDetector(
        detector=detector.restored(output),
        history=tuple(Epoch.model_validate(epoch) for epoch in card["history"]),
        metrics=card["validation"],
    )


def _describe(faces: FaceDataset) -> dict[str, Any]:
    return {
        **_counts(faces),
        "groups": len(set(faces.groups.tolist())),
        "size": faces.size,
        "fingerprint": faces.fingerprint(),
    }


def _about_data(train: FaceDataset, val: FaceDataset) -> str:
    parts = [
        "{}: {real} real and {fake} fake faces".format(name, **_counts(faces))
        for name, faces in (("training", train), ("validation", val))
    ]
    return f"{'; '.join(parts)}; weight of a fake in the loss: {imbalance(train):.3f}"
