# %% [markdown]
# # 4. Reproduce the paper
#
# The paper puts an agent in front of a detector. For each face it has two actions: leave it, or
# set its middle to zero. Deep Q-learning rewards right verdicts. `demagnify reproduce` does this on
# your copy of OpenForensics; here is the same agent on a few faces. [The paper](../paper.md) lists
# all settings and the gaps of the text.

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from demagnify import EvaluationConfig, evaluate, train_defense
from demagnify.agents import presets
from demagnify.data.sample import SampleConfig, build_sample
from demagnify.evaluation.results import UNDEFENDED
from demagnify.laundering.conditions import CLEAN

build_sample(Path("faces"), SampleConfig(count=40))
settings = presets.load(
    "paper-batched",
    ["defense.learner.episodes=1280", "defense.size=64"],
    {"defense.detector": "light", "defense.attacks": ["bicubic-x2"], "defense.device": "cpu"},
).defense
print(settings.state, settings.actions, settings.learner.name)

# %%
(trained,) = train_defense([Path("faces")], Path("agent"), settings)
history = trained.history
print(f"{history[-1].episode} episodes, mean reward at the end {history[-1].reward:+.2f}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
episodes = [point.episode for point in history]
for name, shares in zip(
    settings.actions, zip(*(p.actions for p in history), strict=True), strict=True
):
    axes.plot(episodes, shares, label=name)
axes.set(xlabel="episode", ylabel="share of each action", ylim=(0, 1))
axes.legend()
plt.show()

# %% [markdown]
# At first the agent acts at random (ε = 1). What does it do when it stops exploring, and does that
# help? The evaluation puts it beside every baseline that it must beat; the plainest is the detector
# alone.

# %%
run = evaluate(
    [Path("faces")],
    Path("evaluation"),
    EvaluationConfig(
        defenses=("agent=agent",), attacks=("bicubic-x2",), resamples=50, device="cpu"
    ),
)
for method in (UNDEFENDED, "agent"):
    for condition in (CLEAN, "bicubic-x2"):
        cell = run.result.cell("test", condition, method)
        accuracy = cell.metrics["balanced_accuracy"].value
        print(f"{method:12} {condition:11} balanced accuracy {accuracy:.0%}")

# %% [markdown]
# `evaluation/report.html` has every baseline with intervals. On larger sets the answer is the same:
# [the paper's agent learns the identity](../results/paper.md).
