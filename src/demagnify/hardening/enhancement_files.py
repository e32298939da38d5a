"""A trained enhancement network on disk: the network, and the card that says how it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demagnify.core.artifacts import check_same
from demagnify.core.errors import BadArtifactError
from demagnify.core.files import atomic_folder, sha256
from demagnify.core.runs import check_free
from demagnify.core.sealed import read_sealed, write_sealed
from demagnify.hardening.enhancement_examples import FACTORS, FAMILIES
from demagnify.hardening.enhancement_features import VERSION, count
from demagnify.hardening.enhancement_network import EnhancementNetwork, export

KIND: Final = "enhancement network"
NETWORK: Final = "network.onnx"
CARD: Final = "card.json"


@dataclass(frozen=True)
class Decision:
    """How logits become answers, as chosen on validation faces.

    Attributes:
        slope: Of the calibration: probability = sigmoid(slope * logit + intercept).
        intercept: Of the calibration.
        captured: At most this probability means "captured".
        enhanced: Above this probability means "enhanced"; in between nobody can tell.
        family: Least confidence at which a family is told.
        factor: Least confidence at which a factor is told.
        farthest: Greatest distance from the training features at which there is an answer.
    """

    slope: float
    intercept: float
    captured: float
    enhanced: float
    family: float
    factor: float
    farthest: float


@dataclass(frozen=True)
class TrainedEnhancement:
    """The result of `train_enhancement`.

    Attributes:
        output: The folder with the network and its card.
        decision: How its logits become answers.
        validation: Figures on the validation faces.
    """

    output: Path
    decision: Decision
    validation: Mapping[str, float]


def save(
    network: EnhancementNetwork, decision: Decision, output: Path, about: Mapping[str, Any]
) -> None:
    """Writes network and card to a folder, in one step."""
    with atomic_folder(output) as temporary:
        export(network, temporary / NETWORK)
        card = {
            "kind": KIND,
            "schema_version": 3,
            "weights_sha256": sha256(temporary / NETWORK),
            "features": {"version": VERSION, "count": count()},
            "families": list(FAMILIES),
            "factors": list(FACTORS),
            "decision": vars(decision),
            **about,
        }
        write_sealed(temporary / CARD, card)


def load_finished(output: Path, wanted: Mapping[str, Any]) -> TrainedEnhancement | None:
    """Returns what stands at `output` if this very training has made it; None if nothing does.

    Args:
        output: The folder of the network.
        wanted: What the card of this training says of its data and settings.

    Raises:
        BadArtifactError: If it is damaged, or the result of another training.
        BadOutputError: If `output` holds other things.
    """
    if not (output / CARD).is_file():
        check_free(output, "enhancement network")
        return None
    try:
        card = read_sealed(output / CARD)
        if card["weights_sha256"] != sha256(output / NETWORK):
            raise ValueError(f"{NETWORK} is another")
        decision, figures = Decision(**card["decision"]), dict(card["validation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArtifactError(
            f"{output / CARD} is damaged: {error}", hint="delete the folder, or choose another"
        ) from error
    check_same(card, wanted, output)
    return TrainedEnhancement(output, decision, figures)
