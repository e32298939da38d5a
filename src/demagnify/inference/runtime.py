"""Runtimes: face crops in, decisions out, by ONNX Runtime or by torch.

`load_runtime` takes a defence or detector by name, folder or file. What ships with the package, and
what `demagnify export` wrote, runs in ONNX Runtime and needs no torch; everything else needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources, util
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from demagnify.core.artifacts import load_card
from demagnify.core.devices import Precision
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.extras import need
from demagnify.core.images import Pixels
from demagnify.core.onnx_session import OnnxSession
from demagnify.inference.exported import check_weights, is_exported, read_notes, read_verified

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.detectors.detector import Detector

RuntimeName = Literal["auto", "onnx", "torch"]
InputType = Literal["uint8", "float"]
"""What an exported file takes: RGB 0-255, or in [0, 1]."""

FACES_AT_ONCE: Final = 32

ONNX_FILE: Final = "model.onnx"
"""The name of the file beside the card of a shipped detector or defence."""
INPUT: Final = "images"
LOGITS: Final = "logits"
ACTIONS: Final = "actions"
UNCERTAINTY: Final = "uncertainty"
ABSTAINED: Final = "abstained"
_SHELVES: Final = ("defenses", "detectors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decisions on N crops.

    Attributes:
        logits: float32 (N,), after the correction; a logit above the threshold means fake.
        actions: int64 (N,), the number of the correction that was chosen for each.
        uncertainty: float32 (N,), the estimated chance that the verdict is wrong; None if unknown.
        abstained: bool (N,), where no verdict is given; None if one is always given.
    """

    logits: NDArray[np.float32]
    actions: NDArray[np.int64]
    uncertainty: NDArray[np.float32] | None = None
    abstained: NDArray[np.bool_] | None = None


class Decision(NamedTuple):
    """The decision on one crop; see `Decided`."""

    logit: float
    action: str
    uncertainty: float | None
    abstained: bool


