"""Files of weights as networks are published: tensors by name, and never code.

One reader for detectors and super-resolution networks. Training scripts wrap weights in many ways;
here is what counts:

* Averaged (EMA) weights go before raw ones, wherever both are there, as in timm and BasicSR.
* The network that makes images goes before its discriminator.
* `module.`, `_orig_mod.`, `model.`, `backbone.`, `net_g.` and the like before the names are taken
  off in any order; `without_prefixes` and `fitting` find the form that fits a network.
* Pickles are read by torch's unpickler for tensors, which also passes numbers and settings
  (argparse.Namespace, NumPy's scalars, paths). Anything else that is code is refused.
"""

from __future__ import annotations

import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from demagnify.core.errors import BadArtifactError, DemagnifyWarning
from demagnify.core.files import check_regular

Weights = dict[str, torch.Tensor]

_SAFETENSORS: Final = ".safetensors"
_PICKLE: Final = b"\x80"
_GIT_LFS: Final = b"version https://git-lfs"
_CODE_IN_ZIP: Final = "/constants.pkl"
"""A part of every TorchScript archive, and of no other."""

_UNREADABLE: Final = (
    *(OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, TypeError),
    *(AttributeError, IndexError, AssertionError, OverflowError, MemoryError, ImportError),
    *(zipfile.BadZipFile, NotImplementedError, struct.error),
)
"""What torch and safetensors raise for damaged files."""
_FORBIDDEN: Final = re.compile(r"GLOBAL (?P<what>[\w.]+)|[Uu]nsupported class (?P<kind>[\w.]+)")

_EMA: Final = re.compile(
    r"(?i)(?:^|[._-]|(?<=[a-z])(?=EMA))ema(?:$|[._-])|^ema|averaged|^swa|^shadow"
)
_NOT_IT: Final = re.compile(
    r"(?i)^(?:optim|opt$|sched|lr_|scaler|amp|net_?d\b|net_?d_|d$|d_|disc|critic|loss|crit|metric)"
)
"""Names under which training scripts keep other things than the network."""
_UNPACKED, _SMALL = 4, 2**20
"""How much larger than its file the content of an archive may be: torch does not compress."""
_NETWORKS: Final = (
    *("net_g", "netG", "generator", "G", "g", "params", "state_dict", "model_state_dict"),
    *("model", "network", "net", "module", "weights", "sd", "shadow", "teacher"),
)
"""Names under which they keep the network, the first that is there counts."""
_CALLBACKS: Final = "callbacks"
_LEFT_OUT: Final = re.compile(
    r"(?i)(?:^|\.)(?:\w*loss\w*|criterion\w*|crit\w*|metrics?|\w*_(?:acc|auc|accuracy|auroc)|lpips"
    r"|perceptual|n_averaged|net_?d|discriminator|optimizer)(?:\.|$)"
)
"""Names of entries that belong to a training, not to a network."""
_WRAPPERS: Final = frozenset(
    {
        *("module", "_orig_mod", "model", "backbone", "net_g", "netG", "network", "net"),
        *("generator", "encoder", "detector", "timm_model", "base_model", "classifier_model"),
    }
)


