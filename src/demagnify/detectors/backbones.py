"""Networks for detectors: any timm backbone with one output, by name.

timm is imported when a network is asked for: a misspelt setting is found before.
"""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from typing import Any, Final

import torch
from torch import nn

from demagnify.core.errors import BadConfigError, UnknownNameError
from demagnify.detectors.joined import JoinedNetwork

ALIASES: Final = {
    "light": "tf_efficientnet_lite0",
    "resnet50": "resnet50.tv2_in1k",
}
"""Short names for timm backbones.

`light` is EfficientNet-Lite0, small enough to train on a processor. `resnet50` is the paper's
network, with the ImageNet weights (torchvision's second version) that the attack's authors used.
"""

JOINED: Final = "+"
"""Between the names of networks that are joined into one; see `JoinedNetwork`."""

STAGES: Final = ":"
"""Between a network and the number of its first stages that are kept: "light:5"."""

CONFIG: Final = "config.json"
"""The file by which timm makes a published network."""

Triple = tuple[float, float, float]
"""One number per channel."""


def timm_name(backbone: str) -> str:
    """Returns timm's name of a backbone, "architecture" or "architecture.tag".

    Joined ones stand side by side with "+"; ":5" after a name keeps the first five stages alone.
    """
    if JOINED in backbone:
        return JOINED.join(map(timm_name, backbone.split(JOINED)))
    if STAGES in backbone:
        whole, _, stages = backbone.rpartition(STAGES)
        if not stages.isdecimal():
            raise UnknownNameError(
                f"no backbone is called {backbone!r}", hint="a number of stages follows the colon"
            )
        return f"{timm_name(whole)}{STAGES}{int(stages)}"
    import timm
    from timm.models import get_deprecated_models

    name = ALIASES.get(backbone, backbone)
    name = get_deprecated_models().get(name) or name  # as create_model does
    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        close = get_close_matches(architecture, [*ALIASES, *known], n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() names all"
        raise UnknownNameError(f"no backbone is called {backbone!r}", hint=hint)
    if tag and name not in timm.list_pretrained(architecture + ".*"):
        tags = ", ".join(timm.list_pretrained(architecture + ".*"))
        raise UnknownNameError(f"timm has no weights {name!r}", hint=f"known: {tags}")
    return name


def made_by_timm(name: str) -> bool:
    """Returns whether timm itself makes the network: it is neither cut nor joined."""
    return STAGES not in name and JOINED not in name


def pretrained_config(name: str) -> dict[str, Any]:
    """Returns timm's record of the weights of a network: scaling and source."""
    import timm

    config = timm.get_pretrained_cfg(name)
    return asdict(config) if config else {}


def preprocessing(name: str) -> dict[str, Any]:
    """Returns timm's preprocessing for a network, as settings of `Preprocessing`.

    Of joined networks the first one's counts.
    """
    from timm.data.config import resolve_data_config

    first = name.partition(JOINED)[0].partition(STAGES)[0]
    config: dict[str, Any] = resolve_data_config(  # type: ignore[no-untyped-call]
        {}, pretrained_cfg=pretrained_config(first)
    )
    return {
        "size": tuple(config["input_size"][1:]),
        **{key: config[key] for key in ("interpolation", "crop_pct", "crop_mode", "mean", "std")},
    }


def build(name: str, *, input_size: int, outputs: int = 1, seed: int = 0) -> nn.Module:
    """Returns a timm network, or joined ones, with random weights, the same for the same seed."""
    import timm

    if JOINED in name:
        return JoinedNetwork(
            [
                build(one, input_size=input_size, outputs=outputs, seed=seed + number)
                for number, one in enumerate(name.split(JOINED))
            ]
        )
    if STAGES in name:
        whole, _, stages = name.rpartition(STAGES)
        uncut = build(whole, input_size=input_size, outputs=outputs, seed=seed)
        return first_stages(uncut, int(stages), name=whole, seed=seed)
    needs_size = pretrained_config(name).get("fixed_input_size")
    size: dict[str, Any] = {"img_size": input_size} if needs_size else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network: nn.Module = timm.create_model(name, num_classes=outputs, **size)
        except (TypeError, AssertionError, ValueError) as error:
            # timm's networks raise any of these for an input size that they cannot take.
            raise BadConfigError(
                f"{name} cannot be built for {input_size}x{input_size} pixels: {error}"
            ) from error
    return network


def first_stages(network: nn.Module, stages: int, *, name: str, seed: int = 0) -> nn.Module:
    """Cuts a network behind its first stages, in place, and gives it a new last layer.

    What is left sees small patches. The mean of their features goes to the last layer, so a logit
    is the mean over all places.

    Args:
        network: One of timm's networks whose stages are its `blocks`, such as EfficientNets.
        stages: How many are kept.
        name: Of the network, for messages.
        seed: Of the last layer.

    Raises:
        BadConfigError: If the network has no such stages.

    Source:
        Chai et al., "What makes fake images detectable?" (ECCV 2020).
    """
    cut: Any = network
    blocks = getattr(network, "blocks", ())
    if not all(hasattr(cut, part) for part in ("blocks", "conv_head", "bn2")):
        raise BadConfigError(
            f"{name} cannot be cut behind a stage", hint="EfficientNets and MobileNetV2 can"
        )
    if not 1 <= stages <= len(blocks):
        raise BadConfigError(f"{name} has stages 1 to {len(blocks)}, not {stages}")
    width = int(blocks[stages - 1][-1].feature_info("bottleneck")["num_chs"])
    cut.blocks = blocks[:stages]
    cut.conv_head = cut.bn2 = nn.Identity()
    cut.num_features = cut.head_hidden_size = width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cut.reset_classifier(cut.num_classes, "avg")
    return network


def published_config(
    name: str, network: nn.Module, *, input_size: int, **preprocessing: object
) -> dict[str, Any]:
    """Returns the content of config.json by which timm makes a network, "hf-hub:owner/name".

    Args:
        name: timm's name of the network.
        network: The network.
        input_size: Side of its input in pixels.
        preprocessing: mean, std, interpolation, crop_pct and crop_mode.
    """
    usual = pretrained_config(name)
    outputs = int(network.num_classes)  # type: ignore[arg-type]
    fixed = bool(usual.get("fixed_input_size"))
    return {
        "architecture": name.partition(".")[0],
        "num_classes": outputs,
        "num_features": network.num_features,
        **({"model_args": {"img_size": input_size}} if fixed else {}),
        "pretrained_cfg": {
            "num_classes": outputs,
            "input_size": [3, input_size, input_size],
            "fixed_input_size": fixed,
            **{key: usual.get(key) for key in ("first_conv", "classifier")},
            **preprocessing,
        },
    }