class Runtime(Protocol):
    """Something that classifies face crops; `TorchRuntime` and `OnnxRuntime` are two.

    Attributes:
        name: Its name in tables.
        fingerprint: A text on which the logits depend, as 64 hexadecimal digits; the same for
            torch and ONNX Runtime. Empty if nothing tells whether the detector has changed.
        input_size: The side S of the crops in pixels.
        threshold: A logit above it means fake; compared in float32.
        actions: The names of the corrections.
        views: Of how many corrected images each logit is the mean; 1 where one is chosen.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def input_size(self) -> int: ...  # noqa: D102
    @property
    def threshold(self) -> float: ...  # noqa: D102
    @property
    def actions(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def views(self) -> int: ...  # noqa: D102

    def decide(self, crops: Pixels) -> Decided:
        """Corrects and classifies face crops, uint8 RGB (N, S, S, 3), 0-255.

        Raises:
            BadConfigError: If a logit is not a finite number.
        """


class OnnxRuntime:
    """An ONNX file that `demagnify export` wrote, in ONNX Runtime: needs no torch.

    Args:
        path: The file.
        weights: The folder of further weights that it names; the file's own if None.
        device: "auto", "cpu", "cuda".
        threads: For one batch; see `demagnify.core.onnx_session.default_threads`.

    Raises:
        BadArtifactError: If the file is missing, was changed, or is none that `export` wrote.
    """

    def __init__(
        self,
        path: Path,
        *,
        weights: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        content = read_verified(path)
        self._session = OnnxSession(
            path, device=device, threads=threads, content=content, weights=weights
        )
        self.notes = read_notes(self._session, path)
        for file, digest in self.notes.weights.items():
            check_weights((weights or path.parent) / file, digest, path)
        (one,) = self._session.session.get_inputs()
        self.takes: InputType = "float" if one.type == "tensor(float)" else "uint8"
        self._outputs = [output.name for output in self._session.session.get_outputs()]
        self.path = path
        notes = self.notes
        self.name, self.fingerprint = notes.name, notes.fingerprint
        self.input_size, self.threshold = notes.input_size, notes.threshold
        self.actions, self.views = notes.actions, notes.views

    def decide(self, crops: Pixels) -> Decided:
        """See `Runtime.decide`; crops of any other size are resized in the network."""
        if not len(crops):
            return Decided(logits=np.empty(0, np.float32), actions=np.empty(0, np.int64))
        batch: NDArray[Any] = np.ascontiguousarray(crops.transpose(0, 3, 1, 2))
        if self.takes == "float":
            batch = batch.astype(np.float32) / np.float32(255)
        answers = dict(
            zip(
                self._outputs,
                self._session.run_all(
                    self._outputs, INPUT, batch, hint="face crops are uint8 RGB (N, S, S, 3)"
                ),
                strict=True,
            )
        )
        return Decided(
            logits=_finite(answers[LOGITS], self.name),
            actions=answers.get(ACTIONS, np.zeros(len(crops), np.int64)),
            uncertainty=answers.get(UNCERTAINTY),
            abstained=answers.get(ABSTAINED),
        )


class TorchRuntime:
    """A defended detector, or a bare one, in torch.

    Args:
        defense: The defended detector, or a detector, which then never acts.
    """

    def __init__(self, defense: DefendedDetector | Detector) -> None:
        from demagnify.agents.defended import undefended
        from demagnify.detectors.detector import Detector

        self.defended = undefended(defense) if isinstance(defense, Detector) else defense
        self.name, self.input_size = self.defended.name, self.defended.input_size
        self.threshold = self.defended.threshold
        self.actions = tuple(self.defended.actions.names)
        self.views = self.defended.policy.averaged

    @cached_property
    def fingerprint(self) -> str:
        """What the logits depend on; empty where a wrapped function has no fingerprint."""
        try:
            return self.defended.fingerprint()
        except BadConfigError:
            return ""

    def decide(self, crops: Pixels) -> Decided:
        """See `Runtime.decide`."""
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
        found = self.defended.decide(batch)
        return Decided(
            logits=_finite(found.logits.cpu().numpy(), self.defended.name),
            actions=found.actions.cpu().numpy(),
            uncertainty=None if found.uncertainty is None else found.uncertainty.cpu().numpy(),
            abstained=None if found.abstained is None else found.abstained.cpu().numpy(),
        )


def decide_each(
    runtime: Runtime, crops: Iterable[Pixels], *, at_once: int | None = None
) -> Iterator[Decision]:
    """Yields the decision on each face crop, uint8 RGB (S, S, 3); some are decided at once."""
    rest = iter(crops)
    while batch := list(islice(rest, at_once or FACES_AT_ONCE)):
        found = runtime.decide(np.stack(batch))
        for row, logit in enumerate(found.logits.tolist()):
            yield Decision(
                logit=logit,
                action=runtime.actions[int(found.actions[row])],
                uncertainty=None if found.uncertainty is None else found.uncertainty[row].item(),
                abstained=found.abstained is not None and bool(found.abstained[row]),
            )


def surplus_of(logit: float, runtime: Runtime) -> float:
    """Returns by how much a logit is above the threshold, in float32 as everywhere.

    A threshold that is one of the logits is not above itself then.
    """
    return logit - float(np.float32(runtime.threshold))


def score_of(surplus: float) -> float:
    """Returns the sigmoid of a logit's surplus; above 0.5 exactly where that is positive."""
    least = math.nextafter(0.5, 1) if surplus > 0 else 0.0
    return max((1 + math.tanh(surplus / 2)) / 2, least)  # tanh is safe from overflow


def in_words(runtime: Runtime) -> str:
    """Returns what gives the logits: the detector, and the views of which they are the mean.

    Example:
        >>> in_words(load_runtime("default"))
        'hardened, mean of 2 views: identity, flip'
    """
    name = runtime.name.removeprefix("defended ")
    if runtime.views == 1:
        return name
    return f"{name}, mean of {runtime.views} views: {', '.join(runtime.actions)}"


