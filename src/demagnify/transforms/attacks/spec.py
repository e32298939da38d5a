"""How attacks are written down: one line that shells, tables, folders and caches share.

    srgan-x4                            a published network
    nets/mine.pth                       a file that spandrel loads
    package.module:function             a Python function or module
    jpeg-75                             no network: see `demagnify attack --list`
    filters, filters-painted            ordinary filters drawn per image, or one kind of them
    srgan-x4@k2                         shrinks by 2 before the network enlarges by 4
    srgan-x4@up-then-down               another variant of the attack
    srgan-x4@bgr-255                    feeds the network as the published code did
    realesr-compact-x2+jpeg-75+srgan-x4 a chain: one after the other

`+` joins the links of a chain, `@` adds an option to the link before it; neither means anything to
a shell. A file whose path has one of them in it must be given as a `Path`, alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from demagnify.core.errors import BadConfigError

Variant = Literal["as-found", "fit-224", "up-then-down"]
"""In which order an attack resizes a face.

* as-found: shrink the face at its own size, rebuild it, back to its size;
* fit-224: resize it to 224x224 first, then the same, then back to its own size;
* up-then-down: enlarge it with the network first, then shrink it to its size.

In the published code of Coccomini et al. (arXiv 2407.02670) these are the modes 2 ("v3"), 0, and 1
("v2"), which takes faces of 224x224. The published modes save the face at the size that the network
gives, with width and height swapped where a crop is not square; here it gets its own size back.
"""

Feeding = Literal["rgb-1", "bgr-255"]
"""What a network is fed: RGB in [0, 1] as they expect it, or BGR in 0-255 as the published code."""

VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
FEEDINGS: Final[tuple[Feeding, ...]] = get_args(Feeding)
LINK_SIGN: Final = "+"
OPTION_SIGN: Final = "@"

_SHRINK = re.compile(r"k(\d+(?:\.\d+)?)")
_UNSAFE = re.compile(r"[^\w.+@-]+")


@dataclass(frozen=True)
class Link:
    """One attack of a spec, before it is made.

    Attributes:
        base: A registered name, a file of weights, or "package.module:function".
        shrink: By how much images are shrunk, 1 or more; None for the network's own scale.
        variant: In which order images are resized.
        feeding: What the network is fed.
    """

    base: str
    shrink: float | None = None
    variant: Variant = "as-found"
    feeding: Feeding = "rgb-1"

    @property
    def options(self) -> str:
        """The options in their fixed order, "@k2@up-then-down"; what is usual is left out."""
        chosen = [] if self.shrink is None else [f"k{self.shrink:g}"]
        chosen += [value for value in (self.variant, self.feeding) if value not in _USUAL]
        return "".join(f"{OPTION_SIGN}{option}" for option in chosen)

    def __str__(self) -> str:
        return f"{self.base}{self.options}"


_USUAL = frozenset({Link.variant, Link.feeding})


def parse(text: str) -> tuple[Link, ...]:
    """Reads a spec.

    Args:
        text: One line, see the top of this module.

    Returns:
        The links, at least one; `"+".join(map(str, links))` is the spec in its shortest form.

    Raises:
        BadConfigError: If a link is empty, or an option is unknown, given twice or out of range.
    """
    return tuple(_parse_link(part.strip(), text) for part in text.split(LINK_SIGN))


def _parse_link(part: str, text: str) -> Link:
    base, *options = (piece.strip() for piece in part.split(OPTION_SIGN))
    if not base:
        raise BadConfigError(
            f"the attack {text!r} has an empty link", hint="write it like srgan-x4+jpeg-75"
        )
    chosen: dict[str, str | float] = {}
    for option in options:
        field, value = _parse_option(option, part)
        if field in chosen:
            raise BadConfigError(f"{part}: the option {option!r} contradicts or repeats another")
        chosen[field] = value
    return Link(base, **chosen)  # type: ignore[arg-type]  # the fields are checked one by one


def _parse_option(option: str, part: str) -> tuple[str, str | float]:
    if option in VARIANTS:
        return "variant", option
    if option in FEEDINGS:
        return "feeding", option
    match = _SHRINK.fullmatch(option)
    if match is None:
        known = ", ".join(("k2", *VARIANTS, *FEEDINGS))
        raise BadConfigError(f"{part}: no option is called {option!r}", hint=f"known: {known}")
    return "shrink", check_shrink(float(match[1]), part)


def check_shrink(shrink: float, name: str) -> float:
    """Returns `shrink` if images can be shrunk by it.

    Raises:
        BadConfigError: If it is below 1 or not finite.
    """
    if not math.isfinite(shrink) or shrink < 1:
        raise BadConfigError(f"{name} cannot shrink by {shrink:g}", hint="use 1 or more")
    return shrink


def file_name(name: str) -> str:
    """Returns an attack's name as a file's or folder's name, safe on every system.

    Letters, digits, `.`, `_`, `-`, `+` and `@` stay. Where anything else was replaced, or the name
    is long, a few digits of its SHA-256 keep two names apart.
    """
    safe = _UNSAFE.sub("-", name)
    if safe == name and len(name) <= _LONGEST and not name.startswith("."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{safe.lstrip('.')[: _LONGEST - 9]}-{digest}"


_LONGEST = 100
