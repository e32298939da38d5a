"""Defences by name or folder, and bare detectors as defences that never act."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from demagnify import detectors
from demagnify.agents.defended import KIND, DefendedDetector, undefended
from demagnify.core import artifacts
from demagnify.core.devices import Precision
from demagnify.core.errors import BadArtifactError
from demagnify.detectors.hub import fetch, repository_of


def shipped() -> list[str]:
    """Returns the names of the trained defences in this package."""
    return sorted(entry.name for entry in _shelf().iterdir()) if _shelf().is_dir() else []


def load_defense(
    source: str | Path, *, device: str = "auto", precision: Precision = "auto"
) -> DefendedDetector:
    """Loads a defence, or a bare detector as a defence that never acts.

    Args:
        source: A folder with a defence, the name of a shipped defence, or any detector that
            `load_detector` takes. A shipped name wins over a folder of that name: write
            "./default" for the folder; "hub:owner/name" is a repository of the Hugging Face hub.
        device: "auto", "cpu", "cuda".
        precision: In what the detector computes; see `demagnify.core.devices`.

    Returns:
        A detector for any faces; see `DefendedDetector`.

    Raises:
        BadArtifactError: If there is none, or it is damaged.
        BadConfigError: If the meaning of a detector's outputs is unknown.

    Example:
        >>> load_defense("default", device="cpu").detector.name
        'hardened'
    """
    repository = repository_of(source)
    if repository is not None:
        return load_defense(fetch(repository), device=device, precision=precision)
    if isinstance(source, str) and source in shipped():
        with resources.as_file(_shelf() / source) as folder:
            return DefendedDetector.load(folder, device=device, precision=precision)
    if not detectors.is_detector(source):
        raise BadArtifactError(
            f"there is no defence {str(source)!r}: neither a folder nor a shipped one",
            hint=f"shipped: {', '.join([*shipped(), *detectors.shipped()])}; "
            "`demagnify train-defense` makes one",
        )
    if _is_defense(source):
        return DefendedDetector.load(source, device=device, precision=precision)
    return undefended(detectors.load_detector(source, device=device, precision=precision))


def _is_defense(source: str | Path) -> bool:
    folder = Path(source)
    if isinstance(source, str) and source in detectors.shipped():
        return False
    return folder.is_dir() and artifacts.kind_of(folder) == KIND


def _shelf() -> Traversable:
    return resources.files("demagnify") / "weights" / "defenses"
