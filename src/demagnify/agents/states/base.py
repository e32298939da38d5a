"""The contract of states, several of them side by side, and the states of a set of faces."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import specs
from demagnify.core.errors import BadConfigError
from demagnify.core.images import check_batch
from demagnify.core.registry import Registry
from demagnify.core.specs import JOIN, Named
from demagnify.data.dataset import FaceDataset

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike, LogitTable

STATES: Final[Registry[type[StateEncoder]]] = Registry(
    "state", package="demagnify.agents.states", group="demagnify.states"
)

CACHE_BELOW_BYTES: Final = 256 * 2**20

Need = Literal["nothing", "logit", "embedding"]
"""The part of the detector's output for the original image that a state needs."""


@dataclass(frozen=True, slots=True)
class DetectorOutput:
    """The detector's output for N original images: one forward pass.

    Attributes:
        logits: float32 (N,).
        embedding: float32 (N, E), the input of its last layer; None if not needed.
    """

    logits: torch.Tensor
    embedding: torch.Tensor | None = None


@dataclass(frozen=True)
class StateEncoder(Named, ABC):
    """Turns images into states, float32 (N, S).

    Subclasses are frozen dataclasses of their settings and write `size` and `encode`. A state
    that needs the detector's output is bound to a detector. The output costs one forward pass; a
    caller that has it already passes it on.

    Attributes:
        low: The lower bound of the numbers.
        high: The upper bound of the numbers.
        needs: The part of the detector's output that the state needs.

    Example:
        >>> import torch
        >>> from demagnify.agents import states
        >>> encoder = states.create("thumbnail-4")
        >>> encoder(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([2, 48])
    """

    low: ClassVar[float] = -math.inf
    high: ClassVar[float] = math.inf
    needs: ClassVar[Need] = "nothing"

    def bind(self, detector: DetectorLike) -> Self:  # noqa: ARG002
        """Returns this encoder with a detector; itself if it needs none.

        Args:
            detector: The detector, for images whose output is not passed on.

        Raises:
            BadConfigError: If the detector does not provide the needed output.
        """
        return self

    def detector_output(self, images: torch.Tensor) -> DetectorOutput | None:  # noqa: ARG002
        """Returns the detector's output for the images; None if the state needs none."""
        return None

    @final
    def __call__(self, images: torch.Tensor, output: DetectorOutput | None = None) -> torch.Tensor:
        """Returns the states of an image batch, float32 (N, S) on its device.

        Args:
            images: The images.
            output: The detector's output for them; None computes it where it is needed.

        Shape:
            uint8 RGB (N, 3, H, W), 0-255, to float32 (N, S).

        Raises:
            ImageContractError: If `images` is not an image batch.
            BadConfigError: If it needs a detector and is not bound to one.
        """
        if not check_batch(images).shape[0]:
            return torch.empty(0, self.size(images.shape[-1]), device=images.device)
        return self.encode(images, output or self.detector_output(images))

    @abstractmethod
    def size(self, image_size: int) -> int:
        """Returns S, the length of a state, for square images of `image_size` pixels."""

    @abstractmethod
    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:
        """Returns the states of a checked, non-empty image batch.

        Args:
            images: uint8 RGB (N, 3, H, W).
            output: The detector's output for them; given if it is needed.
        """


def not_bound(name: str) -> BadConfigError:
    """Returns the error of a state whose detector is missing."""
    return BadConfigError(
        f"the state {name!r} needs a detector", hint="encoder.bind(detector) gives it one"
    )


