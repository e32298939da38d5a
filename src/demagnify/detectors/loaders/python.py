"""Detectors in a user's Python code, as "package.module:name"."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import nn

from demagnify.core import imports
from demagnify.core.devices import Precision, pick_device
from demagnify.detectors.detector import Detector
from demagnify.detectors.loading import LOADERS, Loader
from demagnify.detectors.source import GEOMETRY, MEANING, SCALING, Options
from demagnify.detectors.wrapped import wrap

_CALLED: Final = "a detector maps an image batch, uint8 RGB (N, 3, H, W), to N scores"


@LOADERS.register("python")
class PythonCode(Loader):
    """A function, a module, or a class or function that makes one; its code is run."""

    def recognizes(self, source: str) -> bool:
        """Whether it is written as "package.module:name"."""
        return imports.PATTERN.fullmatch(source) is not None and not Path(source).exists()

    def load(self, source: str, options: Options, *, device: str, precision: Precision) -> Detector:  # noqa: ARG002
        """Imports a detector; its code sets its precision."""
        options.allow(MEANING | GEOMETRY | SCALING | {"output"}, source)
        found = imports.import_object(source)
        made = imports.make(found, source, hint=_CALLED)
        if isinstance(made, nn.Module):
            made = made.to(pick_device(device)).eval()
        if isinstance(made, Detector):
            options.allow((), f"{source}, which is a detector of demagnify's own kind,")
            return made
        name = options.name or source.partition(":")[2]
        prepares = options.given & (GEOMETRY | SCALING)
        detector = wrap(
            made,
            name=name,
            **options.meaning,
            preprocessing=options.preprocessing(source) if prepares else None,
            output=options.output,
        )
        detector.identity = imports.identity(found, made, source)
        return detector.eval()
