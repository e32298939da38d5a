"""A small detector whose network is timm's."""

from __future__ import annotations

from demagnify.detectors import backbones
from demagnify.detectors.detector import Detector


def toy_detector():
    network = backbones.build("test_resnet", input_size=32)
    return Detector(
        network,
        name="toy",
        backbone="test_resnet",
        input_size=32,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        precision="float32",
    ).eval()
