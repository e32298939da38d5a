import json
import sys
from pathlib import Path

import pytest
import torch

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.loading import load_defense
from demagnify.agents.policies import FixedPolicy
from demagnify.agents.states import Thumbnail
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.sealed import write_sealed
from demagnify.transforms import TransformSet

BATCH = torch.arange(4 * 3 * 8 * 8, dtype=torch.float32).remainder(251).to(torch.uint8)
BATCH = BATCH.view(4, 3, 8, 8)

CODE = """
import torch
from torch import nn


def mean(images):
    return images.float().mean(dim=(1, 2, 3)) - 100


def make(scale=2.0):
    return lambda images: scale * mean(images)


class Scorer:
    def __call__(self, images):
        return mean(images)


class Needy:
    def __init__(self, weights):
        self.weights = weights


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, images):
        return images.mean(dim=(2, 3)) @ self.weight


def fails(images):
    raise RuntimeError("out of cheese\\nredo from start")


network = Network()
number = 7
told = Scorer()
told.fingerprint = "version 3"
make_number = lambda: 7
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Puts a user's module into the working folder; returns a function that writes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(code=CODE, name="scorers"):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(code)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        sys.modules.pop(name.replace("/", "."), None)
        return file

    write()
    yield write
    sys.modules.pop("scorers", None)


def mean(images):
    return images.float().mean(dim=(1, 2, 3)) - 100


@pytest.mark.parametrize(
    ("name", "factor"), [("mean", 1), ("make", 2), ("Scorer", 1), ("told", 1), ("told.__call__", 1)]
)
def test_functions_objects_and_what_makes_them_are_imported(module, name, factor):
    detector = detectors.load_detector(f"scorers:{name}", device="cpu")
    torch.testing.assert_close(detector(BATCH), factor * mean(BATCH))
    assert detector.name == name
    assert not detector.training


@pytest.mark.parametrize("name", ["network", "Network"])
def test_networks_are_given_what_the_options_say(module, name):
    where = f"scorers:{name}@range=[0,255]@mean=10@input_size=8@threshold=1.5@name=mine"
    detector = detectors.load_detector(where, device="cpu")
    torch.testing.assert_close(detector(BATCH), 3 * (mean(BATCH) + 90), rtol=1e-4, atol=1e-3)
    assert (detector.name, detector.threshold, detector.input_size) == ("mine", 1.5, 8)


def test_a_module_inside_of_a_package_is_found(module):
    module("def score(images):\n    return images.float().mean(dim=(1, 2, 3))\n", "pack/inner")
    assert detectors.load_detector("pack.inner:score", device="cpu")(BATCH).shape == (4,)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere:mean", "there is no module 'nowhere'"),
        ("scorers.deep:mean", "there is no module 'scorers.deep'|not a package"),
        ("scorers:maen", "has no 'maen' .did you mean mean"),
        ("scorers:number", "is a int, which cannot be called"),
        ("scorers:make_number", "gave a int, which cannot be called"),
        ("scorers:Needy", "a class that needs arguments"),
        ("scorers:mean@head=two-logit", "fake_index=0 or fake_index=1"),
        ("scorers:mean@weights=x", "no option 'weights'"),
        ("scorers:mean@head=[", "not a YAML value"),
        ("scorers:mean@head=logit@head=logit", "given twice"),
        ("scorers:mean@head=softmax", "head: "),
    ],
)
def test_what_cannot_be_imported_gives_one_line(module, where, message):
    with pytest.raises(BadConfigError, match=message) as caught:
        detectors.load_detector(where, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import surely_not_there\n", "needs the module 'surely_not_there'"),
        ("def (:\n", "cannot be imported: SyntaxError"),
        ("open('weights.bin')\n", "cannot be imported: FileNotFoundError"),
        ("raise SystemExit(2)\n", "cannot be imported: SystemExit: 2"),
        ("def x():\n    open('weights.bin')\n", "x cannot be made: FileNotFoundError"),
        ("def x():\n    raise SystemExit\n", "x cannot be made: SystemExit"),
    ],
)
def test_a_broken_module_gives_one_line(module, code, message):
    module(code, "broken")
    with pytest.raises(BadConfigError, match=message) as caught:
        detectors.load_detector("broken:x", device="cpu")
    assert "\n" not in str(caught.value)


def test_code_that_fails_gives_one_line(module):
    with pytest.raises(BadConfigError, match="RuntimeError: out of cheese") as caught:
        detectors.load_detector("scorers:fails", device="cpu")(BATCH)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadConfigError, match="write mean, std, range and input_size"):
        detectors.load_detector("scorers:network", device="cpu")(BATCH)


def test_its_fingerprint_follows_its_file_or_its_attribute(module):
    first = detectors.load_detector("scorers:mean", device="cpu").fingerprint()
    told = detectors.load_detector("scorers:told", device="cpu").fingerprint()
    module(CODE + "\n# changed\n")
    assert detectors.load_detector("scorers:mean", device="cpu").fingerprint() != first
    assert detectors.load_detector("scorers:told", device="cpu").fingerprint() == told
    module(CODE.replace("version 3", "version 4"))
    assert detectors.load_detector("scorers:told", device="cpu").fingerprint() != told


def test_the_weights_of_a_network_belong_to_its_fingerprint(module):
    detector = detectors.load_detector("scorers:network", device="cpu", mean=0.5)
    first = detector.fingerprint()
    assert detectors.load_detector("scorers:network", device="cpu", mean=0.4).fingerprint() != first
    with torch.no_grad():
        detector.network.weight.add_(1)
    assert detector.fingerprint() != first


def defend(detector):
    return DefendedDetector(
        detector,
        TransformSet.create(["identity", "mask-center"]),
        Thumbnail(side=4),
        FixedPolicy(1),
        input_size=8,
    ).eval()


def test_a_defence_before_imported_code_is_saved_and_finds_it_again(module, tmp_path):
    detector = detectors.load_detector("scorers:mean@threshold=3", device="cpu")
    defended = defend(detector)
    defended.save(tmp_path / "defense", {})
    loaded = DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert torch.equal(loaded(BATCH), defended(BATCH))
    assert (loaded.threshold, loaded.fingerprint()) == (3.0, defended.fingerprint())
    assert torch.equal(load_defense(str(tmp_path / "defense"), device="cpu")(BATCH), loaded(BATCH))
    module(CODE + "\n# changed\n")
    with pytest.raises(BadArtifactError, match="scorers:mean has changed since") as caught:
        DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert "\n" not in str(caught.value)
    sys.modules.pop("scorers")
    Path("scorers.py").unlink()
    with pytest.raises(BadConfigError, match="there is no module 'scorers'"):
        DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert DefendedDetector.load(tmp_path / "defense", detector=detector).threshold == 3.0


def test_a_custom_bare_detector_classifies_undefended(module):
    loaded = load_defense("scorers:mean", device="cpu")
    assert loaded.input_size == 224
    assert loaded.decide(BATCH).actions.tolist() == [0] * 4
    with pytest.raises(BadArtifactError, match="there is no defence 'scorers'"):
        load_defense("scorers", device="cpu")


def test_a_damaged_record_gives_one_line(module, tmp_path):
    defend(detectors.load_detector("scorers:mean", device="cpu")).save(tmp_path / "defense", {})
    path = tmp_path / "defense" / "card.json"
    card = json.loads(path.read_text())
    del card["detector_source"]["fingerprint"]
    write_sealed(path, card)
    with pytest.raises(BadArtifactError, match="damaged: fingerprint") as caught:
        DefendedDetector.load(tmp_path / "defense", device="cpu")
    assert "\n" not in str(caught.value)
