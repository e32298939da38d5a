"""The image encoder of MobileSAM, renamed to timm's TinyViT-5M: a small transformer to start from.

Zhang et al., "Faster Segment Anything" (arXiv 2306.14289), distilled the encoder, a TinyViT (Wu et
al., ECCV 2022), from that of Segment Anything; the file is `mobile_sam.pt` of its authors
(Apache-2.0). Encoder and timm's network compute the same up to the last stage, which here halves
the resolution as TinyViT does and MobileSAM does not. Both expect ImageNet's mean and spread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

BACKBONE: Final = "tiny_vit_5m_224"

_ENCODER: Final = "image_encoder."
_PARTS: Final = {
    "patch_embed.seq.0.": "patch_embed.conv1.",
    "patch_embed.seq.2.": "patch_embed.conv2.",
}
_HEAD: Final = "head."
_OTHER_PARTS: Final = ("neck.", "norm_head.", "head.")
_STAGE: Final = re.compile(r"layers\.(\d+)\.(.*)")


def has_original_names(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights are those of MobileSAM, encoder and all."""
    return f"{_ENCODER}patch_embed.seq.0.c.weight" in tensors


def rename(tensors: Mapping[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """Returns the encoder's weights under timm's names, without what segments or classifies.

    Args:
        tensors: All weights by their original names.
        network: timm's network, which keeps its own head.
    """
    kept = {key: value for key, value in network.state_dict().items() if key.startswith(_HEAD)}
    for key, value in tensors.items():
        own = key.removeprefix(_ENCODER)
        if own != key and not own.startswith(_OTHER_PARTS):
            kept[_new_name(own)] = value
    return kept


def _new_name(key: str) -> str:
    for old, new in _PARTS.items():
        if key.startswith(old):
            key = new + key[len(old) :]
            break
    key = key.replace(".c.", ".conv.")
    if match := _STAGE.fullmatch(key):
        # TinyViT shrinks at the end of a stage, timm at the beginning of the next.
        number = int(match[1]) + match[2].startswith("downsample.")
        key = f"stages.{number}.{match[2]}"
    return key
