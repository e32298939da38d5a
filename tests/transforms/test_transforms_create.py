"""Attacks by name and from files."""

import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from torch import nn

from demagnify.core.errors import BadArtifactError, BadConfigError, UnknownNameError
from demagnify.transforms import create, create_attack


def compact(scale: int = 2, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return Compact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=2, upscale=scale)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save({"params": compact().state_dict()}, path)
    return path


def test_names_are_cheap():
    code = (
        "import sys; from demagnify.transforms import ATTACKS; "
        "sys.exit('torch' in sys.modules or 'h5py' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_family_and_a_scale_make_a_name():
    assert create_attack("bicubic", scale=3).name == "bicubic-x3"
    assert create_attack("bicubic-x3", scale=3).name == "bicubic-x3"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bicubic-x4", "not by 2"),
        ("identity", "has no option"),
        ("jpeg-90", "has no option"),
        ("srgan-x4@k3", "another scale"),
        ("srgan-x4+jpeg-90", "chain"),
        ("srgan-x4@up-then-down", "shrinks back by the same"),
    ],
)
def test_a_scale_that_contradicts_the_name_is_refused(name, reason):
    with pytest.raises(BadConfigError, match=reason):
        create_attack(name, scale=2)


@pytest.mark.parametrize("name", ["srgan-x44", "dat-light", "bicubik-4", "jpg"])
def test_an_unknown_name_is_answered_with_the_closest(name):
    with pytest.raises(UnknownNameError, match="did you mean"):
        create(name)


@pytest.mark.parametrize("form", [".pth", ".safetensors"])
def test_a_file_of_weights_makes_an_attack(weights, form):
    if form == ".safetensors":
        weights = weights.with_suffix(form)
        save_file(compact().state_dict(), weights)
    attack = create_attack(str(weights), scale=2, device="cpu")
    images = torch.randint(0, 256, (2, 3, 33, 40)).to(torch.uint8)
    assert attack.name == "mine"
    assert attack(images).shape == images.shape
    assert create(weights, device="cpu").fingerprint() == attack.fingerprint()


def test_other_weights_in_a_file_have_another_fingerprint(weights):
    before = create(weights, device="cpu").fingerprint()
    torch.save({"params": compact(scale=3).state_dict()}, weights)
    assert create(weights, device="cpu").fingerprint() != before


def test_images_may_shrink_by_more_than_the_file_enlarges(weights):
    images = torch.randint(0, 256, (2, 3, 64, 70)).to(torch.uint8)
    attack = create_attack(weights, scale=4, device="cpu")
    assert attack.name == "mine@k4"
    assert attack(images).shape == images.shape
    assert attack.fingerprint() != create(weights, device="cpu").fingerprint()


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


def _evil(path):
    path.write_bytes(pickle.dumps(Evil()))


def _evil_inside(path):
    torch.save({"params": Evil()}, path)


def _unknown_network(path):
    torch.save(nn.Linear(3, 3).state_dict(), path)


def _grey(path):
    torch.save(compact(channels=1).state_dict(), path)


def _cut_off(path):
    torch.save(compact().state_dict(), path)
    path.write_bytes(path.read_bytes()[:2000])


def _no_dictionary(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (_evil, "damaged, or holds more"),
        (_evil_inside, "holds code, "),
        (_unknown_network, "knows no super-resolution network"),
        (_grey, "1 channels"),
        (_cut_off, "damaged"),
        (_no_dictionary, "without tensors by name"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("no weights"), "no file of network weights"),
        (lambda path: None, "no such file"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, write, reason):
    path = tmp_path / "mine.pth"
    write(path)
    with pytest.raises(BadArtifactError, match=reason) as caught:
        create(path, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"12345678901234567890")
    with pytest.raises(BadArtifactError, match="damaged"):
        create(path, device="cpu")


@pytest.mark.parametrize("name", ["models/mine", "mine.onnx", "mine.pth"])
def test_another_kind_of_file_is_refused(name):
    with pytest.raises((BadArtifactError, UnknownNameError)):
        create(name)
