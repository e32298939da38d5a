"""Settings in names: `jpeg-50` is the action registered as `jpeg` with its first setting at 50.

Actions and states are frozen dataclasses of their settings, so that one short word stands for each
of them in configurations, tables and cards. Values follow the registered name in the order of the
fields; fields that are left out have their defaults, and so do all of a bare name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from demagnify.core.errors import BadConfigError
from demagnify.core.registry import Registry

JOIN: Final = "+"
"""Stands between the parts of something made of several."""


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
        usual = all(getattr(self, field.name) == field.default for field in fields(self))
        return self.family if usual else self.spec

    @property
    def spec(self) -> str:
        """The family and every setting, so that it means the same whatever the defaults are."""
        values = (getattr(self, field.name) for field in fields(self))
        return "-".join([self.family, *map(_text, values)])


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
    fitting = [name for name in registry if f"{spec}-".startswith(f"{name}-")]
    family = max(fitting, key=len, default=spec)
    kind = registry.get(family)
    values = spec[len(family) + 1 :].split("-") if spec != family else []
    known = [field.name for field in fields(kind)]
    if len(values) > len(known):
        raise BadConfigError(
            f"the {registry.noun} {spec!r} has more settings than {family!r} takes",
            hint=f"they are {', '.join(known)}" if known else f"write {family!r}",
        )
    given = {**dict(zip(known, map(_value, values), strict=False)), **(settings or {})}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise BadConfigError(f"the {registry.noun} {family!r} has no setting {unknown[0]!r}")
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][:1]))
        raise BadConfigError(f"the {registry.noun} {spec!r}: {where}: {first['msg']}") from error


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
