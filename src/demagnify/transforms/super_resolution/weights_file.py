"""Files of weights as networks are published: tensors by name, and never code."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from spandrel import canonicalize_state_dict

from demagnify.core.errors import BadArtifactError

SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt", ".safetensors"})

Weights = dict[str, torch.Tensor]

_SAFETENSORS: Final = ".safetensors"
_PICKLE: Final = b"\x80"
_GIT_LFS: Final = b"version https://git-lfs"
_CODE_IN_ZIP: Final = "/constants.pkl"
"""A part of every TorchScript archive, and of no other."""

_GENERATORS: Final = ("params_ema", "g_ema", "netG", "net_g", "generator")
"""Under which training code keeps the network that enlarges, beside others."""

_UNREADABLE: Final = (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError)
_FORBIDDEN: Final = re.compile(r"GLOBAL (?P<what>[\w.]+)|[Uu]nsupported class (?P<kind>[\w.]+)")


def read(path: Path) -> Weights:
    """Reads a `.pth`, `.pt`, `.ckpt` or `.safetensors` file.

    Pickles are read by torch's unpickler that makes tensors and nothing else.

    Returns:
        Tensors by name, taken out of what training code wraps them in.

    Raises:
        BadArtifactError: If the file is missing, damaged, or holds something else.
    """
    _check_kind(path)
    try:
        is_pickle = path.suffix.lower() != _SAFETENSORS
        loaded = _unpickled(path) if is_pickle else load_file(path)
    except pickle.UnpicklingError as error:
        raise BadArtifactError(
            f"{path} was not loaded: {_forbidden(error)}",
            hint="save network.state_dict() alone, or give a Python function that makes the "
            "network, as package.module:function",
        ) from error
    except _UNREADABLE as error:
        raise BadArtifactError(
            f"{path} is damaged or no file of weights: {_first_sentence(error)}"
        ) from error
    return _table(loaded, path)


def _unpickled(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _check_kind(path: Path) -> None:
    """Refuses by their first bytes what users take for weights."""
    if not os.path.exists(path):  # noqa: PTH110  Path raises if it is too long
        raise BadArtifactError(f"{path}: there is no such file")
    if path.is_dir():
        raise BadArtifactError(f"{path} is a folder", hint="give the file of weights in it")
    if path.suffix.lower() not in SUFFIXES:
        raise BadArtifactError(
            f"{path} is no file of network weights",
            hint=f"use one of {', '.join(sorted(SUFFIXES))}, .onnx, ncnn's .param beside its "
            ".bin, or a Python function as package.module:function",
        )
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
    if zipfile.is_zipfile(path):
        _check_archive(path)
    elif not head.startswith((_PICKLE, b"PK")):
        raise BadArtifactError(f"{path} is no file of network weights, but text or something else")


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(_CODE_IN_ZIP) for name in names):
        raise BadArtifactError(
            f"{path} is a TorchScript program, which is not run from a file",
            hint="write network = torch.jit.load(FILE) into a Python file of your own, and give "
            "it as package.module:network",
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise BadArtifactError(f"{path} is a zip archive without weights", hint="unpack it first")


def _table(loaded: Any, path: Path) -> Weights:  # noqa: ANN401  whatever a file holds
    """Takes the tensors by name out of what was loaded."""
    if isinstance(loaded, dict):
        wrapped = (loaded[key] for key in _GENERATORS if isinstance(loaded.get(key), dict))
        inner = next(wrapped, loaded)
        if all(isinstance(key, str) for key in inner):
            named = canonicalize_state_dict(inner)
            weights = {k: v for k, v in named.items() if isinstance(v, torch.Tensor)}
            if weights:
                return weights
    raise BadArtifactError(
        f"{path} holds a {type(loaded).__name__} without tensors by name",
        hint="save network.state_dict()",
    )


def _forbidden(error: Exception) -> str:
    """What torch refused to make."""
    match = _FORBIDDEN.search(str(error))
    if match is None:
        return "it is damaged, or holds more than weights"
    return f"beside weights it holds code, {match['what'] or match['kind']}"


def _first_sentence(error: Exception) -> str:
    """The rest of the message is advice on how to run foreign code."""
    return str(error).strip().split("\n", 1)[0].split(". ", 1)[0] or type(error).__name__
