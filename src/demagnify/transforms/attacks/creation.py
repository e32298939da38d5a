"""Making attacks from specs: names, files of weights, Python functions, and chains of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demagnify.core import assets
from demagnify.core.errors import BadConfigError
from demagnify.core.imports import PATTERN
from demagnify.transforms.attacks.registry import (
    ATTACKS,
    Bicubic,
    Entry,
    Filters,
    Format,
    Jpeg,
    Published,
)
from demagnify.transforms.attacks.spec import (
    OPTION_SIGN,
    VARIANTS,
    Link,
    Variant,
    check_shrink,
    parse,
)

if TYPE_CHECKING:
    from demagnify.core.devices import Precision
    from demagnify.transforms.attacks.base import Attack
    from demagnify.transforms.super_resolution.network import Network

# torch, spandrel and h5py are imported when an attack is made, so that names are cheap.

_FILE_SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt", ".safetensors", ".param", ".onnx"})
_BICUBIC: Final = re.compile(r"bicubic-x(\d+(?:\.\d+)?)")
_FILTERS: Final = re.compile(r"filters-([a-z-]+)")
_JPEG: Final = re.compile(r"jpeg-(\d+)(-444)?")


@dataclass(frozen=True)
class _Where:
    """On which device, and in which precision, networks compute."""

    device: str
    precision: Precision


def create(
    spec: str | Path,
    *,
    scale: float | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    variant: Variant | None = None,
) -> Attack:
    """Makes an attack; a published network is fetched and loaded when it is first used.

    Args:
        spec: What to make; see `demagnify.transforms.attacks.spec`. One of `names()`, a file of
            weights that spandrel loads, "package.module:function", each with options
            ("srgan-x4@k2"), or a chain of them ("srgan-x4+jpeg-75+srgan-x4"). A `Path` is always
            one file.
        scale: By how much images are shrunk; None takes the network's own scale. With a family's
            name it chooses the network: "dat-light" and 3 make "dat-light-x3".
        device: Where the networks compute: "auto", "cpu", "cuda".
        precision: See `SuperResolutionAttack`.
        variant: In which order images are resized; None for what `spec` says, else "as-found".

    Returns:
        The attack. Its `name` is the spec in its shortest form; of a file it is the file's stem.

    Raises:
        UnknownNameError: If a name is neither known nor a file.
        BadConfigError: If the spec cannot be read, an option does not suit the attack, scale or
            variant is given for a chain, or the device does not exist.
        BadArtifactError: If a file is no network for RGB images.
    """
    where = _Where(device, precision)
    links = _links(spec)
    if len(links) > 1:
        if scale is not None or variant is not None:
            raise BadConfigError(
                f"{spec} is a chain, which has no scale or variant of its own",
                hint=f"say it where it belongs, like {links[0].base}@k2@up-then-down",
            )
        from demagnify.transforms.attacks.chain import Chain

        return Chain([_make(link, where) for link in links])
    link = links[0]
    if variant is not None:
        link = _with_variant(link, variant)
    if scale is not None:
        link = _with_scale(link, scale)
    return _make(link, where)


def _links(spec: str | Path) -> tuple[Link, ...]:
    if isinstance(spec, Path):
        # With a folder before it, so that no file is taken for a name.
        return (Link(os.path.join(".", spec)),)  # noqa: PTH118  a Path drops the "."
    if _looks_like_file(spec) and os.path.isfile(spec):  # noqa: PTH113  raises if it is too long
        return (Link(spec),)
    return parse(spec)


def _with_variant(link: Link, variant: Variant) -> Link:
    if variant not in VARIANTS:
        raise BadConfigError(
            f"no variant is called {variant!r}", hint=f"known: {', '.join(VARIANTS)}"
        )
    if link.variant not in (variant, Link.variant):
        raise BadConfigError(f"{link} says another variant than {variant}", hint="give one of them")
    return replace(link, variant=variant)


def _with_scale(link: Link, scale: float) -> Link:
    check_shrink(scale, link.base)
    family = f"{link.base}-x{scale:g}"
    if link.base not in ATTACKS and (family in ATTACKS or _BICUBIC.fullmatch(family)):
        return replace(link, base=family)
    if link.shrink not in (None, scale):
        raise BadConfigError(f"{link} says another scale than {scale:g}", hint="give one of them")
    return replace(link, shrink=scale)


def _make(link: Link, where: _Where) -> Attack:
    entry = _entry(link.base)
    if entry is None and PATTERN.fullmatch(link.base) and not _looks_like_file(link.base):
        return _from_function(link, where)
    if entry is None and _looks_like_file(link.base):
        return _from_file(link, where)
    if entry is None:
        entry = ATTACKS.get(link.base)
    if isinstance(entry, Published):
        return _published(link, entry, where)
    return _control(link, entry)


def _entry(base: str) -> Entry | None:
    """Returns what a name stands for, also one that is made of a family and a number."""
    if base in ATTACKS:
        return ATTACKS.get(base)
    if match := _BICUBIC.fullmatch(base):
        return Bicubic(float(match[1]))
    if match := _JPEG.fullmatch(base):
        return Jpeg(int(match[1]), full_colour=match[2] is not None)
    if match := _FILTERS.fullmatch(base):
        return Filters(match[1])
    return None


def _looks_like_file(base: str) -> bool:
    named = "/" in base or "\\" in base or Path(base).suffix.lower() in _FILE_SUFFIXES
    return named or os.path.exists(base)  # noqa: PTH110  raises if it is too long


def _control(link: Link, entry: Entry) -> Attack:
    from demagnify.transforms.attacks.controls import BicubicAttack, JpegAttack, NoAttack
    from demagnify.transforms.attacks.filters import FilterAttack

    if isinstance(entry, Bicubic):
        if link.shrink not in (None, entry.scale):
            raise BadConfigError(
                f"{link.base} enlarges by {entry.scale:g}, not by {link.shrink:g}",
                hint=f"write bicubic-x{link.shrink:g}",
            )
        link = replace(link, shrink=None)
        _refuse(link, feeding=True)
        return BicubicAttack(entry.scale, variant=link.variant, name=str(link))
    _refuse(link, feeding=True, resizing=True)
    if isinstance(entry, Jpeg):
        return JpegAttack(entry.quality, subsampling="4:4:4" if entry.full_colour else "4:2:0")
    if isinstance(entry, Filters):
        return FilterAttack(None if entry.kind is None else [entry.kind])
    return NoAttack()


def _refuse(link: Link, *, feeding: bool = False, resizing: bool = False) -> None:
    """Refuses options that would do nothing."""
    plain = Link(link.base)
    if resizing and (link.shrink, link.variant) != (plain.shrink, plain.variant):
        raise BadConfigError(
            f"{link.base} does not change the size of images", hint="leave scale and variant out"
        )
    if feeding and link.feeding != plain.feeding:
        raise BadConfigError(
            f"{link.base} has no network to feed", hint=f"leave {OPTION_SIGN}{link.feeding} out"
        )


def _published(link: Link, entry: Published, where: _Where) -> Attack:
    return _super_resolution(
        link,
        lambda: _reader(entry.format, entry.scale)(assets.fetch(entry.asset)),
        where,
        scale=entry.scale,
        label=link.base,
        identity=f"{link.base} {assets.digest(entry.asset)}",
    )


def _from_file(link: Link, where: _Where) -> Attack:
    from demagnify.core.files import sha256

    path = Path(link.base)
    network, files = _read_file(path, where.device)
    return _super_resolution(
        link,
        lambda: network,
        where,
        scale=network.scale,
        label=path.stem,
        identity=f"file {' '.join(sha256(file) for file in files)}",
        bfloat16=network.bfloat16,
    )


def _read_file(path: Path, device: str) -> tuple[Network, list[Path]]:
    """Returns the network in a user's file, and the files that it is in."""
    if path.suffix.lower() == ".onnx":
        from demagnify.transforms.super_resolution import onnx

        return onnx.load(path, device=device)
    if path.suffix.lower() == ".param":
        from demagnify.transforms.super_resolution import ncnn

        binary = path.with_suffix(".bin")
        return ncnn.read(path, binary), [path, binary]
    from demagnify.transforms.super_resolution import spandrel

    return spandrel.load(path), [path]


