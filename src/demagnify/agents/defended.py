"""The defended detector: policy, actions and detector in one, and itself a detector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from pydantic import Field, ValidationError
from torch import nn
from torch.nn import functional

from demagnify import detectors
from demagnify.agents import states
from demagnify.agents.policies import Decisions, FixedPolicy, Policy
from demagnify.agents.queries import ImageQueries
from demagnify.agents.states import StateEncoder
from demagnify.core import artifacts
from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadArtifactError, BadConfigError, first_finding
from demagnify.core.files import atomic_folder, write_text
from demagnify.core.images import check_batch
from demagnify.core.settings import Frozen
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.backbones import CONFIG
from demagnify.detectors.detector import Detector, batched_logits, check_finite
from demagnify.detectors.hub import HubMixin
from demagnify.detectors.preprocessing import Resizing
from demagnify.detectors.pretrained import check_fit
from demagnify.detectors.wrapped import WrappedDetector
from demagnify.transforms import IDENTITY, TransformSet, create

KIND: Final = "defense"
DETECTOR: Final = "detector"
DETECTOR_SOURCE: Final = "detector_source"
"""Key in the card: the place of a detector that is a file or code of the user's own."""
FACE_SIZE: Final = 224
"""Side of the faces for a detector that takes any size."""
_BESIDE: Final = ("calibration.json", "conditions.json")
"""What `demagnify calibrate` writes beside a defence, for the same weights only."""
SHIPPED_DETECTOR: Final = "shipped_detector"
"""Key in the card of a shipped defence: the name of its shipped detector."""


