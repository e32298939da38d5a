"""Files that users give as networks: wrapped in all ways, damaged, and something else."""

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from torch import nn

from demagnify.core import weights as weights_file
from demagnify.core.errors import BadArtifactError, UnknownNameError
from demagnify.transforms import create


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2).state_dict()


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in weights().items()}


def transposed(value: torch.Tensor) -> torch.Tensor:
    """The same values, laid out the other way round in memory."""
    return value.mT.contiguous().mT if value.ndim > 1 else value


def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 33, 41), generator=generator).to(torch.uint8)


WRAPPED = {
    "plain": weights,
    "params": lambda: {"params": weights(), "iter": 5},
    "average": lambda: {"params": {"x": torch.ones(1)}, "params_ema": weights()},
    "parallel": lambda: {"params": prefixed("module.")},
    "compiled": lambda: prefixed("_orig_mod."),
    "lightning": lambda: {"state_dict": prefixed("generator.model."), "epoch": 3},
    "adversarial": lambda: {"netG": weights(), "netD": {"x.weight": torch.zeros(2)}},
    "parameters": lambda: {k: nn.Parameter(v) for k, v in weights().items()},
    "transposed": lambda: {k: transposed(v) for k, v in weights().items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_weights_are_found_in_whatever_wraps_them(tmp_path, wrapped):
    torch.save(weights(), tmp_path / "plain.pth")
    torch.save(WRAPPED[wrapped](), tmp_path / "mine.pth")
    plain, mine = (create(tmp_path / f"{name}.pth") for name in ("plain", "mine"))
    assert torch.equal(plain(pictures()), mine(pictures()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_any_precision_are_computed_with_in_float32(tmp_path, dtype, suffix):
    path = tmp_path / f"mine{suffix}"
    stored = {name: value.to(dtype) for name, value in weights().items()}
    save_file(stored, path) if suffix == ".safetensors" else torch.save(stored, path)
    attack = create(path, device="cpu")
    assert {weight.dtype for weight in attack.network.module.parameters()} == {torch.float32}
    assert attack(pictures()).shape == pictures().shape


class Command:
    """Would run a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("exit 1",)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "x")


def half(path: Path) -> None:
    torch.save(weights(), path)
    path.write_bytes(path.read_bytes()[:2000])


def unfinished(path: Path) -> None:
    torch.save({k: torch.full_like(v, torch.nan) for k, v in weights().items()}, path)


OTHERS = {
    "text": (lambda path: path.write_text("hello"), "text or something else"),
    "page": (lambda path: path.write_text("\n<!DOCTYPE html>"), "is a web page"),
    "pointer": (lambda path: path.write_text("version https://git-lfs.x/1\n"), "git lfs pull"),
    "empty": (Path.touch, "is empty"),
    "folder": (Path.mkdir, "is a folder"),
    "missing": (lambda path: None, "no such file"),
    "archive": (archive, "zip archive"),
    "half": (half, "damaged"),
    "command": (lambda path: torch.save({"a": Command()}, path), "holds code, posix.system"),
    "object": (lambda path: torch.save(nn.Linear(2, 2), path), "holds code, torch.nn.modules"),
    "tensor": (lambda path: torch.save(torch.zeros(3), path), "a Tensor without tensors by name"),
    "numbers": (lambda path: torch.save({1: torch.zeros(3)}, path), "without tensors by name"),
    "nan": (unfinished, "no finite number"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_network_is_told_in_one_line(tmp_path, other):
    write, reason = OTHERS[other]
    path = tmp_path / "mine.pth"
    write(path)
    with pytest.raises(BadArtifactError, match=reason) as caught:
        create(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["net@2.pth", "a+b.pth", "ü 网.pth", "UP.PTH", "a.b:c.pth", "none"]
)
def test_a_path_is_a_file_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    torch.save(weights(), name)
    if name == "none":  # also the name of an attack
        with pytest.raises(BadArtifactError, match="no file of network weights"):
            create(Path(name))
        return
    expected = create(name)(pictures())
    assert torch.equal(create(Path(name))(pictures()), expected)


@pytest.mark.parametrize("name", ["network.h5", "some-folder"])
def test_what_is_there_but_no_network_is_told_as_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError):
        create(name)
    (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir()
    with pytest.raises(BadArtifactError, match=name):
        create(name)


def test_a_name_that_is_too_long_for_a_file_is_told(tmp_path):
    with pytest.raises(BadArtifactError, match="no such file"):
        create("x" * 5000 + ".pth")


def test_tensors_alone_are_taken_out_of_a_checkpoint(tmp_path):
    torch.save({"state_dict": {"a.weight": torch.ones(2), "epoch": 3}}, tmp_path / "x.ckpt")
    assert list(weights_file.read(tmp_path / "x.ckpt")) == ["a.weight"]