def as_runtime(defense: Runtime | DefendedDetector | Detector) -> Runtime:
    """Returns a runtime as it is, and a defended or bare detector in torch."""
    if hasattr(defense, "forward"):  # only torch's modules have it
        return TorchRuntime(cast("DefendedDetector | Detector", defense))
    return defense


def load_runtime(
    source: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "float32",
    runtime: RuntimeName = "auto",
    threads: int | None = None,
) -> Runtime:
    """Loads a defence or detector for inference.

    Args:
        source: A folder with a defence, the name of a shipped defence or detector, a file that
            `demagnify export` wrote, or any detector that `load_detector` takes.
        device: "auto", "cpu", "cuda". ONNX Runtime is not chosen for a "cuda" that it lacks.
        precision: In what the networks compute; ONNX Runtime knows "float32" alone.
        runtime: "onnx", "torch", or "auto": ONNX Runtime where it can, else torch.
        threads: Of ONNX Runtime, for one batch; as many as there are processors if None.

    Raises:
        BadArtifactError: If there is none, or it is damaged or was changed.
        BadConfigError: If it needs torch and torch is not installed.

    Example:
        >>> runtime = load_runtime("default")
        >>> runtime.input_size, runtime.actions
        (224, ('identity', 'flip'))
    """
    precise = precision != "bfloat16"
    place = find_onnx(source) if runtime != "torch" else None
    if place and (runtime == "onnx" or (precise and not device.startswith("cuda"))):
        if not precise:
            raise BadConfigError(
                "ONNX Runtime computes in float32", hint="leave the precision out, or use torch"
            )
        return OnnxRuntime(place[0], weights=place[1], device=device, threads=threads)
    if runtime == "onnx":
        raise BadConfigError(
            f"{source} has no ONNX file", hint="`demagnify export` writes one, or use torch"
        )
    if not util.find_spec("torch") and not Path(source).exists() and str(source).isidentifier():
        raise BadArtifactError(
            f"there is no defence {str(source)!r}: neither a folder nor a shipped one",
            hint=f"shipped: {', '.join(_shipped())}; one of a plug-in needs torch",
        )
    need("research", "torch", what=f"{source} needs")
    from demagnify.agents.loading import load_defense

    return TorchRuntime(load_defense(source, device=device, precision=precision))


def _shipped() -> list[str]:
    """Returns the names of what ships as an ONNX file."""
    found = (one for shelf in _SHELVES for one in shelf_folder(shelf).glob(f"*/{ONNX_FILE}"))
    return sorted({one.parent.name for one in found})


def find_onnx(source: str | Path) -> tuple[Path, Path | None] | None:
    """Returns the ONNX file of a source and the folder of its further weights, if it has one."""
    if isinstance(source, str):
        for shelf in _SHELVES:
            folder = shelf_folder(shelf) / source
            if source.isidentifier() and (folder / "card.json").is_file():
                file = folder / ONNX_FILE
                return (file, weights_of(folder)) if file.is_file() else None
    path = Path(source)
    return (path, None) if path.suffix == ".onnx" and is_exported(path) else None


def shelf_folder(shelf: str) -> Path:
    """Returns the folder of shipped "defenses" or "detectors"."""
    return Path(str(resources.files("demagnify"))) / "weights" / shelf


def weights_of(folder: Path) -> Path:
    """Returns the folder with a shipped network's weights: its own, or its detector's."""
    detector = load_card(folder).get("shipped_detector")
    return shelf_folder("detectors") / detector if detector else folder


def _finite(logits: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    bad = int((~np.isfinite(logits)).sum())
    if bad:
        raise BadConfigError(
            f"the detector {name!r} gave {bad} of {logits.size} logits that are no finite number",
            hint="check its weights and preprocessing, or compute in float32",
        )
    return logits.astype(np.float32, copy=False)