class DefendedDetector(nn.Module, HubMixin):
    """A detector behind an agent that corrects each image first.

    Most policies run the detector once per image; `Decisions.calls` counts it.

    Args:
        detector: The detector.
        actions: The transforms that the agent chooses from.
        encoder: Computes the agent's states; None if the policy uses none.
        policy: The agent.
        input_size: Side in pixels of the faces that the agent knows; images of another size are
            resized first.
        threshold: A logit above it means fake; the detector's threshold if None.

    Attributes:
        card: How it was made and how well it does; empty until it was trained or loaded.
        beside: The calibration files of the folder that it was loaded from, by name.

    Shape:
        uint8 RGB (N, 3, H, W), 0-255, or float RGB in [0, 1], of any size and on any device, to
        float32 (N,) on the detector's device. Floats are rounded to 8 bits: they give the logits
        of the rounded image, and gradients, exact where the action has `apply_float` and
        straight-through elsewhere.

    Example:
        >>> from demagnify.agents.loading import load_defense
        >>> defended = load_defense("default", device="cpu")
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> defended(images).shape, defended.actions.names
        (torch.Size([2]), ('identity', 'flip'))

    Source:
        Jaswanth, Goud: Defense against Adversarial Magnification to Deceive Deepfake Detection
        through Super Resolution; `TrainDefenseConfig` has its values.
    """

    task: ClassVar[str] = "learned"

    def __init__(
        self,
        detector: Detector,
        actions: TransformSet,
        encoder: StateEncoder | None,
        policy: Policy,
        *,
        input_size: int,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        if encoder is None and policy.uses_state:
            raise BadConfigError(f"the policy {policy.name!r} needs a state", hint="give one")
        self.detector = detector
        self.actions = actions
        self.encoder = None if encoder is None else encoder.bind(detector)
        self.policy = policy
        self.input_size = input_size
        self.own_threshold = threshold
        self.card: dict[str, Any] = {}
        self.beside: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """The name in tables."""
        return f"defended {self.detector.name}"

    @property
    def threshold(self) -> float:
        """A logit above it means fake: its own threshold, or the detector's."""
        return self.detector.threshold if self.own_threshold is None else self.own_threshold

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None if the detector has no weights."""
        return self.detector.device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns one logit per image after correction, float32 (N,); see `decide`.

        Args:
            images: uint8 RGB (N, 3, H, W), or float RGB in [0, 1], which get gradients.

        Raises:
            ImageContractError: If `images` is not an image batch, or if it needs gradients and
                the detector has none.
        """
        check_batch(images, floats=True)
        if not (images.requires_grad and torch.is_grad_enabled()):
            return self.decide(images).logits
        floats = self._resized(images.to(self.device or images.device).float())
        with torch.no_grad():
            rounded, output, observed = self._observe(images)
        query = ImageQueries(self.detector, self.actions, rounded, output, floats)
        return query.decide(self.policy, observed, self.threshold).logits

    @torch.no_grad()
    def decide(self, images: torch.Tensor, *, undefended: bool = False) -> Decisions:
        """Corrects and classifies images, without gradients.

        Args:
            images: uint8 RGB (N, 3, H, W), or float RGB in [0, 1], which is rounded.
            undefended: Whether to return the logits of the original images, too; this costs a
                further call of the detector for those that were corrected.

        Raises:
            ImageContractError: If `images` is not an image batch.
        """
        rounded, output, observed = self._observe(images)
        query = ImageQueries(self.detector, self.actions, rounded, output)
        decisions = query.decide(self.policy, observed, self.threshold)
        if not undefended:
            return decisions
        before = decisions.logits.clone()
        corrected = (decisions.actions != 0) | (decisions.calls > 1)
        if corrected.any():
            before[corrected] = query.original(corrected)
        return replace(decisions, undefended=before)

    def _observe(
        self, images: torch.Tensor
    ) -> tuple[torch.Tensor, states.DetectorOutput | None, torch.Tensor]:
        """Returns uint8 images of the agent's size, the detector's output, and the states."""
        check_batch(images, floats=True)
        rounded = _rounded(images.detach().to(self.device or images.device))
        if rounded.shape[2:] != (self.input_size, self.input_size) and len(rounded):
            resizing = Resizing(size=(self.input_size, self.input_size))
            rounded = resizing.resize(rounded).to(torch.uint8)
        if self.encoder is None or not self.policy.uses_state:
            return rounded, None, torch.empty(len(rounded), 0, device=rounded.device)
        output = self.encoder.detector_output(rounded) if len(rounded) else None
        return rounded, output, self.encoder(rounded, output)

    def _resized(self, images: torch.Tensor) -> torch.Tensor:
        """Resizes floats as the detector does, where the agent knows faces of another size."""
        size = (self.input_size, self.input_size)
        if images.shape[2:] == size or not len(images):
            return images
        return functional.interpolate(images, size, mode="bicubic", antialias=True)

    def logits(self, images: torch.Tensor | FaceDataset, *, batch_size: int = 32) -> torch.Tensor:
        """Returns the logits of any number of images, float32 (N,) on the CPU.

        Args:
            images: An image batch as `forward` takes it, or faces, for which progress is shown.
            batch_size: How many at once.
        """
        return check_finite(batched_logits(self, images, batch_size=batch_size), self.name)

    def fingerprint(self) -> str:
        """Returns a text on which the logits depend, as 64 hexadecimal digits."""
        digest = hashlib.sha256(self.description().model_dump_json().encode())
        digest.update(self.detector.fingerprint().encode())
        for key, tensor in sorted(self.policy.state_dict().items()):
            digest.update(f"{key} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def description(self) -> DefenseDescription:
        """Returns everything that `load` needs beside weights and detector."""
        encoder = self.encoder
        return DefenseDescription(
            input_size=self.input_size,
            actions=tuple(Part(name=transform.spec) for transform in self.actions),
            state=None if encoder is None else Part(name=encoder.spec),
            policy=Part(name=self.policy.name, settings=self.policy.settings()),
            threshold=self.own_threshold,
        )

    def save(self, folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
        """Writes the defence with its detector, so that the folder is complete.

        The detector becomes the subfolder `detector`, an artifact of its own. Of an ONNX file or
        of imported code the card holds the place and the fingerprint. A detector from `wrap`
        cannot be written: the agent is written alone, and `load` needs the detector.

        Args:
            folder: Where to write; a folder that is there is replaced in one step.
            card: How it was made and how well it does.
            half: Whether to store matrices and filters of the detector as float16.

        Raises:
            BadOutputError: If the place cannot be written to.
        """
        with atomic_folder(folder) as temporary:
            content = {"defense": self.description().model_dump(), **card}
            if self.detector.source:
                place = self.detector.source.record(folder, self.detector.fingerprint())
                content[DETECTOR_SOURCE] = place
            artifacts.save(temporary, KIND, self.policy.state_dict(), content)
            if not (self.detector.source or isinstance(self.detector, WrappedDetector)):
                self.detector.save(temporary / DETECTOR, self.detector.card, half=half)

    def publish(self, folder: Path) -> None:
        """Writes a folder for the Hugging Face hub, complete; see `demagnify.detectors.hub`.

        Raises:
            BadConfigError: If the detector is a file or code of the user's own.
        """
        card = {key: one for key, one in self.card.items() if key != SHIPPED_DETECTOR}
        card["defense"] = self.description().model_dump()
        tensors = self.policy.state_dict()
        with atomic_folder(folder) as temporary:
            name = artifacts.HUB_WEIGHTS
            artifacts.save(temporary, KIND, tensors, card, weights_name=name)
            self.detector.publish(temporary / DETECTOR)
            described = self.description().model_dump_json(indent=2)
            write_text(temporary / CONFIG, described + "\n")
            for file, content in self.beside.items():
                (temporary / file).write_bytes(content)

    @classmethod
    def read_published(cls, folder: Path, *, device: str, precision: Precision) -> DefendedDetector:
        """Reads what `publish` or `save` wrote."""
        return cls.load(folder, device=device, precision=precision)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        detector: Detector | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> DefendedDetector:
        """Reads a defended detector as `save` wrote it.

        Args:
            folder: The folder.
            detector: The detector; by default the one that was saved with the defence, or that
                its card names, which may run imported code. A detector of your own keeps its
                device and precision.
            device: "auto", "cpu", "cuda".
            precision: In what the detector computes; see `demagnify.core.devices`.

        Raises:
            BadArtifactError: If it is missing, damaged, no defence, or no detector is given and
                its own is missing or has changed.
        """
        folder = Path(folder)
        artifact = artifacts.load(folder, KIND)
        described = DefenseDescription.read(artifact.card, folder)
        policy = Policy.create(described.policy.name, described.policy.settings)
        check_fit(policy.state_dict(), artifact.tensors, folder)
        policy.load_state_dict(artifact.tensors)
        if detector is None:
            detector = _saved_detector(folder, artifact.card, device=device, precision=precision)
        defended = cls(
            detector,
            TransformSet([create(part.name, part.settings) for part in described.actions]),
            described.encoder(),
            policy.to(detector.device or pick_device("cpu")),
            input_size=described.input_size,
            threshold=described.threshold,
        )
        defended.card = {k: v for k, v in artifact.card.items() if k not in artifacts.HEAD}
        files = (folder / name for name in _BESIDE)
        defended.beside = {one.name: one.read_bytes() for one in files if one.is_file()}
        return defended.eval()


def undefended(detector: Detector) -> DefendedDetector:
    """Returns a detector with an agent that leaves every image as it is."""
    return DefendedDetector(
        detector,
        TransformSet.create([IDENTITY]),
        None,
        FixedPolicy(0),
        input_size=detector.input_size or FACE_SIZE,
    ).eval()


class Part(Frozen):
    """A registered name and its settings; of actions and states the name may hold them."""

    name: str = Field(description="The name in its registry")
    settings: dict[str, Any] = Field(default_factory=dict, description="Its keyword arguments")


class DefenseDescription(Frozen):
    """The part of a defence's card from which it is made again."""

    input_size: int = Field(ge=1, description="Side in pixels of the faces that the agent knows")
    actions: tuple[Part, ...] = Field(description="The actions; identity is the first")
    state: Part | None = Field(description="The state; null if the policy uses none")
    policy: Part = Field(description="The policy")
    threshold: float | None = Field(
        default=None,
        allow_inf_nan=False,
        exclude_if=lambda value: value is None,
        description="A logit above it means fake; where it is missing, the detector's counts",
    )

    @classmethod
    def read(cls, card: Mapping[str, Any], folder: Path) -> DefenseDescription:
        """Reads the description from a card.

        Raises:
            BadArtifactError: If it is missing or wrong.
        """
        try:
            return cls.model_validate(card.get("defense"))
        except ValidationError as error:
            raise BadArtifactError(
                f"{folder / artifacts.CARD}: {first_finding(error, inside='defense')}",
                hint="use the demagnify that wrote it, or train again",
            ) from error

    def encoder(self) -> StateEncoder | None:
        """Makes the state encoder, not yet bound to its detector."""
        return None if self.state is None else states.create(self.state.name, self.state.settings)


def _saved_detector(
    folder: Path, card: Mapping[str, Any], *, device: str, precision: Precision
) -> Detector:
    """Loads the detector of a saved defence: shipped, recorded, or in its subfolder."""
    shipped, place = card.get(SHIPPED_DETECTOR), card.get(DETECTOR_SOURCE)
    if shipped:
        return detectors.load_detector(str(shipped), device=device, precision=precision)
    if place:
        return detectors.load_recorded(place, folder, device=device, precision=precision)
    if not (folder / DETECTOR).is_dir():
        raise BadArtifactError(
            f"{folder} holds an agent without its detector, which wrapped a callable",
            hint="DefendedDetector.load(folder, detector=wrap(...)) puts them together",
        )
    return Detector.load(folder / DETECTOR, device=device, precision=precision)


def _rounded(images: torch.Tensor) -> torch.Tensor:
    """Returns floats in [0, 1] as uint8; uint8 as it is."""
    if images.dtype == torch.uint8:
        return images
    return (images.float() * 255).round_().clamp_(0, 255).to(torch.uint8)