class _Inert(dict[Any, Any]):
    """Stands for settings in a checkpoint: takes whatever is given, does nothing."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__()

    def __setstate__(self, _state: object) -> None:
        """Drops the content."""


_SETTINGS: Final = (
    *("argparse.Namespace", "types.SimpleNamespace", "pathlib.PosixPath", "pathlib.WindowsPath"),
    *("pathlib.PurePosixPath", "pathlib.PureWindowsPath", "pathlib.Path", "datetime.datetime"),
    *("pathlib._local.PosixPath", "pathlib._local.WindowsPath", "datetime.timedelta"),
    *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "builtins.slice"),
    *("omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "omegaconf.nodes.AnyNode"),
    *("typing.Any", "easydict.EasyDict", "yacs.config.CfgNode", "addict.addict.Dict"),
    *("lightning_fabric.utilities.data.AttributeDict", "mmengine.config.config.ConfigDict"),
    *("pytorch_lightning.utilities.parsing.AttributeDict", "collections.defaultdict"),
    *("ml_collections.config_dict.config_dict.ConfigDict", "uuid.UUID", "decimal.Decimal"),
)
"""Classes of settings, none of which is imported: each is read as an `_Inert`."""


def _safe() -> list[Any]:
    multiarray = "numpy._core.multiarray", "numpy.core.multiarray"
    scalar, rebuild = np._core.multiarray.scalar, np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    numbers = [(scalar, f"{where}.scalar") for where in multiarray]
    arrays = [(rebuild, f"{where}._reconstruct") for where in multiarray]
    kinds = {type(np.dtype(code)) for code in np.typecodes["All"]}
    return [
        *((_Inert, name) for name in _SETTINGS),
        *numbers,
        *arrays,
        *kinds,
        np.dtype,
        np.ndarray,
    ]


def read(path: Path) -> Weights:
    """Reads a file of weights: safetensors by its suffix, anything else as torch saves it.

    Args:
        path: The file.

    Returns:
        Tensors by name, taken out of what training scripts wrap them in, averaged ones first.

    Raises:
        BadArtifactError: If the file is missing, damaged, or holds something else.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mine.pth"
        >>> raw, averaged = {"a": torch.zeros(1)}, {"a": torch.ones(1)}
        >>> torch.save({"state_dict": raw, "state_dict_ema": averaged}, path)
        >>> read(path)
        {'a': tensor([1.])}
    """
    _check_kind(path)
    try:
        loaded = load_file(path) if path.suffix.lower() == _SAFETENSORS else _unpickled(path)
        weights = choose(loaded)
    except pickle.UnpicklingError as error:
        raise BadArtifactError(
            f"{path} was not loaded: {_forbidden(error)}",
            hint="save network.state_dict() alone, or give a Python function that makes the "
            "network, as package.module:function",
        ) from error
    except RecursionError as error:
        raise BadArtifactError(f"{path} is damaged: it is nested too deep") from error
    except _UNREADABLE as error:
        raise BadArtifactError(
            f"{path} is damaged or no file of weights: {_first_sentence(error)}"
        ) from error
    if not weights:
        raise BadArtifactError(
            f"{path} holds a {type(loaded).__name__} without tensors by name",
            hint="save network.state_dict()",
        )
    quantised = next((key for key, one in weights.items() if _is_quantised(key, one)), None)
    if quantised is not None:
        raise BadArtifactError(
            f"{path} holds {quantised} as {str(weights[quantised].dtype).removeprefix('torch.')}, "
            "not as floating-point numbers",
            hint="save the weights before they were quantised",
        )
    return weights


def _is_quantised(key: str, value: torch.Tensor) -> bool:
    return key.endswith("weight") and value.ndim > 1 and not value.is_floating_point()


def choose(loaded: object) -> Weights:
    """Takes the network's weights out of whatever a checkpoint holds; see the top of this module.

    Args:
        loaded: What was read.

    Returns:
        Tensors by name; empty if there are none.

    Example:
        >>> choose({"net_d": {"x": torch.ones(1)}, "net_g": {"a": torch.ones(1)}, "epoch": 3})
        {'a': tensor([1.])}
    """
    if not isinstance(loaded, Mapping):
        return {}
    inner = {
        key: value
        for key, value in loaded.items()
        if isinstance(key, str) and isinstance(value, Mapping) and not _NOT_IT.search(key)
    }
    inner |= _of_callbacks(inner.pop(_CALLBACKS, {}))
    raw = next((found for key in _NETWORKS if (found := choose(inner.get(key)))), {})
    for key in filter(_EMA.search, inner):
        if averaged := choose(inner[key]):
            return _completed(averaged, raw)
    if raw:
        if odd := [key for key in loaded if isinstance(key, str) and _EMA.search(key)]:
            _note_unnamed(odd[0], loaded[odd[0]])
        return raw
    flat = {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    if flat:
        return _averaged({k: v.detach() for k, v in flat.items() if isinstance(k, str)})
    tables = [weights for value in inner.values() if (weights := choose(value))]
    return tables[0] if len(tables) == 1 else {}


def _of_callbacks(callbacks: Mapping[object, object]) -> dict[str, Mapping[object, object]]:
    """Returns what callbacks of PyTorch Lightning hold under names of averaged weights."""
    tables = [value for value in callbacks.values() if isinstance(value, Mapping)]
    return {
        key: value
        for table in (callbacks, *tables)
        for key, value in table.items()
        if isinstance(key, str) and isinstance(value, Mapping) and _EMA.search(key)
    }


def _note_unnamed(key: str, value: object) -> None:
    if isinstance(value, Mapping) and any(isinstance(one, list | tuple) for one in value.values()):
        warnings.warn(
            f"the averaged weights in {key!r} have no names; the raw ones are read",
            DemagnifyWarning,
            stacklevel=4,
        )


def _completed(averaged: Weights, raw: Weights) -> Weights:
    """Adds the buffers of the raw network where only parameters were averaged."""
    return {**raw, **averaged} if set(averaged) < set(raw) else averaged


def _averaged(weights: Weights) -> Weights:
    """Returns the averaged copy where a table holds the same names twice, as `model_ema.conv`."""
    heads = {key.partition(".")[0] for key in weights}
    for head in sorted(filter(_EMA.search, heads)):
        copy = {
            key.partition(".")[2].removeprefix("module."): value
            for key, value in weights.items()
            if key.startswith(f"{head}.")
        }
        others = {k: v for k, v in weights.items() if not k.startswith(f"{head}.")}
        for bare in without_prefixes(others):
            undotted = {key.replace(".", ""): key for key in bare}
            named = {undotted.get(key.replace(".", ""), ""): value for key, value in copy.items()}
            named.pop("", None)
            if 2 * len(named) > len(copy) and len(named) * 2 >= len(undotted):
                return {**bare, **named}
    return weights


def without_prefixes(weights: Weights) -> Iterator[Weights]:
    """Yields weights as they are, then with one common part before all names after another gone.

    Entries of a training, such as those of a loss, have no say.

    Example:
        >>> names = {"module.model.a": torch.ones(1), "loss.weight": torch.ones(1)}
        >>> [list(one) for one in without_prefixes(names)][-1]
        ['a']
    """
    yield weights
    bare = {key: value for key, value in weights.items() if not _LEFT_OUT.search(key)}
    if bare and len(bare) < len(weights):
        yield bare
    while len({key.partition(".")[0] for key in bare}) == 1 and all("." in key for key in bare):
        bare = {key.partition(".")[2]: value for key, value in bare.items()}
        yield bare
    yield {_unwrapped(key): value for key, value in bare.items()}


def fitting(
    weights: Weights,
    names: Collection[str],
    path: Path,
    rename: Callable[[Weights], Weights] = lambda weights: weights,
) -> Weights:
    """Returns weights under a network's own names, as far as taking prefixes off can do it.

    Entries of a training that the network does not have are left out, with a note.

    Args:
        weights: As `read` returns them.
        names: Those of the network's own weights.
        path: For the note.
        rename: Gives weights of another code base the network's names.

    Example:
        >>> fitting({"module.net.a": torch.ones(1)}, ["a"], Path("mine.pth"))
        {'a': tensor([1.])}
    """
    known = set(names)
    best = max(map(rename, without_prefixes(weights)), key=lambda one: len(known & set(one)))
    if not known & set(best):
        return weights
    odd = [key for key in weights if _LEFT_OUT.search(key) and _unwrapped(key) not in known]
    if odd and not known >= set(odd):
        warnings.warn(
            f"{path}: entries of a training, such as {odd[0]}, are left out",
            DemagnifyWarning,
            stacklevel=3,
        )
    return {key: value for key, value in best.items() if key in known or not _LEFT_OUT.search(key)}


def _unwrapped(key: str) -> str:
    parts = [part for part in key.split(".") if part != "_orig_mod"]
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return ".".join(parts)


def _unpickled(path: Path) -> object:
    with warnings.catch_warnings(), torch.serialization.safe_globals(_safe()):
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _check_kind(path: Path) -> None:
    """Refuses by their first bytes what users take for weights."""
    if not os.path.exists(path):  # noqa: PTH110  Path raises if it is too long
        raise BadArtifactError(f"{path}: there is no such file")
    if path.is_dir():
        raise BadArtifactError(f"{path} is a folder", hint="give the file of weights in it")
    try:
        check_regular(path)
    except OSError as error:
        raise BadArtifactError(f"{path}: {error.strerror}") from error
    with path.open("rb") as file:
        head = file.read(256)
    if not head:
        raise BadArtifactError(f"{path}: the file is empty")
    if head.startswith(_GIT_LFS):
        raise BadArtifactError(
            f"{path} only points to weights that Git LFS keeps", hint="run git lfs pull"
        )
    if head.lstrip().startswith(b"<"):
        raise BadArtifactError(f"{path} is a web page, not weights", hint="download it again")
    if path.suffix.lower() == _SAFETENSORS:
        return
    if _is_zip(path):
        _check_archive(path)
    elif not head.startswith((_PICKLE, b"PK")):
        raise BadArtifactError(f"{path} is no file of network weights, but text or something else")


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except _UNREADABLE:  # a damaged end; torch says the rest
        return False


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            whole = sum(part.file_size for part in parts)
            if whole > _UNPACKED * path.stat().st_size + _SMALL:
                raise BadArtifactError(
                    f"{path} is packed, and would take {whole >> 20} MiB of memory"
                )
            broken = archive.testzip()
    except _UNREADABLE as error:
        raise BadArtifactError(f"{path} is damaged: {_first_sentence(error)}") from error
    if broken:
        raise BadArtifactError(
            f"{path} is damaged: the checksum of {broken} is wrong", hint="copy it again"
        )
    names = [part.filename for part in parts]
    if any(name.endswith(_CODE_IN_ZIP) for name in names):
        raise BadArtifactError(
            f"{path} is a TorchScript program, which is not run from a file",
            hint="write network = torch.jit.load(FILE) into a Python file of your own, and give "
            "it as package.module:network",
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise BadArtifactError(f"{path} is a zip archive without weights", hint="unpack it first")


def _forbidden(error: Exception) -> str:
    """What torch refused to make."""
    match = _FORBIDDEN.search(str(error))
    if match is None:
        return "it is damaged, or holds more than weights"
    return f"beside weights it holds code, {match['what'] or match['kind']}"


def _first_sentence(error: BaseException) -> str:
    """The rest of the message is advice on how to run foreign code."""
    return str(error).strip().split("\n", 1)[0].split(". ", 1)[0] or type(error).__name__
