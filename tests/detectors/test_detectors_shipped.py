"""What comes with the package works without a network, and its card names its figures."""

import json
import re
import socket
from importlib import resources
from pathlib import Path

import pytest
import torch

from demagnify import detectors

SHELF = resources.files("demagnify") / "weights" / "detectors"
PAGE = Path(__file__).parents[2] / "docs" / "models.md"
FIGURES = ("balanced_accuracy", "tpr", "fpr", "auc")


@pytest.fixture(params=detectors.shipped())
def card(request):
    text = (SHELF / request.param / "card.json").read_text(encoding="utf-8")
    return {"name": request.param, **json.loads(text)}


@pytest.fixture
def figures(card):
    return card["test"]["figures"]


def test_the_card_gives_figures_with_intervals_for_each_training_set(card, figures):
    trained_on = {entry["name"] for entry in card["training_data"]}
    assert {row["data"] for row in figures if row["attack"] == "none"} == trained_on
    for row in figures:
        assert row["faces"] >= row["groups"] > 100
        for name in FIGURES:
            assert 0 <= row[name]["low"] <= row[name]["value"] <= row[name]["high"] <= 100
    assert any("evidence" in use for use in card["must_not_be_used_for"])


def test_the_card_and_the_page_about_it_give_the_same_figures(card, figures):
    _, _, page = PAGE.read_text(encoding="utf-8").partition(f"## `{card['name']}`")
    page, _, _ = page.partition("\n## ")
    for row in figures:
        cells = [
            f"{row[name]['value']} ({row[name]['low']}–{row[name]['high']})"  # noqa: RUF001
            for name in FIGURES
        ]
        attack = "–" if row["attack"] == "none" else row["attack"]  # noqa: RUF001
        start = f"| {row['data']} | {attack} | {row['faces']:,} in {row['groups']} | "
        assert re.search(re.escape(start + " | ".join(cells)), page), start


@pytest.mark.parametrize("name", detectors.shipped())
def test_it_is_loaded_without_a_network(monkeypatch, name):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    detector = detectors.load_detector(name, device="cpu", precision="float32")
    assert detector.logits(torch.zeros(1, 3, 50, 50, dtype=torch.uint8)).isfinite().all()
