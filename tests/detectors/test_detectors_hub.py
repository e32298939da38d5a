"""Folders for the Hugging Face hub: read back, read by timm, and one line when offline."""

import copy
import json
import shutil

import pytest
import timm
import torch
from huggingface_hub import ModelCard, ModelHubMixin
from huggingface_hub import constants as hub

import demagnify
from demagnify import DefendedDetector, Detector
from demagnify.core.errors import AssetError, BadArtifactError, BadConfigError, BadOutputError
from demagnify.core.sealed import write_sealed
from demagnify.detectors import create, load_detector, shipped, wrap
from demagnify.detectors.hub import README
from demagnify.inference.answers import Interpreter

SHIPPED = shipped()


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 224, 224), dtype=torch.uint8, generator=generator)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No hub within reach, and an empty cache; returns the cache."""
    monkeypatch.setattr(hub, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def light():
    return load_detector("light", device="cpu", precision="float32")


def cached(cache, name, folder):
    """Puts a folder into the hub's cache, as if it had been fetched."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, place / "snapshots" / ("0" * 40))


def test_a_detector_is_read_back_with_the_same_logits(light, images, tmp_path):
    assert isinstance(light, ModelHubMixin)
    light.save_pretrained(tmp_path / "mine")
    names = {one.name for one in (tmp_path / "mine").iterdir()}
    assert names == {"card.json", "config.json", "model.safetensors", README}
    again = Detector.from_pretrained(tmp_path / "mine", device="cpu", precision="float32")
    assert again.fingerprint() == light.fingerprint()
    assert again.threshold == light.threshold
    assert torch.equal(again.logits(images), light.logits(images))
    by_line = load_detector(str(tmp_path / "mine"), device="cpu", precision="float32")
    assert by_line.fingerprint() == light.fingerprint()


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "portraits"])
def test_timm_makes_a_shipped_detector_by_name_with_the_same_logits(name, images, tmp_path):
    detector = load_detector(name, device="cpu", precision="float32")
    detector.save_pretrained(tmp_path / name)
    model = timm.create_model(f"local-dir:{tmp_path / name}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(model)
    assert list(config["input_size"]) == [3, 224, 224]
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        logits = model((images / 255 - mean) / std)
    assert torch.allclose(logits[:, 0], detector.logits(images), atol=1e-4)


def test_a_network_that_timm_cannot_make_is_published_for_demagnify_alone(images, tmp_path):
    detector = load_detector("portraits", device="cpu", precision="float32")
    detector.save_pretrained(tmp_path / "mine")
    again = Detector.from_pretrained(tmp_path / "mine", device="cpu", precision="float32")
    assert torch.equal(again.logits(images), detector.logits(images))
    assert "architecture" not in json.loads((tmp_path / "mine" / "config.json").read_text())
    assert "timm.create_model" not in (tmp_path / "mine" / "README.md").read_text()


def test_timm_loads_a_published_detector_by_the_name_of_its_repository(
    light, images, offline, monkeypatch, tmp_path
):
    light.save_pretrained(tmp_path / "mine")
    cached(offline, "me/mine", tmp_path / "mine")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    model = timm.create_model("hf_hub:me/mine", pretrained=True).eval()
    with torch.inference_mode():
        logits = model((images / 255 - light.mean) / light.std)
    assert torch.allclose(logits[:, 0], light.logits(images), atol=1e-4)


def test_a_defence_is_complete_and_read_back(images, tmp_path):
    default = demagnify.load_defense("default", device="cpu")
    default.save_pretrained(tmp_path / "mine", repo_id="me/mine")
    again = DefendedDetector.from_pretrained(tmp_path / "mine", device="cpu")
    assert torch.equal(again.logits(images), default.logits(images))
    assert (tmp_path / "mine" / "detector" / "config.json").is_file()
    assert "shipped_detector" not in json.loads((tmp_path / "mine" / "card.json").read_text())
    assert "DefendedDetector.from_pretrained" in (tmp_path / "mine" / README).read_text()


def test_the_model_card_has_what_the_card_says_and_its_figures(light, tmp_path):
    light.save_pretrained(tmp_path / "mine", repo_id="me/mine")
    card = ModelCard.load(tmp_path / "mine" / README)
    assert card.data.license == "apache-2.0"
    assert card.data.model_name == "mine"
    figures = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert figures["auc"] == light.card["validation"]["val_auc"]
    assert light.card["limits"] in card.text
    assert 'from_pretrained("me/mine")' in card.text
    assert "model-index" in (tmp_path / "mine" / README).read_text()


RESULTS = {
    "kind": "evaluation",
    "context": {"data": "my faces"},
    "methods": [
        {"name": name, "role": role}
        for name, role in (("undefended", "undefended"), ("a", "learned"), ("b", "learned"))
    ],
    "cells": [
        {
            "split": "test",
            "condition": condition,
            "method": "undefended",
            "n": 40,
            "metrics": {
                name: {"value": 0.75, "low": 0.5, "high": 0.875}
                for name in ("balanced_accuracy", "auc", "fpr")
            },
        }
        for condition in ("none", "srgan-x4")
    ],
}


def test_a_detector_that_was_never_saved_has_its_threshold_in_the_model_card(tmp_path):
    """Once 0.0: the card of a detector in memory does not name it."""
    detector = create("test_resnet", input_size=32, device="cpu")
    detector.threshold = 0.625
    detector.save_pretrained(tmp_path / "mine")
    assert "model(batch)[:, 0] > 0.625" in (tmp_path / "mine" / README).read_text()
    assert Detector.from_pretrained(tmp_path / "mine", device="cpu").threshold == 0.625


def test_the_figures_of_an_evaluation_get_into_the_model_card(light, tmp_path):
    write_sealed(tmp_path / "results.json", RESULTS)
    about = {"results": tmp_path, "license": "mit", "base_model": "timm/x"}
    light.save_pretrained(tmp_path / "mine", model_card_kwargs=about)
    card = ModelCard.load(tmp_path / "mine" / README)
    found = [one for one in card.data.eval_results if "under srgan-x4" in one.dataset_name]
    assert {(one.metric_type, one.metric_value, one.metric_args["n"]) for one in found} == {
        (name, 0.75, 40) for name in ("balanced_accuracy", "auc", "fpr")
    }
    assert (card.data.license, card.data.base_model) == ("mit", "timm/x")
    assert "| my faces under srgan-x4 | test | AUC | 0.750 | 0.500 to 0.875 | 40 |" in card.text


def test_a_card_of_ones_own_stays_and_a_written_one_is_renewed(light, tmp_path):
    folder = tmp_path / "mine"
    light.save_pretrained(folder)
    light.save_pretrained(folder, repo_id="me/other")
    assert "me/other" in (folder / README).read_text()
    (folder / README).write_text("# Mine\n")
    (folder / "notes.txt").write_text("mine")
    light.save_pretrained(folder)
    assert (folder / README).read_text() == "# Mine\n"
    assert (folder / "notes.txt").is_file()


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ({"results": "nowhere"}, "nowhere.*cannot be used"),
        ({"method": "c"}, "no figures of 'c'"),
        ({"split": "val"}, "no figures of 'undefended' on 'val'"),
    ],
)
def test_results_that_do_not_fit_are_refused_in_one_line(light, tmp_path, about, complaint):
    write_sealed(tmp_path / "results.json", RESULTS)
    with pytest.raises((BadArtifactError, BadConfigError), match=complaint) as caught:
        light.generate_model_card(**{"results": tmp_path, **about})
    assert "\n" not in str(caught.value)


