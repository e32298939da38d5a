"""Loads detectors by name, "toy:brightness" or "toy:contrast"."""

import torch
from torch import nn

from demagnify.core.errors import UnknownNameError
from demagnify.detectors import Loader, Preprocessing, wrap


class Statistic(nn.Module):
    """Scores images by their brightness or their contrast."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        return self.scale * (flat.mean(1) if self.name == "brightness" else flat.std(1)) - 4


class ToyLoader(Loader):
    """Makes a detector without a file."""

    def load(self, source, options, *, device, precision):
        if source not in ("brightness", "contrast"):
            raise UnknownNameError(f"no toy detector is called {source!r}", hint="toy:brightness")
        options.allow({"name", "threshold"}, f"toy:{source}")
        network = Statistic(source).eval().to("cpu" if device == "auto" else device)
        scaled = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))
        name = options.name or source
        return wrap(network, name=name, threshold=options.threshold, preprocessing=scaled)
