from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from demagnify import detectors
from demagnify.agents.defended import undefended
from demagnify.core import registry
from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.detectors import loading
from demagnify.detectors.loaders import folder
from demagnify.inference import export
from demagnify.inference.runtime import TorchRuntime


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (
        detectors.create("test_resnet", input_size=32, device="cpu", seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ligth", "did you mean light"),
        ("resnet5O", "resnet50"),
        ("???", "timm.list_models"),
        ("resnet50.nonsense", "tv2_in1k"),
    ],
)
def test_an_unknown_backbone_names_the_known_ones(name, message):
    with pytest.raises(UnknownNameError, match="no ") as caught:
        detectors.create(name, device="cpu")
    assert message in str(caught.value)


def test_aliases_mean_networks_of_timm():
    light = detectors.create("light", input_size=32, device="cpu")
    assert (light.name, light.backbone) == ("light", "tf_efficientnet_lite0")


@pytest.mark.parametrize("size", [0, -3])
def test_an_impossible_input_size_is_refused(size):
    with pytest.raises(BadConfigError, match="input_size"):
        detectors.create("test_resnet", input_size=size, device="cpu")


def test_a_vision_transformer_is_built_for_the_size():
    detector = detectors.create("test_vit", input_size=48, device="cpu")
    assert detector.logits(torch.zeros(1, 3, 90, 90, dtype=torch.uint8)).shape == (1,)


def test_a_missing_detector_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadArtifactError, match="there is no detector") as caught:
        detectors.load_detector(tmp_path / "nowhere", device="cpu")
    assert "train-detector" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shipped_detector_is_loaded_by_name(tiny, tmp_path, monkeypatch):
    detector = tiny()
    detector.save(tmp_path / "shelf" / "small", {})
    monkeypatch.setattr(folder, "_shelf", lambda: tmp_path / "shelf")
    assert detectors.shipped() == ["small"]
    loaded = detectors.load_detector("small", device="cpu", precision="float32")
    assert loaded.fingerprint() == detector.fingerprint()
    with pytest.raises(BadArtifactError, match="shipped: small"):
        detectors.load_detector("large", device="cpu")


def test_a_path_is_never_taken_for_a_shipped_name(tiny, tmp_path, monkeypatch):
    tiny().save(tmp_path / "shelf" / "small", {})
    monkeypatch.setattr(folder, "_shelf", lambda: tmp_path / "shelf")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArtifactError, match=r"\./small"):
        detectors.load_detector("./small", device="cpu")


def test_a_kind_before_the_line_chooses_the_loader(tiny, tmp_path):
    detector = tiny()
    detector.save(tmp_path / "saved", {})
    for line in (f"folder:{tmp_path}/saved", f"{tmp_path}/saved"):
        loaded = detectors.load_detector(line, device="cpu", precision="float32")
        assert loaded.fingerprint() == detector.fingerprint()


def test_a_path_of_one_part_means_the_folder_and_not_the_shipped_one(tiny, tmp_path, monkeypatch):
    detector = tiny()
    detector.save(tmp_path / "light", {})
    monkeypatch.chdir(tmp_path)
    loaded = detectors.load_detector(Path("light"), device="cpu", precision="float32")
    assert loaded.fingerprint() == detector.fingerprint()
    shipped = detectors.load_detector("light", device="cpu", precision="float32")
    assert shipped.fingerprint() != detector.fingerprint()


PLUGIN = """
from demagnify import detectors


class Flat(detectors.Loader):
    def load(self, source, options, *, device, precision):
        options.allow(["threshold"], source)
        return detectors.wrap(
            lambda images: images.float().mean(dim=(1, 2, 3)),
            name=source, threshold=options.threshold,
        )
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A kind of detector that an installed package brings: one file and one entry point."""
    (tmp_path / "flat_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("flat", "flat_plugin:Flat", "demagnify.detectors")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group else [])
    fresh = registry.Registry(
        "kind of detector", package="demagnify.detectors.loaders", group="demagnify.detectors"
    )
    for name in detectors.LOADERS:
        fresh.add(name, detectors.LOADERS.get(name))
    monkeypatch.setattr(loading, "LOADERS", fresh)


def test_a_plug_in_adds_a_kind_of_detector(plugin):
    assert detectors.is_detector("flat:any/name")
    detector = detectors.load_detector("flat:any/name@threshold=3", device="cpu")
    assert (detector.name, detector.threshold) == ("any/name", 3.0)
    assert detector.source.where == "flat:any/name"
    images = torch.full((1, 3, 8, 8), 7, dtype=torch.uint8)
    assert detector(images).item() == 7.0
    with pytest.raises(BadConfigError, match="no option 'mean'"):
        detectors.load_detector("flat:any/name@mean=3", device="cpu")


def test_the_first_stages_of_a_network_are_saved_and_loaded(tmp_path):
    cut = detectors.create("test_efficientnet:3", input_size=32, device="cpu")
    assert cut.backbone == "test_efficientnet:3"
    cut.save(tmp_path / "cut", {})
    loaded = detectors.load_detector(tmp_path / "cut", device="cpu")
    assert loaded.fingerprint() == cut.fingerprint()
    assert len(loaded.network.blocks) == 3


def test_first_stages_answer_with_the_mean_of_all_places():
    cut = detectors.create("test_efficientnet:2", input_size=64, device="cpu")
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        places = cut.network.forward_features(batch)
        each = cut.network.get_classifier()(places.permute(0, 2, 3, 1))
        torch.testing.assert_close(cut.network(batch), each.mean((1, 2)))


@pytest.mark.parametrize(
    ("name", "message"),
    [("test_efficientnet:9", "stages 1 to 5, not 9"), ("test_resnet:2", "cannot be cut")],
)
def test_stages_that_a_network_lacks_are_refused(name, message):
    with pytest.raises(BadConfigError, match=message):
        detectors.create(name, input_size=32, device="cpu")


def test_a_stage_is_a_number():
    with pytest.raises(UnknownNameError, match="light:five"):
        detectors.create("light:five", device="cpu")


def test_first_stages_go_into_an_onnx_file(tmp_path):
    cut = detectors.create("test_efficientnet:3", input_size=32, device="cpu", precision="float32")
    opened = export(undefended(cut), tmp_path / "cut.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (3, 50, 41, 3), dtype=np.uint8)
    wanted = TorchRuntime(cut).decide(crops).logits
    np.testing.assert_allclose(opened.decide(crops).logits, wanted, atol=1e-4)
