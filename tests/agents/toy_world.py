"""A small world in which the best action is known, and visible."""

from __future__ import annotations

import numpy as np
import torch

from demagnify.data.dataset import FaceDataset

SIDE = 32
CENTRE = slice(11, 20)  # what mask-center hides at this size


class ToyNetwork(torch.nn.Module):
    """Trusts the centre of the image, and the corner only where the centre is masked."""

    def forward(self, images):
        values = images.float()
        centre = values[:, :, CENTRE, CENTRE].mean((1, 2, 3))
        corner = values[:, 0, :4, :4].mean((1, 2))
        seen = torch.where(centre > 0, (centre - 100) / 20, 0.0)
        return 2 * seen + (corner - 100) / 50


def toy_faces(count=96, seed=0):
    """Half of the faces are attacked: their centre lies, and a bright bar at the bottom shows it.

    Leaving is right for the untouched ones, masking for the attacked ones, never the other way.
    """
    random = np.random.default_rng(seed)
    images = random.integers(90, 110, size=(count, 3, SIDE, SIDE), dtype=np.uint8)
    labels = random.integers(0, 2, size=count)
    attacked = random.integers(0, 2, size=count)
    images[:, :, CENTRE, CENTRE] = np.where(labels ^ attacked, 180, 20)[:, None, None, None]
    images[:, 0, :4, :4] = np.where(labels == attacked, 150, 50)[:, None, None]
    images[:, :, -6:, :] = np.where(attacked, 250, 5)[:, None, None, None]
    return FaceDataset.from_arrays(images, labels), attacked


class ToyDetector:
    """The part of a detector that a logit table needs; imports nothing heavy."""

    threshold = 0.0
    device = None

    def logits(self, images, /, *, batch_size=64):
        return ToyNetwork()(images)

    def fingerprint(self):
        return "toy"
