# %% [markdown]
# # 2. Attack your detector
#
# An attacker shrinks a fake face and rebuilds it with a super-resolution network. What does this
# cost a detector? Here it is the shipped `light`; `load_detector` takes yours as well
# ([bring your detector](../guides/bring-your-detector.md)).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from demagnify import FaceDataset, LogitTable, TransformSet, load_detector
from demagnify.data.sample import SampleConfig, build_sample

manifest = build_sample(Path("faces"), SampleConfig(count=60))
faces = FaceDataset.open(manifest.split("test"), size=224)
detector = load_detector("light", device="cpu", precision="float32")
print(len(faces), "faces,", int((np.asarray(faces.labels) == 1).sum()), "of them face swaps")

# %% [markdown]
# A logit table asks the detector about every face after every attack, once. An attack is one line:
# names are joined with `+`.

# %%
attacks = ["identity", "bicubic-x4", "bicubic-x2+jpeg-75", "realesr-compact-x2"]
table = LogitTable(faces, detector, TransformSet.create(attacks))
table.fill()
logits, labels = table.logits, np.asarray(faces.labels)

# %%
for name, column in zip(attacks, logits.T, strict=True):
    fake = column > detector.threshold
    right = [(fake == label)[labels == label].mean() for label in (0, 1)]
    print(
        f"{name:20} real {right[0]:.0%} right, fake {right[1]:.0%}, balanced {np.mean(right):.0%}"
    )

# %% [markdown]
# These are few faces, of the split that `light` was not trained on:
# [all measurements](../results/attack-table.md) have hundreds. The logits show more than the
# verdicts do: how far each attack moves the fakes.

# %%
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for label, colour in ((0, "#0072b2"), (1, "#d55e00")):
    axes.plot(
        attacks, logits[labels == label].mean(0), "o-", color=colour, label=("real", "fake")[label]
    )
axes.axhline(detector.threshold, color="#5a5a5a", linestyle=":", label="threshold")
axes.set_ylabel("mean logit")
axes.legend()
plt.show()

# %% [markdown]
# An attacker who may ask the detector takes the best attack for each face.

# %%
fakes = logits[labels == 1]
worst = fakes.min(axis=1)
print(f"fakes that pass, best attack for each: {(worst <= detector.threshold).mean():.0%}")
print(
    {
        attacks[int(n)]: int(c)
        for n, c in zip(*np.unique(fakes.argmin(1), return_counts=True), strict=True)
    }
)

# %% [markdown]
# `demagnify adaptive-attack` does this for large sets, with compositions and a budget of queries;
# `demagnify attack` writes the attacked files. Next: [harden it](harden.md).
