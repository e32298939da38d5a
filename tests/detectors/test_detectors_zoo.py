import pytest
import torch

from demagnify import detectors
from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.detectors import zoo


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
    ("name", "says"),
    [
        ("ligth", "did you mean light"),
        ("resnet5O", "resnet50"),
        ("???", "timm.list_models"),
        ("resnet50.nonsense", "tv2_in1k"),
    ],
)
def test_an_unknown_backbone_is_answered_with_what_there_is(name, says):
    with pytest.raises(UnknownNameError, match="no ") as caught:
        detectors.create(name, device="cpu")
    assert says in str(caught.value)


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


def test_a_missing_detector_is_told_in_one_line(tmp_path):
    with pytest.raises(BadArtifactError, match="there is no detector") as caught:
        detectors.load(tmp_path / "nowhere", device="cpu")
    assert "train-detector" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shipped_detector_is_loaded_by_name(tiny, tmp_path, monkeypatch):
    detector = tiny()
    detector.save(tmp_path / "shelf" / "small", {})
    monkeypatch.setattr(zoo, "_shelf", lambda: tmp_path / "shelf")
    assert detectors.shipped() == ["small"]
    loaded = detectors.load("small", device="cpu", precision="float32")
    assert loaded.fingerprint() == detector.fingerprint()
    with pytest.raises(BadArtifactError, match="shipped: small"):
        detectors.load("large", device="cpu")


def test_a_path_is_never_taken_for_a_shipped_name(tiny, tmp_path, monkeypatch):
    tiny().save(tmp_path / "shelf" / "small", {})
    monkeypatch.setattr(zoo, "_shelf", lambda: tmp_path / "shelf")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArtifactError, match=r"\./small"):
        detectors.load("./small", device="cpu")
