"""Detectors that demagnify wrote: a folder of the user's, or one that comes with the package."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from demagnify.core.devices import Precision
from demagnify.detectors.detector import Detector
from demagnify.detectors.loaders.transformers import is_classifier
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.source import Options


@LOADERS.register("shipped")
class Shipped(Loader):
    """A trained detector that comes with this package, by name."""

    external = False

    def recognizes(self, source: str) -> bool:
        """Whether a shipped detector has this name; a folder of the same name is "./NAME"."""
        return source in shipped()

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:
        """Reads the detector of this name; it takes no options."""
        options.allow((), f"the shipped detector {source!r}")
        with resources.as_file(_shelf() / source) as folder:
            return Detector.load(folder, device=device, precision=precision)


@LOADERS.register("folder")
class Folder(Loader):
    """A folder that `train_detector` or `Detector.save` wrote."""

    external = False

    def recognizes(self, source: str) -> bool:
        """Whether it is a folder of ours, and no shipped detector has its name."""
        folder = Path(source)
        return source not in shipped() and folder.is_dir() and not is_classifier(folder)

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:
        """Reads the folder; it takes no options."""
        options.allow((), f"the detector {source}, whose card says all,")
        return Detector.load(Path(source), device=device, precision=precision)


def shipped() -> list[str]:
    """Returns the names of the trained detectors that come with this package."""
    return sorted(entry.name for entry in _shelf().iterdir()) if _shelf().is_dir() else []


def _shelf() -> Traversable:
    return resources.files("demagnify") / "weights" / "detectors"
