# %% [markdown]
# # 1. A first verdict
#
# A photograph goes in; each face in it gets real, fake or unsure. The photographs come from
# `demagnify assets`: portraits of CelebA, for research only.

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from demagnify.core import assets
from demagnify.inference import DetectionConfig, detect, draw_verdict
from demagnify.inference.case import verify_case, write_case

photos = sorted(assets.fetch("celeba-999").glob("*.jpg"))[:4]
verdicts = list(detect(photos))
for photo in verdicts:
    for face in photo.faces:
        print(f"{photo.path.name}: {face.verdict}", *face.meaning.in_words(), sep="\n  ")

# %% [markdown]
# The line after the likelihood ratio is the condition: what was measured on faces like this one.
# "Not validated" means that nothing was. [The verdict](../verdict.md) explains every part.
#
# The logit decides. Between two limits, fitted on labelled faces, the verdict is unsure.

# %%
faces = [face for photo in verdicts for face in photo.faces]
figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
colours = {"real": "#0072b2", "fake": "#d55e00", "unsure": "#5a5a5a"}
axes.barh(
    range(len(faces)), [one.logit for one in faces], color=[colours[one.verdict] for one in faces]
)
axes.set(xlabel="logit (to the right: fake)", ylabel="face", yticks=range(len(faces)))
plt.show()

# %% [markdown]
# What does a verdict depend on? A [heat map](../explanations.md) marks it, but only where it passes
# a check. The drawing shows it over the face.

# %% tags=["photographs"]
(explained,) = detect(photos[0], DetectionConfig(explain=True))
print(explained.faces[0].explanation or "unsure: there is no verdict to explain")
figure, panel = plt.subplots(figsize=(3, 3.6))
panel.imshow(draw_verdict(explained))
panel.axis("off")
plt.show()

# %% [markdown]
# A case keeps files, answers and hashes together. Anybody can check it later; one changed byte is
# named.

# %%
write_case(photos[:1], Path("case"), DetectionConfig())
print(verify_case(Path("case")) or "every hash and every answer is as recorded")

# %% [markdown]
# The same from the command line: `demagnify detect photo.jpg --explain --report case`, then
# `demagnify verify case`.
