"""Was this face enhanced by a super-resolution network? A second answer, apart from real or fake.

The module needs numpy, OpenCV and onnxruntime, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from demagnify.core.documents import read_json
from demagnify.core.errors import BadArtifactError
from demagnify.core.files import sha256
from demagnify.core.images import Pixels, check_pixels
from demagnify.core.sealed import ANEW, unsealed
from demagnify.hardening.enhancement_features import SMALLEST, VERSION, describe, tiles

WEIGHTS: Final = Path(__file__).parents[1] / "weights" / "enhancement"
LARGEST: Final = 512
"""Longest side in pixels of a face on which the answer was measured, with some room."""
_KIND: Final = "enhancement network"

Answer = Literal["captured", "enhanced", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Enhancement:
    """Whether a face was enhanced.

    Attributes:
        answer: "captured" (plain resizing, sharpening and re-encoding included), "enhanced" by a
            super-resolution network, or "cannot tell".
        probability: Of "enhanced", if both were equally likely before; None for a face outside of
            what was measured.
        family: The likely kind of network, where it can be told: "least-error", "adversarial",
            "real-world" or "transformer".
        factor: The likely factor, 2 to 4, where it can be told.
        reason: Why a face is outside of what was measured; None if it is inside.
    """

    answer: Answer
    probability: float | None = None
    family: str | None = None
    factor: int | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the answer as JSON holds it."""
        return dict(vars(self))

    def __str__(self) -> str:
        """Returns the answer in words: "enhanced (probability 0.98 of enhanced, x4)"."""
        chance = self.probability
        details = [] if chance is None else [f"probability {chance:.2f} of enhanced"]
        details += [self.family] if self.family else []
        details += [f"x{self.factor}"] if self.factor else []
        details += [self.reason] if self.reason else []
        return f"{self.answer} ({', '.join(details)})" if details else self.answer


class EnhancementRecognizer:
    """Recognizes enhanced faces; `EnhancementRecognizer.load` reads one.

    Args:
        session: onnxruntime's session of the network.
        card: Its card.
    """

    def __init__(self, session: Any, card: dict[str, Any]) -> None:  # noqa: ANN401
        self.session, self.card = session, card

    @classmethod
    def load(cls, folder: Path | None = None) -> EnhancementRecognizer:
        """Reads a folder that `train-enhancement` wrote; the weights of demagnify if None.

        Raises:
            BadArtifactError: If it is missing, damaged, or was trained on other features.
            BadConfigError: If onnxruntime is not installed.

        Example:
            >>> recognizer = EnhancementRecognizer.load()
            >>> recognizer([np.zeros((16, 16, 3), dtype=np.uint8)])[0].answer  # too small
            'cannot tell'
        """
        folder = folder or WEIGHTS
        card = _read_card(folder)
        path = folder / "network.onnx"
        if not path.is_file() or sha256(path) != card["weights_sha256"]:
            raise BadArtifactError(
                f"{path} is not the file that card.json describes (SHA-256 differs)",
                hint="copy the whole folder again",
            )
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = 1  # two small matrices: more would only wait
        session = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )
        return cls(session, card)

    @property
    def sha256(self) -> str:
        """SHA-256 of the network."""
        return str(self.card["weights_sha256"])

    def __call__(self, faces: Sequence[Pixels]) -> list[Enhancement]:
        """Answers for faces at their own size in the photograph: resizing wipes traces out.

        Args:
            faces: Crops, uint8 RGB (H, W, 3), of any sizes.

        Raises:
            ImageContractError: If a crop is no such array.
        """
        return [self._answer(check_pixels(face)) for face in faces]

    def _answer(self, face: Pixels) -> Enhancement:
        if min(face.shape[:2]) < SMALLEST or max(face.shape[:2]) > LARGEST:
            reason = f"not measured below {SMALLEST} and above {LARGEST} pixels"
            return Enhancement(answer="cannot tell", reason=reason)
        features = np.stack([describe(tile) for tile in tiles(face)])
        logits, distance = self.session.run(["logits", "distance"], {"features": features})
        if np.mean(distance) > self.card["decision"]["farthest"]:
            return Enhancement(answer="cannot tell", reason="unlike the training faces")
        return self.decide(np.asarray(logits).mean(0))

    def decide(self, logits: NDArray[np.float32]) -> Enhancement:
        """Returns the answer for the logits of one face."""
        rule = self.card["decision"]
        raised = rule["slope"] * float(logits[0]) + rule["intercept"]
        probability = float((1 + np.tanh(raised / 2)) / 2)
        if probability <= rule["captured"]:
            return Enhancement(answer="captured", probability=probability)
        if probability <= rule["enhanced"]:
            return Enhancement(answer="cannot tell", probability=probability)
        end = 1 + len(self.card["families"])
        return Enhancement(
            answer="enhanced",
            probability=probability,
            family=_told(logits[1:end], self.card["families"], rule["family"]),
            factor=_told(logits[end:], self.card["factors"], rule["factor"]),
        )


def recognize_enhancement(faces: Sequence[Pixels]) -> list[Enhancement]:
    """Answers with the weights that come with demagnify; see `EnhancementRecognizer`."""
    return _shipped()(faces)


@cache
def _shipped() -> EnhancementRecognizer:
    return EnhancementRecognizer.load()


def _told(logits: NDArray[np.float32], names: Sequence[Any], least: float) -> Any:  # noqa: ANN401
    """Returns the likeliest of the names if it is likely enough."""
    raised = np.exp(logits - logits.max())
    chances = raised / raised.sum()
    return names[int(chances.argmax())] if chances.max() >= least else None


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    try:
        card = read_json(path)
    except (OSError, ValueError) as error:
        raise BadArtifactError(
            f"{folder} holds no {_KIND}", hint="give a folder that train-enhancement wrote"
        ) from error
    if not isinstance(card, dict) or card.get("kind") != _KIND or card.get("schema_version") != 3:
        raise BadArtifactError(
            f"{folder} holds no {_KIND} of this version of demagnify",
            hint="give a folder that train-enhancement wrote",
        )
    if card["features"]["version"] != VERSION:
        raise BadArtifactError(
            f"{folder} was trained on other features than this version of demagnify computes",
            hint="train it again with train-enhancement",
        )
    try:
        return unsealed(card)
    except ValueError as error:
        raise BadArtifactError(
            f"{path}: {error}", hint=f"copy it again, or {ANEW} {path}"
        ) from None