def test_which_of_several_defences_is_asked_for(tmp_path):
    write_sealed(tmp_path / "results.json", RESULTS)
    with pytest.raises(BadConfigError, match="say which method it is: a, b"):
        demagnify.load_defense("default", device="cpu").generate_model_card(results=tmp_path)


def test_offline_the_cache_is_taken(light, images, offline, tmp_path):
    light.save_pretrained(tmp_path / "mine")
    cached(offline, "me/mine", tmp_path / "mine")
    again = load_detector("hub:me/mine", device="cpu", precision="float32")
    assert torch.equal(again.logits(images), light.logits(images))
    defence = demagnify.load_defense("hub:me/mine", device="cpu", precision="float32")
    assert torch.equal(defence.logits(images), light.logits(images))


def test_a_published_defence_keeps_its_calibration(offline, tmp_path):
    default = demagnify.load_defense("default", device="cpu", precision="float32")
    default.save_pretrained(tmp_path / "mine")
    cached(offline, "me/mine", tmp_path / "mine")
    usual, found = (
        Interpreter.load(source, default.fingerprint()) for source in ("default", "hub:me/mine")
    )
    assert found == usual
    assert found is not None


@pytest.mark.parametrize(
    "load",
    [
        lambda: Detector.from_pretrained("me/none"),
        lambda: DefendedDetector.from_pretrained("me/none", local_files_only=True),
        lambda: load_detector("hub:me/none"),
        lambda: demagnify.load_defense("hub:me/none"),
    ],
)
def test_offline_a_repository_that_is_not_there_gives_one_line(load, offline):
    with pytest.raises(AssetError, match="is not in the cache") as caught:
        load()
    assert "\n" not in str(caught.value)


def test_offline_nothing_is_published(light, offline):
    with pytest.raises(AssetError, match="me/mine cannot be written") as caught:
        light.push_to_hub("me/mine")
    assert "\n" not in str(caught.value)


def test_what_is_no_repository_is_refused_in_one_line(offline):
    with pytest.raises(BadConfigError, match="no folder, and no owner/name") as caught:
        Detector.from_pretrained("a/b/c/d")
    assert "\n" not in str(caught.value)


def test_a_repository_that_names_code_is_not_run(offline, tmp_path):
    demagnify.load_defense("default", device="cpu").save_pretrained(tmp_path / "mine")
    path = tmp_path / "mine" / "card.json"
    write_sealed(path, {**json.loads(path.read_text()), "detector_source": {"where": "os:system"}})
    cached(offline, "me/mine", tmp_path / "mine")
    with pytest.raises(BadArtifactError, match="code or a file elsewhere; it was not loaded"):
        demagnify.load_defense("hub:me/mine")


def test_code_of_ones_own_is_not_published(tmp_path):
    own = wrap(lambda images: images.mean(dim=(1, 2, 3)), name="own")
    with pytest.raises(BadConfigError, match="network or code of your own"):
        own.save_pretrained(tmp_path / "mine")


def test_a_place_that_cannot_be_written_is_refused_in_one_line(light, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutputError, match="cannot write") as caught:
        light.save_pretrained(tmp_path / "file" / "mine")
    assert "\n" not in str(caught.value)


def test_the_mixin_leaves_detectors_as_they_were():
    detector = create("test_resnet", input_size=32, device="cpu")
    twin = copy.deepcopy(detector)
    assert twin.fingerprint() == detector.fingerprint()
    assert list(detector.state_dict()) == list(twin.state_dict())
