"""Our own checkpoints: safetensors and JSON, no pickle.

Two shapes:

* An **artifact** is a finished thing that is kept and shared (a detector, a defence): a folder
  with `weights.safetensors` and `card.json`. The card says what it is, how it was made and what
  it reaches, and holds the SHA-256 of the weights, so that a mixed-up pair is noticed, and its own.
* A **training state** is what a killed training continues from: one safetensors file with the
  tensors and, as JSON in its header, everything else. One file, so that replacing it is atomic.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from demagnify.core.documents import parse_json, read_json
from demagnify.core.errors import BadArtifactError, DemagnifyWarning
from demagnify.core.files import atomic_folder, atomic_path, sha256, sweep_dead
from demagnify.core.sealed import ANEW, SEAL, unsealed, write_sealed

if TYPE_CHECKING:  # torch is imported where tensors are read or written: cards need none
    import torch

SCHEMA_VERSION: Final = 2
_UNSEALED_VERSION: Final = 1
"""Of cards that have no checksum of their own yet."""
_STATE_VERSION: Final = 1
WEIGHTS: Final = "weights.safetensors"
HUB_WEIGHTS: Final = "model.safetensors"
"""What the weights are called in a folder for the Hugging Face hub."""
CARD: Final = "card.json"
_HEADER: Final = "demagnify"
HEAD: Final = frozenset({"kind", "schema_version", "weights_sha256"})
"""What `save` puts into every card by itself."""

Tensors: TypeAlias = "dict[str, torch.Tensor]"
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A checkpoint as read from disk.

    Attributes:
        kind: What it is: "detector", "defense".
        tensors: The weights by name, on the CPU.
        card: Everything else, as in `card.json`.
    """

    kind: str
    tensors: Tensors
    card: Json


def save(
    folder: Path,
    kind: str,
    tensors: Mapping[str, torch.Tensor],
    card: Mapping[str, Any],
    *,
    weights_name: str = WEIGHTS,
) -> None:
    """Writes an artifact; what stood at `folder` is replaced in one step.

    Args:
        folder: Where it shall stand.
        kind: What it is, checked again by `load`.
        tensors: The weights by name.
        card: What JSON can hold: configuration, metrics, training data, limits.
        weights_name: The file of the weights, or `HUB_WEIGHTS`.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    from safetensors.torch import save_file

    with atomic_folder(folder) as temporary:
        weights = temporary / weights_name
        with atomic_path(weights) as unfinished:
            save_file(_contiguous(tensors), unfinished)
        head = {
            "kind": kind,
            "schema_version": SCHEMA_VERSION,
            "weights_sha256": sha256(weights),
        }
        write_sealed(temporary / CARD, {**head, **card, **head})


def load(folder: Path, kind: str) -> Artifact:
    """Reads an artifact of `kind`.

    Raises:
        BadArtifactError: If it is missing, damaged, a pickle, of another kind or version, or its
            weights are not those of its card.
    """
    card = load_card(folder)
    if card["kind"] != kind:
        raise BadArtifactError(f"{folder} holds a {card['kind']}, not a {kind}")
    weights = weights_of(folder)
    if not weights.is_file():
        raise BadArtifactError(f"{weights}: there is no such file")
    tensors, _ = _read_safetensors(weights)
    if sha256(weights) != card["weights_sha256"]:
        raise BadArtifactError(
            f"{weights} is not the file that {CARD} describes (SHA-256 differs)",
            hint="copy the whole folder again",
        )
    return Artifact(kind=kind, tensors=tensors, card=card)


def weights_of(folder: Path) -> Path:
    """Returns the file of an artifact's weights, which the hub calls otherwise."""
    other = folder / HUB_WEIGHTS
    usual = folder / WEIGHTS
    return other if other.is_file() and not usual.is_file() else usual


def kind_of(folder: Path) -> str:
    """Returns of what kind the artifact in `folder` is, without reading its weights.

    Raises:
        BadArtifactError: If there is no readable card.
    """
    return str(load_card(folder)["kind"])


def check_same(found: object, wanted: Mapping[str, Any], folder: Path) -> None:
    """Checks that a finished artifact is the result of this very training.

    Args:
        found: The identity in its card: everything that its training depended on.
        wanted: The identity of this training.
        folder: Its folder, for messages.

    Raises:
        BadArtifactError: If it is not; the message names the keys that differ.
    """
    old = found if isinstance(found, dict) else {}
    differing = [key for key in wanted if old.get(key) != wanted[key]]
    if differing:
        raise BadArtifactError(
            f"{folder} belongs to another training: {', '.join(differing)} differ",
            hint="choose another output folder, or delete this one to start anew",
        )


