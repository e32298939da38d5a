"""How well a method knows an attack: which attacks may be called unseen."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from demagnify.core.errors import BadConfigError
from demagnify.core.specs import parse
from demagnify.evaluation.results import ADAPTIVE, Familiarity
from demagnify.laundering.config import CLEAN

_SCALE: Final = re.compile(r"[-_]?x\d+(?:\.\d+)?$", re.IGNORECASE)
_CODEC: Final = re.compile(r"jpeg-\d+(?:-444)?|none")
_RESIZING: Final = "bicubic"


def familiarity(attack: str, seen: Collection[str]) -> Familiarity:
    """Returns how well defences that were trained against `seen` know `attack`.

    Args:
        attack: Its name, or a chain of names.
        seen: Every attack that took part in any training.

    Returns:
        "clean" for no attack, "adaptive" for the best of all attacks, "seen" for one of `seen`,
        "other-setting" where a network (or the resizing) of it took part otherwise, "control" for
        an attack without a network, else "unseen".
    """
    if attack in (CLEAN, ADAPTIVE):
        return "clean" if attack == CLEAN else "adaptive"
    if attack in seen:
        return "seen"
    mine = families(attack)
    if mine & set().union(*(families(name) for name in seen)):
        return "other-setting"
    return "unseen" if mine - {_RESIZING} else "control"


def families(attack: str) -> set[str]:
    """Returns the networks of an attack without scale and options; resizing counts as one."""
    try:
        bases = [link.base for link in parse(attack)]
    except BadConfigError:  # a file's name may look like options
        bases = [attack]
    return {_SCALE.sub("", base).lower() for base in bases if not _CODEC.fullmatch(base)}
