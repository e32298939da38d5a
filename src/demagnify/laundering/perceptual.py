"""How far attacked images are from the originals in the features of a network that knows images.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric" (CVPR 2018), show that such distances agree with people far better than PSNR and
SSIM do. **This is not LPIPS**: it is their distance without the weights that they fitted to
people's judgements, on another network. Its figures compare attacks with each other; they must not
be set beside published LPIPS figures.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
from torch import nn
from torchvision.models import mobilenet_v2

from demagnify.core import assets
from demagnify.core.devices import pick_device
from demagnify.laundering.quality import Values, check_pair
from demagnify.transforms.attacks.resampling import to_float

NETWORK: Final = "mobilenetv2"
"""The asset: MobileNetV2 trained on ImageNet, with torchvision's weights."""

STAGES: Final = (1, 3, 6, 13, 17)
"""The layers whose features are compared, the last at each resolution: a half to a 32nd."""

_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)


def perceptual_distance(
    originals: torch.Tensor,
    attacked: torch.Tensor,
    *,
    batch_size: int = 16,
    device: str = "auto",
) -> Values:
    """Compares two image batches, image by image, in the features of an ImageNet network.

    At each stage the features of every position are scaled to length 1; the squared distance is
    averaged over positions, and then over stages. Images are compared at their own size.

    Args:
        originals: uint8 RGB (N, 3, H, W).
        attacked: The same images after an attack.
        batch_size: How many are compared at once.
        device: Where the network computes.

    Returns:
        float64 (N,): 0 for equal images; 4 is the most that there can be.

    Raises:
        ImageContractError: If one is no image batch, or the shapes differ.
        AssetError: If the network is neither in the cache nor within reach.
    """
    check_pair(originals, attacked)
    place = pick_device(device)
    distances = np.empty(len(originals))
    with torch.inference_mode():
        for start in range(0, len(originals), batch_size):
            part = slice(start, start + batch_size)
            pair = [_features(batch[part].to(place)) for batch in (originals, attacked)]
            stages = [
                (first - second).square().sum(dim=1).mean(dim=(1, 2))
                for first, second in zip(*pair, strict=True)
            ]
            distances[part] = torch.stack(stages).mean(dim=0).double().cpu().numpy()
    return distances


def _features(images: torch.Tensor) -> list[torch.Tensor]:
    """Returns the features of each stage, (N, C, h, w), of length 1 at every position."""
    mean, deviation = (
        torch.tensor(values, device=images.device).reshape(1, 3, 1, 1)
        for values in (_MEAN, _DEVIATION)
    )
    features = (to_float(images) - mean) / deviation
    stages = []
    for number, layer in enumerate(_layers(str(images.device))):
        features = layer(features)
        if number in STAGES:
            stages.append(nn.functional.normalize(features, dim=1))
    return stages


@cache
def _layers(device: str) -> nn.Sequential:
    network = mobilenet_v2()
    weights = torch.load(assets.fetch(NETWORK), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    layers: nn.Sequential = network.features[: STAGES[-1] + 1]
    return layers.eval().to(device)
