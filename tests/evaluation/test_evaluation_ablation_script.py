"""Variants of a defence beside each other: one logit table, trained apart, evaluated alike."""

import numpy as np
import pytest
from tiny_loop import DEFENSE, EVALUATION

import scripts
from demagnify.agents.config import DefenseConfig
from demagnify.agents.learners import FullInformationConfig
from demagnify.data.prepare import open_splits
from demagnify.laundering.conditions import create_attacks, under_attacks
from tiny_faces import SIZE

QUICK = FullInformationConfig(hidden=8, epochs=3)


@pytest.fixture(scope="module")
def script():
    return scripts.load("ablation")


@pytest.fixture
def plan(loop, script):
    opened = open_splits([loop.source], ("train", "val"), size=SIZE)
    attacks = create_attacks(["bicubic-x2"])
    base = DEFENSE.model_copy(update={"learner": QUICK})
    variants = {
        "base": base,
        "two actions": base.model_copy(update={"actions": ("identity", "median")}),
        "spectrum": DefenseConfig(actions=("identity", "flip"), state="spectrum", learner=QUICK),
    }
    return script.Ablation(
        variants=variants,
        detector=loop.defense.defended.detector,
        train=under_attacks(opened["train"], attacks),
        test={"val": under_attacks(opened["val"], attacks)},
        seeds=2,
        settings=EVALUATION.settings.model_copy(update={"fit_baselines": False}),
    )


def test_every_variant_is_a_row_with_its_seeds_and_its_own_actions(script, plan, tmp_path):
    told = []
    evaluation = script.ablate(plan, tmp_path, log=told.append)
    learned = {one.name: one for one in evaluation.result.methods if one.role == "learned"}
    assert list(learned) == list(plan.variants)
    assert {one.seeds for one in learned.values()} == {2}
    assert told == [f"training {name}" for name in plan.variants]
    for name, config in plan.variants.items():
        counts = [
            one
            for one in evaluation.result.action_counts
            if (one.method, one.condition) == (name, "none")
        ]
        assert counts
        assert len(config.actions) in {len(one.real) for one in counts}


def test_the_detector_is_asked_once_for_all(script, plan, tmp_path, monkeypatch):
    first = script.ablate(plan, tmp_path)

    def never(*_args, **_kwargs):
        raise AssertionError("the detector was asked again")

    monkeypatch.setattr(type(plan.detector), "score", never)
    again = script.ablate(plan, tmp_path)
    figures = [
        [cell.metrics["balanced_accuracy"].value for cell in one.result.cells]
        for one in (first, again)
    ]
    assert np.array_equal(*figures)
