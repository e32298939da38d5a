"""Training the second answer of `detect`: was this face enhanced by a super-resolution network?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from demagnify.core import progress
from demagnify.core.settings import RunOptions
from demagnify.data import Skipped
from demagnify.data.provenance import RECORDED, provenance_of
from demagnify.hardening.config import SurrogateConfig
from demagnify.hardening.enhancement_examples import (
    FAMILIES,
    Described,
    FaceSet,
    describe_pairs,
    draw_pairs,
    joined,
)
from demagnify.hardening.enhancement_faces import open_sets, with_surrogates
from demagnify.hardening.enhancement_files import (
    Decision,
    TrainedEnhancement,
    load_finished,
    save,
)
from demagnify.hardening.enhancement_network import (
    EnhancementNetwork,
    distances_of,
    fit,
    logits_of,
)

NETWORKS: Final = (
    "realesr-compact-x2",
    "realesr-compact-x4",
    "realesrgan-x4plus",
    "srresnet-x4",
    "srgan-x4",
    "dat-light-x2",
    "dat-light-x4",
    "edsr-liif-x2",
    "edsr-liif-x4",
    "srmd-x2",
    "srmd-x4",
    "waifu2x-photo-x2",
)
_PRECISION: Final = 0.8
"""How often a family or factor that is told must be right on the validation faces."""
_INSIDE: Final = 0.99
"""Share of the validation faces near enough to the training faces for an answer."""


class EnhancementConfig(RunOptions):
    """Which networks enhance the training faces, and how the recognition is trained."""

    subsample: int | None = Field(
        default=120,
        ge=4,
        description="Training faces of each data set, drawn by group; each takes part twice, as it "
        "is stored and shrunk.",
    )
    validation_faces: int = Field(
        default=60, ge=4, description="Validation faces of each data set, drawn by group."
    )
    networks: tuple[str, ...] = Field(
        default=NETWORKS,
        min_length=1,
        description="The networks that enhance faces, by a name from attack --list or a file.",
    )
    slow: tuple[str, ...] = Field(
        default=("dat-light-*", "realesrgan-*", "edsr-liif-*"),
        description="Networks that enhance a quarter of the faces only, because they are slow; "
        "patterns.",
    )
    surrogates: SurrogateConfig = Field(
        default=SurrogateConfig(count=10, steps=350),
        description="Small networks that are trained first and enhance half of the faces.",
    )
    draws: int = Field(default=2, ge=1, description="How often each enhanced face is delivered.")
    epochs: int = Field(default=30, ge=1, description="Passes over the examples.")
    width: int = Field(default=96, ge=4, description="Units of each hidden layer.")
    decay: float = Field(default=0.05, ge=0, description="Weight decay.")
    false_alarms: float = Field(
        default=0.03,
        gt=0,
        lt=1,
        description="Share of the captured validation faces that may be called enhanced.",
    )
    missed: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share of the enhanced validation faces that may be called captured.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of every draw.")

    def is_slow(self, network: str) -> bool:
        """Whether a network enhances a quarter of the faces only."""
        return any(fnmatchcase(network, pattern) for pattern in self.slow)


def train_enhancement(
    data: Sequence[Path],
    output: Path | str,
    config: EnhancementConfig | None = None,
    *,
    cache: Path | None = None,
    log: Callable[[str], None] = lambda _line: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> TrainedEnhancement:
    """Trains the recognition of enhanced faces and writes it to `output` as ONNX with a card.

    Real and fake faces take part equally, and always as a pair: one face as captured and as
    enhanced, delivered in the same way. Faces are read at their own size, and take part as they are
    stored and shrunk: see `open_sets`.

    Args:
        data: Manifests with the splits train and val; the split test is not read.
        output: Folder for the network; `detect --enhancement` takes it.
        config: The settings.
        cache: Where enhanced faces are kept; the cache folder of demagnify if None.
        log: Gets a line about each step.
        on_skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be used.
        UnknownNameError: If a network is not known.
        BadArtifactError: If `output` holds the network of another training.
        BadOutputError: If `output` holds other things.

    Example:
        >>> trained = train_enhancement([Path("faces")], "runs/enhancement")  # doctest: +SKIP
        >>> trained.validation["balanced accuracy"]  # doctest: +SKIP
        0.93
    """
    config, output = config or EnhancementConfig(), Path(output)
    wanted = {
        RECORDED: provenance_of(data),
        "settings": config.model_dump(mode="json", exclude={"device", "strict"}),
    }
    if (finished := load_finished(output, wanted)) is not None:
        return finished
    train = open_sets(data, "train", config, cache=cache, on_skip=on_skip)
    folder = output.with_name(output.name + ".surrogates")
    train = with_surrogates(train, config, folder, log)
    val = open_sets(data, "val", config, cache=cache, on_skip=on_skip)
    examples = describe_networks(train, config)
    held_back = describe_networks(val, config)
    network = fit(
        joined(examples.values()),
        epochs=config.epochs,
        width=config.width,
        decay=config.decay,
        seed=config.seed,
        log=log,
    )
    decision = decide(network, joined(held_back.values()), config)
    figures = measure(network, joined(held_back.values()), decision)
    about = {
        "networks": list(examples),
        "training faces": {faces.name: len(faces.captured) for faces in train},
        "validation faces": {faces.name: len(faces.captured) for faces in val},
        **wanted,
        "validation": figures,
    }
    save(network, decision, output, about)
    return TrainedEnhancement(output, decision, figures)


def describe_networks(sets: Sequence[FaceSet], config: EnhancementConfig) -> dict[str, Described]:
    """Returns the described pairs by the network that enhanced them."""
    found: dict[str, list[Described]] = {}
    parts = [(one, version) for one in sets for version in one.enhanced]
    with progress.bar("describing faces", len(parts)) as advance:
        for one, version in parts:
            alone = FaceSet(one.name, one.captured, one.labels, (version,), one.faces)
            pairs = draw_pairs([alone], seed=config.seed, draws=config.draws)
            found.setdefault(version.network, []).append(describe_pairs(pairs))
            advance(1)
    return {network: joined(some) for network, some in found.items()}


def decide(network: EnhancementNetwork, examples: Described, config: EnhancementConfig) -> Decision:
    """Chooses on validation faces how logits become answers."""
    logits = logits_of(network, examples.features)
    truth = examples.enhanced == 1
    model = LogisticRegression(C=1e6).fit(logits[:, :1], truth)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    chances = expit(slope * logits[:, 0] + intercept)
    enhanced = float(np.quantile(chances[~truth], 1 - config.false_alarms))
    captured = float(np.quantile(chances[truth], config.missed))
    if captured > enhanced:  # the two kinds hardly overlap: there is nothing between the answers
        captured = enhanced = (captured + enhanced) / 2
    end = 1 + len(FAMILIES)
    family = _least(logits[:, 1:end], examples.families)
    factor = _least(logits[:, end:], examples.factors)
    farthest = float(np.quantile(distances_of(network, examples.features), _INSIDE))
    return Decision(slope, intercept, captured, enhanced, family, factor, farthest)


def _least(logits: np.ndarray, truth: np.ndarray) -> float:
    """Returns the least confidence above which enough answers are right; above 1 if none is."""
    known = truth >= 0
    if not known.any():
        return 2.0
    chances = softmax(logits[known], axis=1)
    confidence, right = chances.max(1), chances.argmax(1) == truth[known]
    order = np.argsort(-confidence)
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= _PRECISION)
    return float(confidence[order][enough[-1]]) if len(enough) else 2.0


def measure(
    network: EnhancementNetwork, examples: Described, decision: Decision
) -> dict[str, float]:
    """Returns accuracy figures of a network on described faces."""
    logits = logits_of(network, examples.features)
    chances = expit(decision.slope * logits[:, 0] + decision.intercept)
    truth = examples.enhanced == 1
    answered = (chances <= decision.captured) | (chances > decision.enhanced)
    middle = (decision.captured + decision.enhanced) / 2
    rates = [float((chances[truth == kind] > middle).mean()) for kind in (True, False)]
    return {
        "faces": float(len(truth)),
        "sensitivity": rates[0],
        "specificity": 1 - rates[1],
        "balanced accuracy": (1 + rates[0] - rates[1]) / 2,
        "cannot tell": float((~answered).mean()),
        "false alarms": float((chances[~truth] > decision.enhanced).mean()),
        "missed": float((chances[truth] <= decision.captured).mean()),
    }
