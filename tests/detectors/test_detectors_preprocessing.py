import numpy as np
import pytest
import timm
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from demagnify import detectors
from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.detectors import Preprocessing, backbones

NAME = "test_resnet"


def photographs(height: int, width: int) -> torch.Tensor:
    """Soft pictures: on noise alone, every way of resizing rounds in its own way."""
    noise = np.random.default_rng(5).integers(0, 256, (2, height // 4, width // 4, 3))
    return torch.from_numpy(
        np.stack(
            [
                np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC))
                for one in noise.astype(np.uint8)
            ]
        )
    ).permute(0, 3, 1, 2)


@pytest.fixture
def checkpoint(tmp_path):
    def write(outputs: int, prefix: str = ""):
        network = backbones.build(NAME, input_size=160, outputs=outputs)
        tensors = {f"{prefix}{key}": value for key, value in network.state_dict().items()}
        save_file(tensors, tmp_path / "mine.safetensors")
        return network.eval()

    write.path = tmp_path / "mine.safetensors"
    return write


@pytest.mark.parametrize(("height", "width"), [(160, 160), (100, 100), (240, 320), (180, 170)])
def test_a_timm_network_sees_what_timm_would_show_it(checkpoint, height, width):
    network = checkpoint(1)
    detector = detectors.load_detector(
        f"timm:{NAME}@weights={checkpoint.path}", device="cpu", precision="float32"
    )
    config = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**config, is_training=False)
    images = photographs(height, width)
    shown = torch.stack(
        [transform(Image.fromarray(one)) for one in images.permute(0, 2, 3, 1).numpy()]
    )
    torch.testing.assert_close(detector.prepare(images), shown, atol=0.02, rtol=0)
    torch.testing.assert_close(detector(images), network(shown)[:, 0], atol=2e-3, rtol=0)


def test_a_created_detector_resizes_as_its_network_is_used_to_but_crops_nothing():
    for name, interpolation in (("resnet50", "bilinear"), ("light", "bicubic")):
        resizing = detectors.create(name, device="cpu").resizing
        assert (resizing.interpolation, resizing.crop_pct) == (interpolation, 1.0)
    assert detectors.create(NAME, input_size=None, device="cpu").input_size == 160


@pytest.mark.parametrize("prefix", ["", "backbone.", "model."])
def test_two_outputs_become_one_logit_and_survive_saving(checkpoint, tmp_path, prefix):
    network = checkpoint(2, prefix)
    images = photographs(160, 160)
    options = {"weights": checkpoint.path, "head": "two-logit", "threshold": 0.25, "crop_pct": 1.0}
    detector = detectors.load_detector(
        f"timm:{NAME}", device="cpu", precision="float32", labels=["Fake", "Real"], **options
    )
    pair = network(detector.prepare(images))
    torch.testing.assert_close(detector(images), pair[:, 0] - pair[:, 1])
    detector.save(tmp_path / "saved", {})
    loaded = detectors.load_detector(tmp_path / "saved", device="cpu", precision="float32")
    assert torch.equal(loaded(images), detector(images))
    assert (loaded.threshold, loaded.fingerprint()) == (0.25, detector.fingerprint())


@pytest.mark.parametrize(
    ("outputs", "options", "message"),
    [
        (1000, "", "tells 1000 classes apart"),
        (2, "", "head=two-logit and fake_index=1"),
        (2, "@head=two-logit", "fake_index=0 or fake_index=1"),
        (2, "@head=logit", "has 2 outputs, but head=logit needs 1"),
        (1, "@head=two-logit@fake_index=1", "has 1 output, but head=two-logit"),
        (1, "@layout=NCHW", "has no option 'layout'"),
        (1, "@input_size=[160,128]", "only square ones"),
    ],
)
def test_a_checkpoint_that_is_no_detector_is_refused_in_one_line(
    checkpoint, outputs, options, message
):
    checkpoint(outputs)
    with pytest.raises(BadConfigError, match=message) as caught:
        detectors.load_detector(f"timm:{NAME}@weights={checkpoint.path}{options}", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_bare_imagenet_network_is_no_detector(checkpoint):
    with pytest.raises(BadConfigError, match=r"no detector .*train-detector --backbone"):
        detectors.load_detector(f"timm:{NAME}", device="cpu")
    with pytest.raises(UnknownNameError, match="did you mean"):
        detectors.load_detector("timm:resnet5O@weights=x.pth", device="cpu")
    with pytest.raises(BadArtifactError, match="no such file"):
        detectors.load_detector(f"timm:{NAME}@weights=x.pth", device="cpu")
    checkpoint(1)
    with pytest.raises(BadArtifactError, match="does not fit the network"):
        detectors.load_detector(f"timm:test_vit@weights={checkpoint.path}", device="cpu")


def test_levels_are_ordered_ranged_and_scaled():
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 255
    caffe = Preprocessing(range=(0, 255), mean=(104, 117, 123), channels="bgr")
    assert caffe(red)[0, :, 0, 0].tolist() == [-104.0, -117.0, 132.0]
    assert Preprocessing(range=(-1, 1))(red)[0, :, 0, 0].tolist() == [1.0, -1.0, -1.0]
    assert Preprocessing(mean=0.5, std=0.25)(red)[0, :, 0, 0].tolist() == [2.0, -2.0, -2.0]


@pytest.mark.parametrize(
    "wrong", [{"mean": 123.0}, {"std": 0.0}, {"range": (1, 0)}, {"size": 0}, {"crop_pct": 1.5}]
)
def test_preprocessing_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Preprocessing(**wrong)
