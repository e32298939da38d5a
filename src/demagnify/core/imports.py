"""A user's Python code, detector or network, by name: `package.module:name`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.core.files import sha256

PATTERN: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def lazy(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a package whose names are imported at first use.

    No name may be that of a module beside it: the module would take its place.

    Args:
        package: Its `__name__`.
        modules: Module inside of the package -> the names that come from it.

    Example:
        >>> find, _ = lazy("demagnify.data", {"labels": ("FAKE", "REAL")})
        >>> find("FAKE")
        1
    """
    homes = {name: f"{package}.{module}" for module, names in modules.items() for name in names}

    def find(name: str) -> Any:  # noqa: ANN401  module attributes are anything
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return find, lambda: sorted(homes)


def import_object(where: str) -> Any:  # noqa: ANN401  whatever a user's module holds
    """Imports what `package.module:name` names; the working folder counts as installed.

    The import runs the file's code: give only what you trust.

    Raises:
        BadConfigError: If the module cannot be imported, or holds no such name.
    """
    module_name, _, path = where.partition(":")
    found = _import(module_name, where)
    for name in path.split("."):
        if not hasattr(found, name):
            close = get_close_matches(name, dir(found), n=3)
            holder = getattr(found, "__file__", None) or module_name
            raise BadConfigError(
                f"{where}: {holder} has no {name!r}",
                hint=f"did you mean {' or '.join(close)}?" if close else "",
            )
        found = getattr(found, name)
    return found


def _import(name: str, where: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109  as it stands in sys.path
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise BadConfigError(
                f"{where}: there is no module {error.name!r}",
                hint=f"it is looked for in {here}, in PYTHONPATH and among installed packages",
            ) from error
        raise BadConfigError(
            f"{where}: {name} needs the module {error.name!r}, which is not installed"
        ) from error
    except (Exception, SystemExit) as error:  # a script may read its command line, and end
        raise BadConfigError(f"{where}: {name} cannot be imported: {brief(error)}") from error
    finally:
        # To the end: the module may import more later, and must not hide what is installed.
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def make(found: Any, where: str, *, hint: str) -> Callable[..., Any]:  # noqa: ANN401
    """Returns what was named as something to call, making it first if it is a class or a maker.

    A function that needs no argument makes a network; one that needs an argument is one.

    Args:
        found: What `import_object` returned.
        where: "package.module:name".
        hint: What would be called, with what.

    Raises:
        BadConfigError: If making it fails, or nothing that can be called comes out.
    """
    made = found
    if inspect.isclass(found) or (inspect.isroutine(found) and not _needs_argument(found)):
        if inspect.isclass(found) and _needs_argument(found):
            raise BadConfigError(
                f"{where} is a class that needs arguments",
                hint="name a function without arguments that makes it",
            )
        try:
            made = found()
        except DemagnifyError:
            raise
        except (Exception, SystemExit) as error:  # whatever a user's code does
            raise BadConfigError(f"{where} cannot be made: {brief(error)}") from error
    if not callable(made):
        what = type(made).__name__
        raise BadConfigError(
            f"{where} {'is' if made is found else 'gave'} a {what}, which cannot be called",
            hint=hint,
        )
    answer: Callable[..., Any] = made
    return answer


def identity(found: Any, made: Any, where: str) -> str:  # noqa: ANN401
    """Returns what tells whether code has changed, or nothing if nothing does.

    That is its attribute `fingerprint`, a text or a function that returns one; without it, the
    SHA-256 of the file in which it is named and the one in which it is written. Other files that
    these import or read are not looked at.
    """
    fingerprint = stated_fingerprint(made) or stated_fingerprint(found)
    if fingerprint:
        return hashlib.sha256(fingerprint.encode()).hexdigest()
    modules = {where.partition(":")[0]}
    if inspect.isclass(found) or inspect.isroutine(found):
        modules.add(str(found.__module__))
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(modules)]
    return " ".join(sha256(Path(file)) for file in files if file and Path(file).is_file())


def stated_fingerprint(one: Any) -> str:  # noqa: ANN401
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


def brief(error: BaseException) -> str:
    """Returns an error of a user's code in one line."""
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    if not lines:
        return kind
    # TorchScript tells where it happened first, and what happened last.
    return lines[-1] if "TorchScript interpreter" in lines[0] else f"{kind}: {lines[0]}"
