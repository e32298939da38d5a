import sys
import urllib.error

import pytest
import timm
import torch
from safetensors.torch import save_file

from demagnify import detectors
from demagnify.core import weights
from demagnify.core.errors import AssetError, BadArtifactError
from demagnify.detectors import backbones, pretrained

NAME = "test_resnet"


def network(classes: int) -> torch.nn.Module:
    return timm.create_model(NAME, num_classes=classes)


def create(path) -> detectors.Detector:
    return detectors.create(NAME, weights=path, input_size=32, device="cpu")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_for_one_class_is_loaded_whole(tmp_path, suffix):
    tensors = network(1).state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    loaded = create(path).network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in tensors.items())


def test_a_file_for_many_classes_loses_its_last_layer_alone(tmp_path):
    tensors = network(1000).state_dict()
    save_file(tensors, tmp_path / "w.safetensors")
    loaded = create(tmp_path / "w.safetensors").network.state_dict()
    differing = {key for key in tensors if loaded[key].shape != tensors[key].shape}
    assert differing == {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors if key not in differing)
    fresh = create(None).network.state_dict()
    assert torch.equal(loaded["fc.weight"], fresh["fc.weight"])


def test_what_training_scripts_wrap_around_weights_is_taken_off(tmp_path):
    tensors = network(1).state_dict()
    wrapped = {f"module.{key}": value for key, value in tensors.items()}
    torch.save({"epoch": 3, "model": {"state_dict": wrapped}}, tmp_path / "w.pth")
    loaded = create(tmp_path / "w.pth").network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in tensors.items())


def without_a_layer(tensors):
    del tensors["layer1.0.conv1.weight"]
    return tensors


def with_another_layer(tensors):
    return {**tensors, "extra.weight": torch.zeros(1)}


