"""Python objects by name: `package.module:name`."""

from __future__ import annotations

import importlib
import os
import re
import sys
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Final

from demagnify.errors import BadConfigError

PATTERN: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


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
    except Exception as error:  # whatever a user's file does
        raise BadConfigError(f"{where}: {name} cannot be imported: {brief(error)}") from error
    finally:
        # To the end: the module may import more later, and must not hide what is installed.
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def brief(error: Exception) -> str:
    """Returns an error of a user's code in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
