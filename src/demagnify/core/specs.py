"""Settings in names: one line stands for something with settings, wherever it is written down.

    jpeg-50                             a registered name and the value of its first setting
    down-up-4+jpeg-50                   a chain, from left to right
    srgan-x4@k2@up-then-down            flags after the name
    mine.onnx@head=two-logit            options with values
    package.module:name                 a Python object

Shells, configurations, tables, cards and caches share this grammar. `+` joins the parts of a chain,
`@` adds a flag or an option to the part before it, `-` separates the values of settings. None of
them means anything to a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from demagnify.core.errors import BadConfigError, first_finding
from demagnify.core.imports import PATTERN
from demagnify.core.registry import Registry

JOIN: Final = "+"
"""Stands between the parts of a chain."""
OPTION: Final = "@"
"""Stands before a flag or an option."""

_IMPORTED: Final = re.compile(rf"({PATTERN.pattern})(?:-.*)?", re.DOTALL)
_KEY: Final = re.compile(r"(\w+)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """One part of a spec: a name, a file or a Python object, with its flags and options.

    Attributes:
        base: What stands before the first `@`.
        flags: Words after `@` without a value, in their order.
        options: Values after `@key=`.
    """

    base: str
    flags: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, *, chain: bool = True, flags: bool = True) -> tuple[Part, ...]:
    """Reads a spec.

    Args:
        text: One line; see the top of this module.
        chain: Whether `+` separates parts; a file's name may contain it otherwise.
        flags: Whether words without a value may follow `@`; otherwise only `@key=value` ends a
            name, so that a file's name may contain `@`.

    Raises:
        BadConfigError: If a part is empty, or an option is given twice.

    Example:
        >>> [part.base for part in parse("srgan-x4@k2+jpeg-75")]
        ['srgan-x4', 'jpeg-75']
        >>> parse("mine.onnx@head=two-logit", chain=False)[0].options
        {'head': 'two-logit'}
    """
    parts = text.split(JOIN) if chain else [text]
    return tuple(_parse_part(part.strip(), text, flags=flags) for part in parts)


def _parse_part(part: str, text: str, *, flags: bool) -> Part:
    base, *rest = re.split(OPTION if flags else OPTION + r"(?=\w+=)", part)
    if not base.strip():
        raise BadConfigError(f"{text!r} has an empty part", hint="write it like srgan-x4+jpeg-75")
    options: dict[str, str] = {}
    words: list[str] = []
    for one in map(str.strip, rest):
        match = _KEY.fullmatch(one)
        if match is None:
            words.append(one)
        elif match[1] in options:
            raise BadConfigError(f"{part}: the option {match[1]!r} is given twice")
        else:
            options[match[1]] = match[2].strip()
    return Part(base.strip(), tuple(words), options)


@dataclass(frozen=True)
class Named:
    """Base of frozen dataclasses whose fields are settings that a name can hold.

    Fields are numbers or words without `-` and `+`; annotations may carry pydantic's bounds, which
    `make` checks.

    Attributes:
        family: The registered name, without settings.
    """

    family: ClassVar[str]

    @property
    def name(self) -> str:
        """The shortest spec: the bare family where all settings are the defaults."""
        usual = all(getattr(self, one.name) == one.default for one in fields(self))
        return self.family if usual else self.spec

    @property
    def spec(self) -> str:
        """The family and every setting, so that it means the same whatever the defaults are."""
        values = (getattr(self, one.name) for one in fields(self))
        return "-".join([self.family, *map(_text, values)])


@dataclass(frozen=True)
class Wrapper(Named):
    """Base of those that do something with another, and go by its name."""

    inner: Any

    @property
    def name(self) -> str:
        """The name of the inner one."""
        return str(self.inner.name)

    @property
    def spec(self) -> str:
        """The spec of the inner one."""
        return str(self.inner.spec)


T = TypeVar("T", bound=Named)


def make(registry: Registry[type[T]], spec: str, settings: Mapping[str, Any] | None = None) -> T:
    """Makes what `spec` says.

    Args:
        registry: Where families are looked up; the longest that fits is meant.
        spec: A family, and perhaps values of its first settings: "jpeg", "jpeg-50".
        settings: Further settings by name.

    Raises:
        UnknownNameError: If nothing is registered under the name.
        BadConfigError: If a setting is unknown or out of its range.
    """
    family = family_of(registry, spec)
    kind = named(registry.get(family), family, noun=registry.noun)
    return make_from(kind, spec, settings, noun=registry.noun)


def make_from(
    kind: type[T], spec: str, settings: Mapping[str, Any] | None = None, *, noun: str = "transform"
) -> T:
    """Makes one of `kind` from the values that follow its family in `spec`; see `make`."""
    family = kind.family
    values = spec[len(family) + 1 :].split("-") if spec != family else []
    known = [one.name for one in fields(kind)]
    if len(values) > len(known):
        raise BadConfigError(
            f"the {noun} {spec!r} has more settings than {family!r} takes",
            hint=f"they are {', '.join(known)}" if known else f"write {family!r}",
        )
    given = {**dict(zip(known, map(_value, values), strict=False)), **(settings or {})}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise BadConfigError(f"the {noun} {family!r} has no setting {unknown[0]!r}")
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise BadConfigError(f"the {noun} {spec!r}: {first_finding(error)}") from error


def family_of(registry: Registry[Any], spec: str) -> str:
    """Returns the longest registered name with which `spec` begins.

    Without one it is the Python name at its beginning, "package.module:name", or else `spec`.
    """
    fitting = [name for name in registry if f"{spec}-".startswith(f"{name}-")]
    imported = _IMPORTED.fullmatch(spec)
    return max(fitting, key=len, default=imported[1] if imported else spec)


def named(kind: type[T], name: str, *, noun: str = "transform") -> type[T]:
    """Returns `kind` under the name by which it was found, so that its spec finds it again.

    An imported class gets its Python name as family.

    Raises:
        BadConfigError: If it is registered under another name than its family.
    """
    if not (isinstance(kind, type) and issubclass(kind, Named)):
        raise BadConfigError(f"{name} is no {noun}", hint=f"name a class that derives from {noun}s")
    if kind.family == name:
        return kind
    if not _IMPORTED.fullmatch(name):
        raise BadConfigError(
            f"the {noun} {name!r} calls itself {kind.family!r}",
            hint="give its entry point the name of its family",
        )
    return cast("type[T]", _renamed(cast("Any", kind), name))


@cache
def _renamed(kind: type, name: str) -> type:
    """Returns the same class with another family; the same one for the same arguments."""
    content = {"family": name, "__doc__": kind.__doc__, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), content)


def _text(value: object) -> str:
    # Never 1e-05: a minus sign would part the number in two.
    return f"{Decimal(repr(value)).normalize():f}" if isinstance(value, float) else str(value)


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