def with_another_shape(tensors):
    return {**tensors, "conv1.0.weight": torch.zeros(1, 3, 3, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_layer, r"1 weights are missing \(layer1.0.conv1.weight\)"),
        (with_another_layer, r"1 are unknown \(extra.weight\)"),
        (with_another_shape, r"another shape \(conv1.0.weight: \(1, 3, 3, 3\)"),
    ],
)
def test_weights_that_do_not_fit_give_one_line(tmp_path, change, message):
    save_file(change(network(1).state_dict()), tmp_path / "w.safetensors")
    with pytest.raises(BadArtifactError, match=message) as caught:
        create(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


class Trap:
    """Would run code if its pickle were read."""

    def __reduce__(self):
        return sys.exit, (13,)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("none.pth", lambda path: None, "there is no such file"),
        ("trap.pth", lambda path: torch.save({"w": Trap()}, path), "holds code"),
        ("text.pth", lambda path: path.write_text("hello"), "text or something else"),
        ("empty.pth", lambda path: path.touch(), "is empty"),
        ("text.safetensors", lambda path: path.write_text("hello, world"), "damaged"),
        ("numbers.pth", lambda path: torch.save([1, 2], path), "without tensors by name"),
        ("mixed.pth", lambda path: torch.save({"a": 1}, path), "without tensors by name"),
    ],
)
def test_a_bad_weights_file_gives_one_line(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(BadArtifactError, match=message) as caught:
        create(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def fail(*_args, **_kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    monkeypatch.setattr(
        pretrained.huggingface_hub, "try_to_load_from_cache", lambda *_args, **_kwargs: None
    )


def test_offline_the_imagenet_weights_are_asked_for_in_one_line(offline):
    with pytest.raises(AssetError, match="cannot be downloaded") as caught:
        detectors.create("resnet50", weights="imagenet", device="cpu")
    assert "--weights FILE" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_in_the_cache_need_no_network(offline, monkeypatch, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(network(1000).state_dict(), path)
    monkeypatch.setattr(
        pretrained.huggingface_hub, "try_to_load_from_cache", lambda *_args, **_kwargs: str(path)
    )
    loaded = detectors.create(NAME, weights="imagenet", input_size=32, device="cpu")
    start = create(path)
    assert loaded.fingerprint() == start.fingerprint()


def test_a_network_without_published_weights_is_refused():
    name = sorted(set(timm.list_models()) - {n.partition(".")[0] for n in timm.list_pretrained()})[
        0
    ]
    with pytest.raises(AssetError, match="no ImageNet weights"):
        pretrained.imagenet_file(name)


def original_names(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Undoes the renaming by hand, from the structure of the original network."""
    tensors = {}
    place = {}
    for stage, blocks in enumerate(network.blocks):
        for block in range(len(blocks)):
            place[f"{stage}.{block}"] = len(place)
    plain = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    full = {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    }
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    for key, value in network.state_dict().items():
        parts = key.split(".")
        if parts[0] == "blocks":
            names = plain if parts[1] == "0" else full
            number = place[f"{parts[1]}.{parts[2]}"]
            tensors[".".join(["_blocks", str(number), names[parts[3]], *parts[4:]])] = value
        else:
            tensors[".".join([{**outer, "classifier": "_fc"}[parts[0]], *parts[1:]])] = value
    return tensors


def test_original_names_of_efficientnet_lite_become_those_of_timm(tmp_path):
    lite0 = timm.create_model(pretrained.LITE, num_classes=1000)
    path = tmp_path / "lite.pth"
    torch.save(original_names(lite0), path)
    loaded = detectors.create("light", weights=path, device="cpu").network.state_dict()
    own = lite0.state_dict()
    assert all(torch.equal(loaded[k], own[k]) for k in own if not k.startswith("classifier"))
    assert loaded["classifier.weight"].shape == (1, 1280)


@pytest.mark.assets
def test_efficientnet_lite_computes_what_the_original_code_computes(asset):
    """The figures were printed by the code that these weights were published with."""
    lite0 = timm.create_model(pretrained.LITE)
    tensors = weights.read(asset("efficientnet-lite0"))
    lite0.load_state_dict(pretrained.rename_lite(tensors, lite0))
    y, x = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
    picture = torch.stack([torch.sin(7 * x + 3 * y), torch.cos(5 * x * y), torch.tanh(4 * y - x)])
    with torch.inference_mode():
        logits = lite0.eval()(picture[None])[0]
    expected = [-0.896723, 1.858506, -0.541414, -1.200011, 0.758007, 0.593996]
    torch.testing.assert_close(logits[:6], torch.tensor(expected), atol=1e-4, rtol=0)
    assert logits.argmax() == 644
    assert logits.max().item() == pytest.approx(6.922894, abs=1e-4)


def names_of_mobile_sam(network):
    """timm's weights of a TinyViT as MobileSAM's file calls them, written down by hand."""
    tensors = {"image_encoder.neck.0.weight": torch.ones(2), "mask_decoder.x": torch.ones(3)}
    for key, value in network.state_dict().items():
        if key.startswith("head."):
            continue
        old = key.replace("patch_embed.conv1.", "patch_embed.seq.0.")
        old = old.replace("patch_embed.conv2.", "patch_embed.seq.2.").replace(".conv.", ".c.")
        if old.startswith("stages."):
            _, number, rest = old.split(".", 2)
            number = int(number) - rest.startswith("downsample.")
            old = f"layers.{number}.{rest}"
        tensors[f"image_encoder.{old}"] = value
    return tensors


def test_the_encoder_of_mobile_sam_becomes_a_tiny_vit(tmp_path):
    network = timm.create_model("tiny_vit_5m_224", num_classes=1)
    path = tmp_path / "mobile_sam.pt"
    torch.save(names_of_mobile_sam(network), path)
    loaded = detectors.create("tiny_vit_5m_224", weights=path, device="cpu", seed=5)
    own, got = network.state_dict(), loaded.network.state_dict()
    assert all(torch.equal(got[key], own[key]) for key in own if not key.startswith("head."))
    assert loaded(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).shape == (1,)


def test_mobile_sam_in_another_network_is_refused(tmp_path):
    network = timm.create_model("tiny_vit_5m_224", num_classes=1)
    torch.save(names_of_mobile_sam(network), tmp_path / "mobile_sam.pt")
    with pytest.raises(BadArtifactError):
        detectors.create("resnet18", weights=tmp_path / "mobile_sam.pt", device="cpu")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("xception", "legacy_xception"),
        ("tf_efficientnet_b4_ns", "tf_efficientnet_b4.ns_jft_in1k"),
        ("convnext_tiny_in22ft1k", "convnext_tiny.fb_in22k_ft_in1k"),
    ],
)
def test_names_that_timm_gave_up_are_known(old, new):
    assert backbones.timm_name(old).partition(".")[0] == new.partition(".")[0]


def test_imagenet_weights_of_the_whole_network_start_its_first_stages(tmp_path, monkeypatch):
    whole = timm.create_model("test_efficientnet", num_classes=10).state_dict()
    save_file(whole, tmp_path / "whole.safetensors")
    monkeypatch.setattr(pretrained, "imagenet_file", lambda _name: tmp_path / "whole.safetensors")
    cut = detectors.create("test_efficientnet:2", weights="imagenet", input_size=32, device="cpu")
    kept = {k: v for k, v in cut.network.state_dict().items() if not k.startswith("classifier")}
    assert kept
    assert all(torch.equal(whole[key], value) for key, value in kept.items())
