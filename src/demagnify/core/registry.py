"""A table from names to what they make, open to plug-ins.

Three ways lead into a registry, and each takes one file:

* a module inside the registry's own package that registers itself; it is found by being there;
* an installed package with an entry point in the registry's group;
* `package.module:name`, which imports any object that Python finds.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Generic, TypeVar

from demagnify.core.errors import BadConfigError, DemagnifyWarning, UnknownNameError
from demagnify.core.imports import PATTERN, brief, import_object

T = TypeVar("T")
_TOLD: Final = 12
"""Up to so many names are listed where none is like the one that was asked for."""


class Registry(Generic[T]):
    """Maps names to entries; a name is given once and never replaced.

    Args:
        noun: What an entry is, for messages ("transform", "data format").
        package: The package whose modules register entries; they are imported when a name is
            first looked up. Modules that begin with an underscore are left out.
        group: The group of entry points in which installed plug-ins are found. The name of an
            entry point is the name of the entry, its object the entry.
        base: The class that entries are subclasses of; None where they are anything.

    Example:
        >>> colours = Registry[int]("colour")
        >>> @colours.register("red")
        ... def red() -> int:
        ...     return 0xFF0000
        >>> colours.get("red")()
        16711680
    """

    def __init__(
        self, noun: str, *, package: str = "", group: str = "", base: type | None = None
    ) -> None:
        self.noun = noun
        self.group = group
        self._package = package
        self._base = base
        self._entries: dict[str, T] = {}
        self._plugins: dict[str, EntryPoint] | None = None
        self._broken: dict[str, BadConfigError] = {}

    def add(self, name: str, entry: T) -> None:
        """Adds `entry` under `name`.

        Raises:
            ValueError: If the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"the {self.noun} {name!r} is registered already")
        self._entries[name] = entry

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that adds the decorated object under `name`."""

        def decorate(entry: T) -> T:
            self.add(name, entry)
            return entry

        return decorate

    def get(self, name: str) -> T:
        """Returns the entry of `name`, or the object that "package.module:name" imports.

        Raises:
            UnknownNameError: If there is none; the message names the closest ones.
            BadConfigError: If a plug-in or a module cannot be imported, or is something else.
        """
        self._discover()
        if name in self._broken:
            raise self._broken[name]
        if name not in self._entries and PATTERN.fullmatch(name):
            return self._checked(name, import_object(name))
        if name not in self._entries:
            close = difflib.get_close_matches(name, list(self), n=3)
            hint = (
                f"did you mean {' or '.join(close)}?" if close else f"known: {self._listed(name)}"
            )
            raise UnknownNameError(f"no {self.noun} is called {name!r}", hint=hint)
        return self._checked(name, self._entries[name])

    def _checked(self, name: str, entry: Any) -> T:  # noqa: ANN401  whatever a plug-in names
        base = self._base
        if base is not None and not (isinstance(entry, type) and issubclass(entry, base)):
            raise BadConfigError(
                f"{name!r} is no {self.noun}", hint=f"it must be a subclass of {base.__name__}"
            )
        found: T = entry
        return found

    def _listed(self, name: str) -> str:
        """Returns all names, or of many the three that are least unlike `name`."""
        if len(self) <= _TOLD:
            return ", ".join(self)
        close = difflib.get_close_matches(name, list(self), n=3, cutoff=0)
        return f"{', '.join(close)} and {len(self) - len(close)} more"

    def _discover(self) -> None:
        """Imports the package's modules and the plug-ins, once."""
        if self._plugins is not None:
            return
        self._plugins = {}  # set first: modules may look names up while they are imported
        if self._package:
            path: Any = importlib.import_module(self._package).__path__
            for module in pkgutil.iter_modules(path):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self._package}.{module.name}")
        if self.group:
            self._plugins = {point.name: point for point in entry_points(group=self.group)}
        for name, point in self._plugins.items():
            try:
                self._add_plugin(name, point)
            except BadConfigError as error:  # all else works without it
                warnings.warn(f"left out: {error}", DemagnifyWarning, stacklevel=4)
                if name not in self._entries:
                    self._broken[name] = error

    def _add_plugin(self, name: str, point: EntryPoint) -> None:
        where = f"the plug-in {name!r} ({point.value})"
        if name in self._entries:
            raise BadConfigError(
                f"{where} takes the name of a {self.noun} that exists",
                hint="rename its entry point, or uninstall it",
            )
        try:
            self._entries[name] = point.load()
        except (Exception, SystemExit) as error:  # whatever a plug-in's import does
            raise BadConfigError(
                f"{where} cannot be imported: {brief(error)}", hint="mend or uninstall it"
            ) from error

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)
