"""The defended detector: policy, actions and detector in one, and itself a detector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from demagnify import detectors
from demagnify.agents.about import DefenseAbout
from demagnify.agents.policy import FixedPolicy, Policy
from demagnify.agents.questions import LiveQuestions
from demagnify.agents.state import StateEncoder, Thumbnail
from demagnify.core import artifacts
from demagnify.core.devices import Precision, pick_device
from demagnify.core.errors import BadArtifactError
from demagnify.core.files import atomic_folder
from demagnify.core.images import check_batch
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import Detector, batched_logits, check_finite
from demagnify.detectors.pretrained import check_fit
from demagnify.detectors.wrapped import WrappedDetector
from demagnify.transforms import IDENTITY, TransformSet

KIND: Final = "defense"
DETECTOR: Final = "detector"
DETECTOR_SOURCE: Final = "detector_source"
"""In the card of a defence before a file or code of the user's own: where that is."""
FACE_SIZE: Final = 224
"""Side of the faces for a detector that takes them of any size."""
LEAVE_NUMBER: Final = 0
SHIPPED_DETECTOR: Final = "shipped_detector"
"""In the card of a defence that comes with this package: the name of its detector there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What a defended detector did with N images.

    Attributes:
        logits: float32 (N,), the detector's answer to the corrected images; the mean where it
            was asked several times.
        actions: int64 (N,), what was done to each; of several things the one that tells most.
        calls: int64 (N,), how often the detector was asked about each, for state and verdict.
        undefended: float32 (N,), its answer to the images as they came; None if nobody asked.
        unsure: bool (N,), where the verdict is withheld; None if the agent always gives one.
        doubt: float32 (N,), the estimated chance that the verdict is wrong; None if not known.
    """

    logits: torch.Tensor
    actions: torch.Tensor
    calls: torch.Tensor
    undefended: torch.Tensor | None = None
    unsure: torch.Tensor | None = None
    doubt: torch.Tensor | None = None


