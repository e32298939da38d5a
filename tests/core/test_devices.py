import pytest
import torch

from demagnify.core import devices
from demagnify.core.errors import BadConfigError

CPU = torch.device("cpu")


def test_auto_is_a_gpu_where_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert devices.pick_device("auto").type == expected
    assert devices.pick_device().type == expected
    assert devices.pick_device("cpu") == CPU


@pytest.mark.parametrize("name", ["", "gpu", "cuda:99", "cpu:x", "nonsense:0", "meta"])
def test_a_device_that_is_not_there_is_told_in_one_line(name):
    with pytest.raises(BadConfigError, match="not available here") as caught:
        devices.pick_device(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("bfloat16", True)])
def test_an_explicit_precision_is_kept(precision, expected):
    assert devices.computes_in_bfloat16(CPU, precision) is expected


def test_auto_follows_the_processor(monkeypatch):
    for capable in (True, False):
        monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda capable=capable: capable)
        assert devices.computes_in_bfloat16(CPU, "auto") is capable


@pytest.mark.parametrize("precision", ["float16", "bf16", "", None])
def test_an_unknown_precision_is_refused(precision):
    with pytest.raises(BadConfigError, match="precision is one of"):
        devices.computes_in_bfloat16(CPU, precision)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_autocast_computes_in_the_precision(precision, dtype):
    layer = torch.nn.Linear(4, 4)
    with devices.autocast(CPU, precision):
        assert layer(torch.zeros(1, 4)).dtype == dtype
    assert layer(torch.zeros(1, 4)).dtype == torch.float32
