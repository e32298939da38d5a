"""A threshold of the defence's own, chosen on validation faces, clean and under attack."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from demagnify.agents.policies import Policy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.states import StateEncoder
from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.threshold import choose_threshold
from demagnify.laundering.conditions import Conditions, under_attacks
from demagnify.scores import LogitTable
from demagnify.transforms import Transform


def faces_to_choose_on(faces: FaceDataset | None, attacks: Sequence[Transform]) -> Conditions:
    """Returns validation faces, clean and under each attack.

    Raises:
        BadConfigError: If there are none, or none of a class.
    """
    if faces is None or len(set(faces.labels.tolist())) < 2:
        raise BadConfigError(
            "there are no real and fake faces in the split val to choose a threshold on",
            hint="the detector's own stays with --threshold detector",
        )
    return under_attacks(faces, attacks)


def mark_of(conditions: Mapping[str, FaceDataset]) -> str:
    """Returns a text on which the threshold depends: names, pixels and labels."""
    marks = [
        f"{name} {faces.fingerprint()} {faces.labels.tolist()}"
        for name, faces in conditions.items()
    ]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def best_threshold(
    policy: Policy, encoder: StateEncoder | None, tables: Sequence[LogitTable]
) -> float:
    """Returns the threshold with the best balanced accuracy of a policy's verdicts.

    Conditions count alike; of equals it is the one nearest to the detector's. A policy that stops
    near the threshold takes other views with another one, so that it is chosen twice.

    Args:
        policy: The trained policy.
        encoder: Computes its states; None if it uses none.
        tables: The logits of validation faces, one table per condition; filled as far as needed.
    """
    own = threshold = tables[0].threshold
    for _ in range(2):
        agent = PolicyPredictor(policy, encoder, threshold=threshold)
        pairs = [(table.labels, agent.predict(table).logits) for table in tables]
        threshold = choose_threshold(*pairs, near=own).threshold
    return threshold
