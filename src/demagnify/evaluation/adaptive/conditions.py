"""The adaptive attacker's faces as conditions, on which defences are judged like on any other."""

from __future__ import annotations

from collections.abc import Mapping

from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.settings import AdaptiveSettings
from demagnify.evaluation.adaptive.target import Target, attack_target
from demagnify.laundering.conditions import Conditions

PREFIX = "adaptive-vs-"


def adaptive_conditions(
    candidates: Candidates,
    targets: Mapping[str, Target],
    settings: AdaptiveSettings | None = None,
) -> Conditions:
    """Returns the published faces of one attacker per target, as rows for `evaluate`.

    An attacker who adapts makes other faces for each defence, whereas all defences of an evaluation
    are judged on the same faces. So each target brings a row of its own: in the row
    "adaptive-vs-learned" the figure of the defence "learned" is what an attacker who knows it
    reaches; the figures of all others there say how far that attack carries over to them.

    Args:
        candidates: The faces and the attacks.
        targets: Name of each defence in the tables -> the defended detector, or the detector.
        settings: Budget, order and the rest; defaults if None.

    Returns:
        "adaptive-vs-NAME" -> faces, in the order of `targets`.
    """
    chosen = settings or AdaptiveSettings()
    return {
        f"{PREFIX}{name}": attack_target(target, candidates, chosen).faces
        for name, target in targets.items()
    }
