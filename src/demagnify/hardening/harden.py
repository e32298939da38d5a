"""Hardening a detector on one data set or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from demagnify.data import Skipped
from demagnify.data.provenance import RECORDED, identify
from demagnify.detectors import Detector
from demagnify.detectors.train import SPLITS, open_splits
from demagnify.hardening.config import Hardening
from demagnify.hardening.picture import draw_rounds
from demagnify.hardening.rounds import Hardened, harden
from demagnify.laundering.conditions import create_attacks
from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.attacks.filters import FAMILY

PICTURE: Final = ".rounds.png"


def harden_on(
    sources: Sequence[Path],
    config: Hardening,
    *,
    detector: Detector,
    output: Path,
    attacks: Sequence[str] = (),
    face_size: int = 224,
    limit: int | None = None,
    strict: bool = False,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
    skip: Callable[[Skipped], None] | None = None,
) -> Hardened:
    """Hardens a detector on the splits train and val, and draws the rounds beside it.

    Args:
        sources: Manifests; see `Manifest.load`.
        config: The settings of the loop.
        detector: Where to start from; it is not changed.
        output: Folder for the hardened detector; `output`.rounds.png shows the rounds.
        attacks: What the agent may choose beside filters and sparring networks, by name or
            network file; these count as seen afterwards.
        face_size: Side of the faces in pixels.
        limit: At most so many faces of each data set and split, drawn by group.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: "auto", "cpu", "cuda".
        tell: Gets a line about every round and epoch.
        skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be used.
        BadConfigError: If the detector cannot be trained here.
        BadArtifactError: If `output` belongs to another loop.
    """
    opened = open_splits(sources, SPLITS, size=face_size, limit=limit, strict=strict, skip=skip)
    train, val = opened.values()
    chosen = create_attacks(attacks, device=device, precision="auto")
    hardened = harden(
        train,
        val,
        config,
        detector=detector,
        output=output,
        attacks=chosen,
        device=device,
        tell=tell,
        about=_about(detector, sources, chosen),
    )
    picture = output.with_name(output.name + PICTURE)
    draw_rounds(hardened.rounds, picture, averages=hardened.averages)
    return hardened


def _about(
    detector: Detector, sources: Sequence[Path], attacks: Sequence[Attack]
) -> dict[str, Any]:
    """Returns what the card says of data and attacks: what was seen before stays seen."""
    known = detector.card.get(RECORDED, [])
    attacked = (*detector.card.get("seen_attacks", ()), FAMILY, *(one.name for one in attacks))
    return {
        RECORDED: [*known, *(one for one in identify(sources) if one not in known)],
        "seen_attacks": list(dict.fromkeys(attacked)),
    }