def _from_function(link: Link, where: _Where) -> Attack:
    from demagnify.transforms.attacks.functions import load

    network, identity = load(link.base)
    return _super_resolution(
        link, lambda: network, where, scale=network.scale, label=link.base, identity=identity
    )


def _super_resolution(
    link: Link,
    load: Callable[[], Network],
    where: _Where,
    *,
    scale: int,
    label: str,
    identity: str,
    bfloat16: bool = True,
) -> Attack:
    from demagnify.transforms.attacks.super_resolution import SuperResolutionAttack

    if link.shrink == scale:
        link = replace(link, shrink=None)
    if link.variant == "up-then-down" and link.shrink is not None:
        raise BadConfigError(
            f"{link}: up-then-down enlarges by the network's scale and shrinks back by the same",
            hint=f"leave the scale out, or give {scale}",
        )
    return SuperResolutionAttack(
        load,
        scale=scale,
        name=f"{label}{link.options}",
        identity=identity,
        shrink=link.shrink,
        variant=link.variant,
        feeding=link.feeding,
        bfloat16=bfloat16,
        device=where.device,
        precision=where.precision,
    )


def _reader(kind: Format, scale: int) -> Callable[[Path], Network]:
    if kind == "ncnn":
        from demagnify.transforms.super_resolution import ncnn

        return ncnn.load
    if kind == "keras":
        from demagnify.transforms.super_resolution import srgan_keras

        return srgan_keras.load
    if kind == "liif":
        from demagnify.transforms.super_resolution import liif

        return lambda path: liif.load(path, scale)
    from demagnify.transforms.super_resolution import spandrel

    return spandrel.load
