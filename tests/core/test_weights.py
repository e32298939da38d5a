"""Which of the weights in a checkpoint are read: averaged before raw, the network's own names."""

import argparse
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from demagnify.core import weights
from demagnify.core.errors import BadArtifactError, DemagnifyWarning

NAMES = ("conv.weight", "conv.bias", "fc.weight")


def table(value: float, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: torch.full((2,), value) for name in NAMES}


def raw(prefix: str = "") -> dict[str, torch.Tensor]:
    return table(1.0, prefix)


def averaged(prefix: str = "") -> dict[str, torch.Tensor]:
    return table(2.0, prefix)


def written(tmp_path, content) -> Path:
    torch.save(content, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


AVERAGED = {
    "timm": {"state_dict": raw(), "state_dict_ema": averaged()},
    "the other way round": {"state_dict_ema": averaged(), "state_dict": raw()},
    "torch": {"model": raw(), "model_ema": averaged(), "optimizer": {"x": torch.ones(1)}},
    "convnext": {"model": raw(), "model_ema": averaged("module."), "epoch": 3},
    "basicsr": {"params": raw(), "params_ema": averaged()},
    "lightning's callback": {
        "state_dict": raw("model."),
        "callbacks": {"EMA": {"ema_state_dict": averaged("model.")}, "ModelCheckpoint": {"a": 1}},
    },
    "another callback": {
        "state_dict": raw("model."),
        "callbacks": {"WeightKeeper{'decay': 0.9}": {"ema_weights": averaged("model.")}},
    },
    "hyphen": {"params": raw(), "params-ema": averaged()},
    "generators": {"net_g": raw(), "net_g_ema": averaged(), "net_d": averaged("d.")},
    "stylegan": {"g": raw(), "g_ema": averaged(), "d": averaged("x."), "latent_avg": torch.ones(1)},
    "plain": {"model": raw(), "ema": averaged()},
    "nested": {"ema": {"state_dict": averaged(), "decay": 0.99}, "model": {"state_dict": raw()}},
    "inside": {"model": {"state_dict": raw(), "state_dict_ema": averaged()}},
    "shadow": {"network": raw(), "EMA": {"decay": 0.9, "shadow": averaged()}},
    "camel": {"netG": raw(), "netGEMA": averaged()},
    "one table": {"state_dict": {**raw("model."), **averaged("model_ema.")}},
    "one table of copies": {**averaged("ema_model.module."), **raw("online_model.")},
    "without dots": {
        **raw("model."),
        **{f"model_ema.{name.replace('.', '')}": value for name, value in averaged().items()},
    },
}


@pytest.mark.parametrize("kind", AVERAGED)
def test_averaged_weights_go_before_raw_ones(tmp_path, kind):
    read = weights.read(written(tmp_path, AVERAGED[kind]))
    read = weights.fitting(read, NAMES, Path("mine.pth"))
    assert sorted(read) == sorted(NAMES)
    assert all((value == 2.0).all() for value in read.values())


def test_a_layer_that_is_called_ema_is_a_layer():
    content = {**raw("stem."), "ema.weight": torch.ones(3), "block.ema.bias": torch.ones(3)}
    assert list(weights.choose(content)) == list(content)


def test_buffers_come_from_the_raw_network_where_only_parameters_were_averaged(tmp_path):
    content = {"model": {**raw(), "norm.running_mean": torch.ones(1)}, "model_ema": averaged()}
    read = weights.read(written(tmp_path, content))
    assert set(read) == {*NAMES, "norm.running_mean"}
    assert (read["fc.weight"] == 2.0).all()


def test_averaged_weights_without_names_are_told():
    content = {"model": raw(), "ema": {"decay": 0.9, "shadow_params": [torch.ones(2)]}}
    with pytest.warns(DemagnifyWarning, match="have no names"):
        assert (weights.choose(content)["fc.weight"] == 1.0).all()


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "module._orig_mod.model.", "model.module.backbone.", "net_g."),
        *("_orig_mod.net_g.module.", "student.", "model.net.network.", "anything.else."),
    ],
)
def test_prefixes_come_off_in_any_order(tmp_path, prefix):
    read = weights.read(written(tmp_path, {"state_dict": raw(prefix)}))
    assert sorted(weights.fitting(read, NAMES, Path("x"))) == sorted(NAMES)


def test_a_prefix_before_some_names_comes_off_too():
    mixed = {"model.backbone.conv.weight": 1, "model._orig_mod.conv.bias": 2, "model.fc.weight": 3}
    tensors = {key: torch.tensor(value) for key, value in mixed.items()}
    assert list(weights.fitting(tensors, NAMES, Path("x"))) == list(NAMES)


@pytest.mark.parametrize(
    "entry", ["criterion.pos_weight", "loss_fn.weight", "train_acc.tp", "n_averaged"]
)
def test_entries_of_a_training_are_left_out_with_a_note(entry):
    tensors = {**raw("model."), entry: torch.ones(1)}
    with pytest.warns(DemagnifyWarning, match=f"such as {entry}"):
        assert sorted(weights.fitting(tensors, NAMES, Path("x"))) == sorted(NAMES)


def test_settings_and_numbers_beside_weights_are_no_code(tmp_path):
    content = {
        "model": raw(),
        "args": argparse.Namespace(lr=0.1, out=Path("x"), more=argparse.Namespace(a=[1])),
        "opt": types.SimpleNamespace(a=1),
        "best": np.float64(0.5),
        "epoch": np.int64(3),
        "curve": np.ones(3, np.float32),
        "flag": np.bool_(True),
    }
    assert list(weights.read(written(tmp_path, content))) == list(NAMES)


def test_two_networks_of_which_none_is_named_are_refused(tmp_path):
    with pytest.raises(BadArtifactError, match="without tensors by name"):
        weights.read(written(tmp_path, {"first": raw(), "second": averaged()}))


def test_a_flipped_byte_of_the_numbers_is_noticed(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.arange(64.0)}, path)
    data = bytearray(path.read_bytes())
    place = bytes(data).index(torch.arange(64.0).numpy().tobytes())
    data[place + 90] ^= 64
    path.write_bytes(data)
    with pytest.raises(BadArtifactError, match=r"checksum of .*/data/0 is wrong"):
        weights.read(path)


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10**7))
    with pytest.raises(BadArtifactError, match="is packed, and would take 9 MiB"):
        weights.read(path)


def test_shadow_weights_are_averaged_ones(tmp_path):
    torch.save(
        {"params": {"a": torch.zeros(1)}, "shadow": {"a": torch.ones(1)}}, tmp_path / "a.pth"
    )
    assert weights.read(tmp_path / "a.pth") == {"a": torch.ones(1)}


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.complex64])
def test_quantised_weights_are_refused(kind, tmp_path):
    content = {"a.weight": torch.ones(2, 3).to(kind), "a.bias": torch.zeros(2)}
    with pytest.raises(BadArtifactError, match=r"holds a\.weight as .* not as floating-point"):
        weights.read(written(tmp_path, content))


def test_whole_numbers_beside_the_weights_are_no_harm(tmp_path):
    content = {"a.weight": torch.ones(2, 3), "relative_position_index": torch.ones(2, 2).long()}
    assert set(weights.read(written(tmp_path, content))) == set(content)