class DefendedDetector(nn.Module):
    """A detector behind an agent that corrects each image first.

    Most policies ask the detector once per image; those that ask more often tell in `Decisions`.

    Args:
        detector: Who judges.
        actions: What can be done to an image.
        encoder: What the agent sees of it.
        policy: The agent.
        input_size: Side in pixels of the faces that the agent knows; images of another size are
            brought to it first.

    Attributes:
        card: How it was made and what it reaches; empty until it was trained or loaded.

    Shape:
        uint8 RGB (N, 3, H, W) of any size and on any device to float32 (N,) on the detector's.

    Example:
        >>> defended = DefendedDetector.load(Path("runs/demo/defense"))  # doctest: +SKIP
        >>> defended(images) > defended.threshold  # doctest: +SKIP
        tensor([True, False])
    """

    def __init__(
        self,
        detector: Detector,
        actions: TransformSet,
        encoder: StateEncoder,
        policy: Policy,
        *,
        input_size: int,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.actions = actions
        self.encoder = encoder.bind(detector)
        self.policy = policy
        self.input_size = input_size
        self.card: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"defended {self.detector.name}"

    @property
    def threshold(self) -> float:
        """The detector's: a logit above it means fake."""
        return self.detector.threshold

    @property
    def device(self) -> torch.device | None:
        """Where it computes; None if the detector has no weights."""
        return self.detector.device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns one logit per image, float32 (N,), after correction; see `decide`."""
        return self.decide(images).logits

    @torch.no_grad()
    def decide(self, images: torch.Tensor, *, undefended: bool = False) -> Decisions:
        """Corrects and judges images.

        Args:
            images: uint8 RGB (N, 3, H, W).
            undefended: Whether to ask the detector about the images as they came, too; this
                costs a further call for those that were corrected.

        Raises:
            ImageContractError: If `images` is not an image batch.
        """
        faces = self._fit(check_batch(images).to(self.device or images.device))
        opinion = self.encoder.ask(faces)
        ask = LiveQuestions(self.detector, self.actions, faces, opinion)
        verdicts = self.policy.judge(self.encoder(faces, opinion), ask, self.threshold)
        before = None
        if undefended:
            before = verdicts.logits.clone()
            corrected = (verdicts.actions != LEAVE_NUMBER) | (verdicts.calls > 1)
            if corrected.any():
                before[corrected] = ask.untouched(corrected)
        return Decisions(
            logits=verdicts.logits,
            actions=verdicts.actions,
            calls=ask.calls,
            undefended=before,
            unsure=verdicts.unsure,
            doubt=verdicts.doubt,
        )

    def logits(self, images: torch.Tensor | FaceDataset, *, batch_size: int = 64) -> torch.Tensor:
        """Returns the logits of any number of images, float32 (N,) on the CPU.

        Args:
            images: uint8 RGB (N, 3, H, W), or faces, for which progress is shown.
            batch_size: How many at once.
        """
        return check_finite(batched_logits(self, images, batch_size=batch_size), self.name)

    def fingerprint(self) -> str:
        """Returns what the logits depend on, as 64 hexadecimal digits."""
        digest = hashlib.sha256(self.about().model_dump_json().encode())
        digest.update(self.detector.fingerprint().encode())
        for key, tensor in sorted(self.policy.state_dict().items()):
            digest.update(f"{key} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def about(self) -> DefenseAbout:
        """Returns what, beside weights and detector, `load` needs."""
        return DefenseAbout.of(self.actions, self.encoder, self.policy, self.input_size)

    def save(self, folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
        """Writes the defence with its detector, so that the folder stands by itself.

        The detector becomes the subfolder `detector`, an artifact of its own. Of an ONNX file or
        of imported code the card says where it is, and its fingerprint. What `wrap` made cannot be
        written: then the agent stands alone, and `load` wants its detector.

        Args:
            folder: Where it shall stand; what stood there is replaced in one step.
            card: How it was made and what it reaches.
            half: Whether to store matrices and filters of the detector as float16.

        Raises:
            BadOutputError: If the place cannot be written to.
        """
        with atomic_folder(folder) as temporary:
            content = {"defense": self.about().model_dump(), **card}
            if self.detector.source:
                place = self.detector.source.record(folder, self.detector.fingerprint())
                content[DETECTOR_SOURCE] = place
            artifacts.save(temporary, KIND, self.policy.state_dict(), content)
            if not (self.detector.source or isinstance(self.detector, WrappedDetector)):
                self.detector.save(temporary / DETECTOR, self.detector.card, half=half)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        detector: Detector | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> DefendedDetector:
        """Reads a defended detector as `save` wrote it, ready to judge.

        Args:
            folder: Where it stands.
            detector: Who judges; by default the detector that was saved with the defence, or that
                its card names: then the code of an imported one is run. With one of your own,
                its device and precision hold.
            device: "auto", "cpu", "cuda".
            precision: In what the detector computes; see `demagnify.core.devices`.

        Raises:
            BadArtifactError: If it is missing, damaged, no defence, or none is given and its
                detector is missing or has changed.
        """
        folder = Path(folder)
        artifact = artifacts.load(folder, KIND)
        about = DefenseAbout.read(artifact.card, folder)
        policy = about.make_policy()
        check_fit(policy.state_dict(), artifact.tensors, folder)
        policy.load_state_dict(artifact.tensors)
        shipped = artifact.card.get(SHIPPED_DETECTOR)
        if detector is None and shipped:
            detector = detectors.load_detector(str(shipped), device=device, precision=precision)
        place = artifact.card.get(DETECTOR_SOURCE)
        if detector is None and place:
            detector = detectors.load_recorded(place, folder, device=device, precision=precision)
        if detector is None:
            if not (folder / DETECTOR).is_dir():
                raise BadArtifactError(
                    f"{folder} holds an agent without its detector, which wrapped a callable",
                    hint="DefendedDetector.load(folder, detector=wrap(...)) puts them together",
                )
            detector = Detector.load(folder / DETECTOR, device=device, precision=precision)
        defended = cls(
            detector,
            about.make_actions(),
            about.make_encoder(),
            policy.to(detector.device or pick_device("cpu")),
            input_size=about.input_size,
        )
        defended.card = {k: v for k, v in artifact.card.items() if k not in artifacts.HEAD}
        return defended.eval()

    def _fit(self, images: torch.Tensor) -> torch.Tensor:
        """Resizes as the detector does, where the agent knows faces of another size."""
        size = (self.input_size, self.input_size)
        if images.shape[2:] == size or not len(images):
            return images
        resized = functional.interpolate(images.float(), size, mode="bicubic", antialias=True)
        return resized.round_().clamp_(0, 255).to(torch.uint8)


def undefended(detector: Detector) -> DefendedDetector:
    """Returns a detector whose agent leaves every image as it is."""
    return DefendedDetector(
        detector,
        TransformSet.create([IDENTITY]),
        Thumbnail(),
        FixedPolicy(0),
        input_size=detector.input_size or FACE_SIZE,
    ).eval()