@dataclass(frozen=True)
class Joined(StateEncoder):
    """Several states side by side, "spectrum+logit"; the detector runs once at most.

    Attributes:
        parts: The states, two or more.
    """

    family = "joined"
    parts: tuple[StateEncoder, ...]

    @property
    def name(self) -> str:
        """The names of the parts, joined by "+"."""
        return JOIN.join(part.name for part in self.parts)

    @property
    def spec(self) -> str:
        """The specs of the parts, joined by "+"."""
        return JOIN.join(part.spec for part in self.parts)

    def __post_init__(self) -> None:
        """Joins the bounds, and takes over the needs of the most demanding part."""
        object.__setattr__(self, "low", min(part.low for part in self.parts))
        object.__setattr__(self, "high", max(part.high for part in self.parts))
        object.__setattr__(self, "needs", self._neediest.needs)

    @property
    def _neediest(self) -> StateEncoder:
        return max(self.parts, key=lambda part: get_args(Need).index(part.needs))

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        return type(self)(tuple(part.bind(detector) for part in self.parts))

    def detector_output(self, images: torch.Tensor) -> DetectorOutput | None:
        """See `StateEncoder.detector_output`."""
        return self._neediest.detector_output(images)

    def size(self, image_size: int) -> int:
        """Returns the sum over the parts."""
        return sum(part.size(image_size) for part in self.parts)

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:
        """Returns the parts' states side by side."""
        return torch.cat([part.encode(images, output) for part in self.parts], dim=1)


def create(spec: str, settings: Mapping[str, Any] | None = None) -> StateEncoder:
    """Makes a state encoder; `bind` then gives it the detector that it may need.

    Args:
        spec: A registered name, with settings ("thumbnail-16") or without, "package.module:name",
            or several of them joined by "+" ("spectrum+logit").
        settings: Further settings by name, for a single state.

    Raises:
        UnknownNameError: If a name is not registered.
        BadConfigError: If a setting is unknown or out of its range.
    """
    if JOIN not in spec:
        return specs.make(STATES, spec, settings)
    names = [part.strip() for part in spec.split(JOIN)]
    if settings or "" in names or len(set(names)) < len(names):
        raise BadConfigError(
            f"the state {spec!r} cannot be put together",
            hint="join different states with +, each with its own settings",
        )
    return Joined(tuple(specs.make(STATES, name) for name in names))


class FaceStates:
    """The states of a set of faces: cached where they are small, computed each time otherwise.

    Args:
        source: The faces, or a logit table. Its detector serves the states that need one, and its
            known logits save forward passes.
        encoder: Computes the states.
        device: Where states are computed and returned.
    """

    def __init__(
        self, source: FaceDataset | LogitTable, encoder: StateEncoder, device: torch.device
    ) -> None:
        self._source = None if isinstance(source, FaceDataset) else source
        self.faces = source if isinstance(source, FaceDataset) else source.faces
        self.encoder = encoder if self._source is None else encoder.bind(self._source.detector)
        self.device = device
        self.size = self.encoder.size(self.faces.size)
        self._cached: torch.Tensor | None = None
        self._small = len(self.faces) * self.size * 4 <= CACHE_BELOW_BYTES

    def __call__(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Returns the states of the faces at `rows`, float32 (n, S)."""
        if not self._small:
            return self._encode(rows, self.faces.batch(rows))
        if self._cached is None:
            self._cached = self.all()
        return self._cached[torch.from_numpy(rows).to(self.device)]

    def all(self) -> torch.Tensor:
        """Returns the states of all faces, float32 (N, S)."""
        states = torch.empty(len(self.faces), self.size, device=self.device)
        for rows, images in self.faces.batches(64):
            states[rows[0] : rows[-1] + 1] = self._encode(rows, images)
        return states

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns mean and standard deviation of each number over all faces, float32 (S,)."""
        total = torch.zeros(2, self.size, dtype=torch.float64, device=self.device)
        for rows, images in self.faces.batches(64):
            states = self._encode(rows, images).double()
            total += torch.stack([states.sum(0), states.square().sum(0)])
        mean, square = total / len(self.faces)
        return mean.float(), (square - mean.square()).clamp_(min=0.0).sqrt_().float()

    def _encode(self, rows: NDArray[np.int64], images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images.to(self.device), self._known(rows))

    def _known(self, rows: NDArray[np.int64]) -> DetectorOutput | None:
        """Returns the logits of the original faces from the source, where they are needed."""
        if self._source is None or self.encoder.needs != "logit":
            return None
        logits = self._source.lookup(rows, np.zeros(len(rows), dtype=np.int64))
        return DetectorOutput(torch.from_numpy(logits))
