"""Attacks by name, and from files of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from demagnify import assets
from demagnify.errors import BadConfigError
from demagnify.registry import Registry

if TYPE_CHECKING:
    from demagnify.attacks.base import Attack
    from demagnify.attacks.networks.network import Network
    from demagnify.devices import Precision

# torch, spandrel and h5py are imported when an attack is made, so that names are cheap.

Format = Literal["spandrel", "ncnn", "keras"]


@dataclass(frozen=True)
class Published:
    """A published super-resolution network among the assets, under the same name.

    Attributes:
        scale: By how much it enlarges.
        format: How its file is read.
    """

    scale: int
    format: Format


@dataclass(frozen=True)
class Control:
    """An attack without a network.

    Attributes:
        scale: By how much it shrinks; None if it does not.
    """

    scale: int | None


ATTACKS: Final[Registry[Published | Control]] = Registry("attack")
ATTACKS.add("none", Control(None))
for _scale in (2, 3, 4):
    ATTACKS.add(f"bicubic-x{_scale}", Control(_scale))
for _scale in (2, 3, 4):
    ATTACKS.add(f"realesr-compact-x{_scale}", Published(_scale, "ncnn"))
ATTACKS.add("realesrgan-x4plus", Published(4, "ncnn"))
ATTACKS.add("srresnet-x4", Published(4, "keras"))
ATTACKS.add("srgan-x4", Published(4, "keras"))
for _scale in (2, 3, 4):
    ATTACKS.add(f"dat-light-x{_scale}", Published(_scale, "spandrel"))


def names() -> list[str]:
    """Returns the names of the attacks that `create` knows."""
    return list(ATTACKS)


def create(
    name: str | Path,
    *,
    scale: int | None = None,
    device: str = "auto",
    precision: Precision = "float32",
) -> Attack:
    """Makes an attack; a published network is fetched and loaded when it is first used.

    Args:
        name: One of `names()`, the same without "-x2" where `scale` is given, or the path of a
            `.pth`, `.ckpt` or `.safetensors` file with any network that spandrel loads.
        scale: Checked against the network's own; None takes that.
        device: Where the network computes: "auto", "cpu", "cuda".
        precision: See `SuperResolutionAttack`.

    Raises:
        UnknownNameError: If the name is neither known nor a file.
        BadConfigError: If the network has another scale, or the device does not exist.
        BadArtifactError: If the file is no super-resolution network for RGB images.
    """
    if isinstance(name, Path) or (name not in ATTACKS and _looks_like_file(name)):
        return _from_file(Path(name), scale, device, precision)
    if scale is not None and name not in ATTACKS and f"{name}-x{scale}" in ATTACKS:
        name = f"{name}-x{scale}"
    entry = ATTACKS.get(name)
    _check_scale(name, entry.scale, scale)
    if isinstance(entry, Control):
        return _control(entry)
    return _published(name, entry, device, precision)


def _looks_like_file(name: str) -> bool:
    return "/" in name or Path(name).suffix.lower() in (".pth", ".ckpt", ".safetensors", ".pt")


def _check_scale(name: str, own: int | None, asked: int | None) -> None:
    if asked is not None and asked != own:
        has = "does not change the size" if own is None else f"enlarges by {own}"
        raise BadConfigError(f"{name} {has}, not by {asked}", hint="leave the scale out")


def _control(entry: Control) -> Attack:
    from demagnify.attacks.controls import BicubicAttack, NoAttack

    return NoAttack() if entry.scale is None else BicubicAttack(entry.scale)


def _published(name: str, entry: Published, device: str, precision: Precision) -> Attack:
    from demagnify.attacks.super_resolution import SuperResolutionAttack

    return SuperResolutionAttack(
        lambda: _reader(entry.format)(assets.fetch(name)),
        scale=entry.scale,
        name=name,
        identity=f"{name} {assets.digest(name)}",
        device=device,
        precision=precision,
    )


def _reader(kind: Format) -> Callable[[Path], Network]:
    if kind == "ncnn":
        from demagnify.attacks.networks import ncnn

        return ncnn.load
    if kind == "keras":
        from demagnify.attacks.networks import srgan_keras

        return srgan_keras.load
    from demagnify.attacks.networks import spandrel

    return spandrel.load


def _from_file(path: Path, scale: int | None, device: str, precision: Precision) -> Attack:
    from demagnify.attacks.networks import spandrel
    from demagnify.attacks.super_resolution import SuperResolutionAttack
    from demagnify.files import sha256

    network = spandrel.load(path)
    _check_scale(path.name, network.scale, scale)
    return SuperResolutionAttack(
        lambda: network,
        scale=network.scale,
        name=path.stem,
        identity=f"file {sha256(path)}",
        device=device,
        precision=precision,
    )
