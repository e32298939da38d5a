"""What comes with the package can be loaded, is small, and says what it is."""

import json
from importlib import resources

import pytest
import torch

from demagnify import detectors
from demagnify.agents import loading
from demagnify.core.errors import BadArtifactError

WEIGHTS = resources.files("demagnify") / "weights"
MOST_BYTES = 20_000_000


def folders():
    shelves = (WEIGHTS / name for name in ("defenses", "detectors"))
    return [WEIGHTS / "enhancement", *(entry for shelf in shelves for entry in shelf.iterdir())]


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_shipped_card_names_training_data_command_and_limits(folder):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    for key in ("summary", "training_data", "command", "limits", "licence"):
        assert card[key], key


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_shipped_weights_are_small(folder):
    assert all(len(file.read_bytes()) <= MOST_BYTES for file in folder.iterdir())


def test_the_default_defence_classifies_with_the_shipped_detector():
    defended = loading.load_defense("default", device="cpu", precision="float32")
    bare = loading.load_defense("hardened", device="cpu", precision="float32")
    images = torch.randint(0, 256, (3, 3, 224, 224), dtype=torch.uint8)
    decisions = defended.decide(images, undefended=True)
    assert decisions.undefended is not None
    assert torch.allclose(decisions.undefended, bare(images), atol=1e-4)
    assert defended.threshold == detectors.load_detector("hardened", device="cpu").threshold
    assert decisions.calls.tolist() == [2, 2, 2]
    assert torch.allclose(decisions.logits, defended(images.flip(3)), atol=1e-3)


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(BadArtifactError, match="default, broad, hardened, light"):
        loading.load_defense("no-such-defence")
