import json

import numpy as np
import pytest
import torch

from demagnify import detectors
from demagnify.core import artifacts
from demagnify.core import images as image_files
from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.core.sealed import read_sealed, write_sealed
from demagnify.detectors import Detector


def photographs(count: int, height: int, width: int) -> torch.Tensor:
    """Smooth pictures: on noise, resizing is all rounding."""
    y, x = torch.meshgrid(torch.linspace(0, 6, height), torch.linspace(0, 6, width), indexing="ij")
    waves = [torch.sin(x * (n + 1)) + torch.cos(y * (n + 2)) for n in range(3 * count)]
    return (torch.stack(waves).view(count, 3, height, width) * 60 + 127).to(torch.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 50), (17, 16)])
def test_resizes_as_image_files_are_resized(tiny, height, width):
    detector = tiny()
    batch = photographs(2, height, width)
    pillow = [image_files.fit(pixels, 32) for pixels in image_files.from_batch(batch)]
    ours = detector.prepare(batch) * detector.std + detector.mean
    difference = (ours * 255 - image_files.to_batch(pillow)).abs()
    assert difference.max() < 1.01
    assert difference.mean() < 0.05


def test_scales_to_the_mean_and_spread_of_the_backbone():
    detector = detectors.create("light", input_size=32, device="cpu")
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    prepared = detector.prepare(black_and_white.expand(2, 3, 32, 32))
    assert prepared[0].unique().tolist() == [-1.0]
    assert prepared[1].unique().tolist() == [1.0]
    assert prepared.is_contiguous(memory_format=torch.channels_last)


def test_an_image_of_the_right_size_is_not_resampled(tiny):
    detector = tiny()
    batch = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    restored = (detector.prepare(batch) * detector.std + detector.mean) * 255
    assert torch.equal(restored.round().to(torch.uint8), batch)


def test_saved_and_loaded_it_gives_the_same_bits(tiny, tmp_path):
    detector = tiny()
    detector.threshold = -1.25
    batch = photographs(3, 32, 32)
    detector.save(tmp_path / "d", {"note": "for a test"})
    loaded = detectors.load_detector(tmp_path / "d", device="cpu", precision="float32")
    assert torch.equal(loaded.logits(batch), detector.logits(batch))
    assert loaded.threshold == -1.25
    assert loaded.name == "test_efficientnet"
    assert loaded.fingerprint() == detector.fingerprint()
    assert not loaded.training


def test_stored_in_half_it_is_half_the_size_and_nearly_the_same(tiny, tmp_path):
    detector = tiny()
    batch = photographs(3, 32, 32)
    detector.save(tmp_path / "whole", {})
    detector.save(tmp_path / "half", {}, half=True)
    whole, half = ((tmp_path / n / artifacts.WEIGHTS).stat().st_size for n in ("whole", "half"))
    assert half < 0.6 * whole
    loaded = detectors.load_detector(tmp_path / "half", device="cpu", precision="float32")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.logits(batch), detector.logits(batch), atol=0.05, rtol=0)


def test_card_names_its_kind(tiny, tmp_path):
    tiny().save(tmp_path / "d", {"validation": {"val_auc": 0.9}})
    card = json.loads((tmp_path / "d" / artifacts.CARD).read_text())
    assert card["kind"] == "detector"
    assert card["detector"]["backbone"] == "test_efficientnet"
    assert card["detector"]["input_size"] == 32
    assert card["validation"] == {"val_auc": 0.9}


def test_a_loaded_detector_keeps_its_card_and_its_new_threshold_wins(tiny, tmp_path):
    tiny().save(tmp_path / "first", {"history": [1, 2]})
    detector = detectors.load_detector(tmp_path / "first", device="cpu")
    assert detector.card["history"] == [1, 2]
    detector.threshold = 0.75
    detector.save(tmp_path / "second", detector.card)
    again = detectors.load_detector(tmp_path / "second", device="cpu")
    assert again.threshold == 0.75
    assert again.card["history"] == [1, 2]


def edit_card(folder, **changes):
    path = folder / artifacts.CARD
    card = read_sealed(path)
    card["detector"].update(changes)
    write_sealed(path, card)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"backbone": "nonsense"}, UnknownNameError, "nonsense"),
        ({"backbone": "hf-hub:someone/something"}, UnknownNameError, "hf-hub"),
        ({"backbone": "test_resnet"}, BadArtifactError, "does not fit the network"),
        ({"input_size": "big"}, BadArtifactError, "detector.input_size"),
        ({"mean": [0.5]}, BadArtifactError, "detector.mean"),
        ({"threshold": None}, BadArtifactError, "detector.threshold"),
        ({"surprise": 1}, BadArtifactError, "detector.surprise"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_in_one_line(tiny, tmp_path, changes, error, message):
    tiny().save(tmp_path / "d", {})
    edit_card(tmp_path / "d", **changes)
    with pytest.raises(error, match=message) as caught:
        detectors.load_detector(tmp_path / "d", device="cpu")
    assert "\n" not in str(caught.value)


def test_fingerprint_follows_what_the_logits_depend_on(tiny):
    detector = tiny()
    first = detector.fingerprint()
    detector.threshold = 3.0
    assert detector.fingerprint() == first
    assert tiny(seed=1).fingerprint() != first
    detector.precision = "bfloat16"
    assert detector.fingerprint() != first
    with torch.no_grad():
        next(detector.parameters()).add_(0.01)
    detector.precision = "float32"
    assert detector.fingerprint() != first


def test_a_broken_network_is_refused(tiny):
    detector = tiny()
    with torch.no_grad():
        next(detector.parameters()).fill_(float("nan"))
    with pytest.raises(BadConfigError, match="2 of 2 logits"):
        detector.logits(photographs(2, 32, 32))


def test_bfloat16_keeps_apart_what_differs_little():
    detector = detectors.create("test_resnet", input_size=32, device="cpu", precision="bfloat16")
    batch = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (64, 3, 32, 32), dtype=np.uint8)
    )
    logits = detector.logits(batch)
    assert logits.dtype == torch.float32
    assert logits.unique().numel() == 64


def test_gradients_reach_the_weights(tiny):
    detector = tiny()
    detector(photographs(2, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in detector.parameters())


def test_faces_are_classified_by_a_custom_detector_class(tiny, striped_faces):
    class Doubled(Detector):
        def score(self, images: torch.Tensor) -> torch.Tensor:
            return 2 * super().score(images)

    plain = tiny()
    settings = dict(plain.about())
    doubled = Doubled(plain.network, **settings, precision="float32").eval()
    faces = striped_faces(3, 3, seed=0)
    torch.testing.assert_close(doubled.logits(faces), 2 * plain.logits(faces))
