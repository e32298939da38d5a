"""Detectors on the Hugging Face hub: `hub:owner/name`."""

from __future__ import annotations

from demagnify.core.devices import Precision
from demagnify.detectors.detector import Detector
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.source import Options


@LOADERS.register("hub")
class Hub(Loader):
    """A repository that `Detector.push_to_hub` wrote."""

    external = False

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:
        """Fetches the repository, once; it takes no options."""
        options.allow((), f"the detector {source}, whose card says all,")
        return Detector.from_pretrained(source, device=device, precision=precision)
