"""Folders of Hugging Face's transformers as detectors, against that package itself."""

import json

import pytest
import torch

from demagnify import detectors
from demagnify.core.errors import BadArtifactError, BadConfigError

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 32}
LABELS = {0: "Deepfake", 1: "Realism"}


def saved(folder, kind, labels=LABELS):
    """Saves a small network with random weights; returns it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    ids = {name: number for number, name in labels.items()}
    if kind == "vit":
        made = transformers.ViTConfig(
            **SMALL, patch_size=8, intermediate_size=48, id2label=labels, label2id=ids
        )
    else:
        made = transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], id2label=labels, label2id=ids
        )
    network = transformers.AutoModelForImageClassification.from_config(made).eval()
    network.save_pretrained(folder)
    processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "resample": 2}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**processor, "image_std": [0.5] * 3})
    )
    return network


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_logits_are_those_of_transformers(tmp_path, kind):
    network = saved(tmp_path, kind, {0: "Deepfake", 1: "Original"})
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        fake, real = network((images / 255 - 0.5) / 0.5).logits.T
    detector = detectors.load_detector(tmp_path, device="cpu")
    torch.testing.assert_close(detector.logits(images), fake - real, atol=1e-5, rtol=1e-5)


def test_names_of_outputs_that_say_nothing_need_an_option(tmp_path):
    saved(tmp_path, "vit", {0: "LABEL_0", 1: "LABEL_1"})
    with pytest.raises(BadConfigError, match="fake_index"):
        detectors.load_detector(tmp_path, device="cpu")
    assert detectors.load_detector(f"{tmp_path}@fake_index=1", device="cpu").head.fake_index == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "vit", "id2label": {"0": "a", "1": "b", "2": "c"}}, "3 classes"),
        ({"model_type": "vit", "id2label": {"0": "real", "1": "fake"}}, "holds neither"),
        ([], "no JSON object"),
    ],
)
def test_what_is_no_detector_is_told_in_one_line(tmp_path, config, said):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises((BadArtifactError, BadConfigError), match=said):
        detectors.load_detector(tmp_path, device="cpu")
