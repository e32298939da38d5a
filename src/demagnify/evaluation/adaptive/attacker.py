"""The adaptive attacker: for each face the best of many attacks against one detector.

It is a black box to the attacker, who sees scores and no gradients. As the attacker knows how the
defence was built only through its answers, a defended detector is attacked in the same way as a
bare one: by asking it. Croce et al., "Evaluating the Adversarial Robustness of Adaptive Test-time
Defenses" (arXiv 2202.13711), say why a defence has to be judged against such an attacker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.data.dataset import FaceDataset
from demagnify.evaluation.adaptive.answers import Answers
from demagnify.evaluation.adaptive.candidates import Candidates
from demagnify.evaluation.adaptive.search import ORIGINAL, Search, search, targets_of
from demagnify.evaluation.adaptive.settings import AdaptiveSettings


@dataclass(frozen=True, slots=True)
class Adapted:
    """Faces after the adaptive attack on one detector.

    Attributes:
        search: What came of it, face by face.
        faces: What the attacker publishes: the winners, and the originals of all other faces.
        before: float32 (N,), the detector's score of every original, target or not.
        after: float32 (N,), its score of every published face.
        threshold: A score above it is the verdict "fake"; a float32 number.
        asked: How many images the detector judged in this run; those known from an earlier run
            and faces that are no target make it differ from the sum of `search.queries`.
    """

    search: Search
    faces: FaceDataset
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    threshold: float
    asked: int


def adapt(
    candidates: Candidates,
    answers: Answers,
    *,
    threshold: float,
    settings: AdaptiveSettings,
    name: str = "the detector",
) -> Adapted:
    """Attacks a detector with the best of the candidates for each face.

    Args:
        candidates: The faces and the attacks.
        answers: The detector, asked through what it is known to have said.
        threshold: A score above it is the verdict "fake".
        settings: Budget, order and the rest.
        name: What to call the detector while the work goes on.

    Returns:
        The published faces, the scores, and how they were found. A query is counted when the
        attacker makes it, whether or not its answer is known from an earlier run, so that a run
        that was stopped and goes on counts the same.
    """
    faces, columns = candidates.faces, candidates.columns
    total = int(targets_of(faces.labels, settings.targets).sum())
    with progress.bar(f"attacking {name}", total) as advance:
        found = search(
            faces.labels,
            candidates.psnr,
            lambda rows, attacks: answers.ask(columns, rows, attacks),
            threshold=threshold,
            settings=settings,
            advance=advance,
        )
    everyone = np.arange(len(faces))
    before = answers.ask(columns, everyone, np.full_like(everyone, ORIGINAL))
    answers.save()
    return Adapted(
        search=found,
        faces=candidates.published(found.winner),
        before=before,
        after=np.where(found.targeted, found.after, before),
        threshold=float(np.float32(threshold)),
        asked=answers.asked,
    )
