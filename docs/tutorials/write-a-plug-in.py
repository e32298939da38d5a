# %% [markdown]
# # 5. Write a plug-in
#
# A transform is one class: it serves as an attack, a correction or a degradation. demagnify takes
# six more kinds of plug-ins in the same way; [CONTRIBUTING](../contributing.md) has examples.

# %%
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import torch
from pydantic import Field

from demagnify import FaceDataset, LogitTable, TransformSet, create_transform, load_detector
from demagnify.data.sample import SampleConfig, build_sample
from demagnify.transforms import TRANSFORMS, Transform


@TRANSFORMS.register("tutorial-pixelate")
@dataclass(frozen=True)
class Pixelate(Transform):
    """Replaces blocks of pixels by their mean."""

    family = "tutorial-pixelate"
    uses = ("attack", "correction")
    block: Annotated[int, Field(ge=2, le=32)] = 4

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Takes and returns uint8 RGB (N, 3, H, W)."""
        height, width = images.shape[2:]
        small = torch.nn.functional.avg_pool2d(images.float(), self.block, ceil_mode=True)
        large = small.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)
        return large[:, :, :height, :width].round().to(torch.uint8)


# %% [markdown]
# The spec names it with its settings, alone or joined with others.

# %%
print(create_transform("tutorial-pixelate-8+jpeg-75").name)
try:
    create_transform("tutorial-pixelate-1")
except ValueError as error:
    print(error)

# %%
ramp = torch.arange(0, 256, 4, dtype=torch.uint8).repeat(3, 64, 1)[None]
figure, panels = plt.subplots(1, 3, figsize=(6, 2.2), layout="constrained")
for panel, spec in zip(
    panels, ("identity", "tutorial-pixelate", "tutorial-pixelate-16"), strict=True
):
    panel.imshow(create_transform(spec)(ramp)[0].permute(1, 2, 0))
    panel.set(title=spec, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# Every part of demagnify takes it now: as an attack in a logit table, and as an action of an agent.

# %%
manifest = build_sample(Path("faces"), SampleConfig(count=40))
faces = FaceDataset.open(manifest.split("test"), size=224)
detector = load_detector("light", device="cpu", precision="float32")
specs = ["identity", "tutorial-pixelate-2", "tutorial-pixelate-4"]
table = LogitTable(faces, detector, TransformSet.create(specs))
table.fill()
for label in (0, 1):
    means = table.logits[np.asarray(faces.labels) == label].mean(0)
    shown = [f"{spec} {mean:+.2f}" for spec, mean in zip(specs, means, strict=True)]
    print("mean logit,", ("real:", "fake:")[label], ", ".join(shown))

# %% [markdown]
# In a package of your own, one line in `pyproject.toml` registers it, and commands find it:
#
# ```toml
# [project.entry-points."demagnify.transforms"]
# tutorial-pixelate = "my_package.pixelate:Pixelate"
# ```
