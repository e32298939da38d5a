"""Detectors that are Python code: `package.module:name`."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demagnify.errors import BadConfigError
from demagnify.files import sha256


def make(found: Any, where: str) -> Callable[..., Any]:  # noqa: ANN401
    """Returns the detector that was named, calling it first if it is a class or makes one.

    A function that needs no argument makes a detector; one that needs an argument is one.

    Raises:
        BadConfigError: If nothing that can be called comes out.
    """
    made = found
    if inspect.isclass(found) or (inspect.isroutine(found) and not _needs_argument(found)):
        if inspect.isclass(found) and _needs_argument(found):
            raise BadConfigError(
                f"{where} is a class that needs arguments",
                hint="name a function without arguments that makes the detector",
            )
        made = found()
    if not callable(made):
        what = type(made).__name__
        raise BadConfigError(
            f"{where} {'is' if made is found else 'gave'} a {what}, which cannot be called",
            hint="a detector maps an image batch, uint8 RGB (N, 3, H, W), to N scores",
        )
    answer: Callable[..., Any] = made
    return answer


def identity(found: Any, made: Any, where: str) -> str:  # noqa: ANN401
    """Returns what tells whether code has changed, or nothing if nothing does.

    That is its attribute `fingerprint`, a text or a function that returns one; without it, the
    SHA-256 of the file in which it is named and the one in which it is written. Other files that
    these import or read are not looked at.
    """
    told = told_fingerprint(made) or told_fingerprint(found)
    if told:
        return hashlib.sha256(told.encode()).hexdigest()
    modules = {where.partition(":")[0]}
    if inspect.isclass(found) or inspect.isroutine(found):
        modules.add(str(found.__module__))
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(modules)]
    return " ".join(sha256(Path(file)) for file in files if file and Path(file).is_file())


def told_fingerprint(one: Any) -> str:  # noqa: ANN401
    """Returns what the attribute `fingerprint` says; nothing if there is none."""
    value = getattr(one, "fingerprint", "")
    if callable(value) and not inspect.isclass(one):
        value = value()
    return value if isinstance(value, str) else ""


def _needs_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled code that does not say
        return not inspect.isclass(function)
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    variable = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    needed = any(one.default is one.empty and one.kind in positional for one in parameters)
    return needed or (variable and not inspect.isclass(function))