def save_state(path: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Writes a training state: one file, replaced in one step, safe against `kill -9`."""
    from safetensors.torch import save_file

    content, text = _contiguous(tensors), json.dumps(state)
    header = {
        "schema_version": str(_STATE_VERSION),
        "state": text,
        "sha256": _digest(content, text),
    }
    with atomic_path(path) as temporary:
        # One entry: safetensors writes several in another order each time.
        save_file(content, temporary, metadata={_HEADER: json.dumps(header)})


def load_state(path: Path, *, verify: bool = True) -> tuple[Tensors, Json]:
    """Reads a training state as `save_state` wrote it.

    Args:
        path: The file.
        verify: Whether its content is checked; not where the caller has finer checksums.

    Raises:
        BadArtifactError: If it is missing, damaged, a pickle, or of another version.
    """
    if not path.is_file():
        raise BadArtifactError(f"{path}: there is no such file")
    sweep_dead(path.parent)
    tensors, metadata = _read_safetensors(path)
    try:
        header = parse_json(metadata[_HEADER]) if _HEADER in metadata else metadata
    except ValueError as error:
        raise BadArtifactError(f"{path} is damaged: {error}", hint="train again") from error
    if not isinstance(header, dict) or not isinstance(header.get("state"), str):
        raise BadArtifactError(f"{path} holds weights, but no training state")
    _check_version(path, header.get("schema_version"), _STATE_VERSION)
    if verify and header.get("sha256") != _digest(tensors, header["state"]):
        raise BadArtifactError(
            f"{path} is damaged: its content has another SHA-256 than it names",
            hint="delete it to start again",
        )
    try:
        state: Json = parse_json(header["state"])
    except ValueError as error:
        raise BadArtifactError(f"{path} is damaged: {error}", hint="train again") from error
    return tensors, state


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Returns an optimizer's moments by "parameter.moment"; its settings are not among them."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": v for index, moments in state.items() for key, v in moments.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restores the moments that `optimizer_tensors` returned."""
    import torch

    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        # Fused optimizers walk through memory: moments must lie as their parameter does.
        fits = tensor.shape == like.shape
        placed = torch.empty_like(like).copy_(tensor) if fits else tensor
        state.setdefault(int(index), {})[key] = placed
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _digest(tensors: Mapping[str, torch.Tensor], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    update_digest(digest, tensors)
    return digest.hexdigest()


def update_digest(digest: hashlib._Hash, tensors: Mapping[str, torch.Tensor]) -> None:
    """Adds names, types, shapes and values of tensors to a digest."""
    import torch

    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)


def load_card(folder: Path) -> Json:
    """Reads the card in a folder, without its weights.

    Raises:
        BadArtifactError: If there is no readable card.
    """
    if folder.is_file():
        _refuse_pickle(folder)
        raise BadArtifactError(
            f"{folder} is a file, not a folder with {CARD} and {WEIGHTS}",
            hint="give the folder that demagnify wrote",
        )
    path = folder / CARD
    try:
        card = read_json(path)
    except FileNotFoundError as error:
        raise BadArtifactError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise BadArtifactError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(card, dict) or not set(card) >= HEAD:
        raise BadArtifactError(f"{path} is not a card that demagnify wrote")
    if card["schema_version"] == _UNSEALED_VERSION and SEAL not in card:
        warnings.warn(
            f"{path} was written by an older demagnify: it has no SHA-256, and damage to it is not "
            "noticed",
            DemagnifyWarning,
            stacklevel=2,
        )
        return card
    _check_version(path, card["schema_version"], SCHEMA_VERSION)
    try:
        return unsealed(card)
    except ValueError as error:
        raise BadArtifactError(
            f"{path}: {error}", hint=f"copy it again, or {ANEW} {CARD}"
        ) from None


def _check_version(path: Path, version: object, wanted: int) -> None:
    if str(version) != str(wanted):
        raise BadArtifactError(
            f"{path} has schema version {version}; this demagnify reads {wanted}",
            hint="use the demagnify that wrote it, or train again",
        )


def _read_safetensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    _refuse_pickle(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise BadArtifactError(
            f"{path} is damaged or cut off: {error}", hint="copy it again, or train again"
        ) from error


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as file:
        magic, _length, header = file.read(2), file.read(6), file.read(1)
    # A safetensors file begins with a length, which may look like this too; then comes JSON.
    looks = magic in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    if looks and header != b"{":
        raise BadArtifactError(
            f"{path} is a pickle (.pt, .pth), which can run code when read; it was not opened",
            hint="demagnify loads safetensors only",
        )


def _contiguous(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies to contiguous CPU memory: safetensors refuses shared or strided storage."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
