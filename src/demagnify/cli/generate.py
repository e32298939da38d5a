"""Commands whose options are generated from a configuration model.

A field of the model becomes an option: name, type, bounds, choices, default and help text are the
field's. Fields of sections are reached by `--set KEY=VALUE`, and by an option where a command names
one. Models are imported when a command needs its options, so that `demagnify --help` stays quick.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Protocol,
)

import click

from demagnify.cli.options import (
    NOTHING,
    Argument,
    Option,
    field_option,
    max_pixels_option,
    parameter_name,
    threads_option,
    words_of,
)
from demagnify.core import extras
from demagnify.core.errors import BadConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

CONTEXT: Final = {"help_option_names": ["-h", "--help"]}
_SET: Final = "overrides"
_PRESET: Final = "preset"
_WITHOUT_PICTURES: Final = (
    *("assets", "compare", "export", "leaderboard", "measure", "plan", "report", "verify"),
)


class _Formatter(click.HelpFormatter):
    """Breaks lines at blanks only, so that names can be copied."""

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
        filled = [
            textwrap.fill(
                one,
                self.width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
            )
            for one in paragraphs
        ]
        self.write("\n\n".join(filled) + "\n")


click.Context.formatter_class = _Formatter


@dataclass(frozen=True)
class Config:
    """The configuration of a command.

    Attributes:
        model: "package.module:Model".
        flags: Key -> its option, where that is not "--" and the key. A key has dots into sections;
            options may be "--attack", "--hash/--no-hash" or, of a choice, "--photos/--crops".
        section: Of a preset, the section whose fields become options, over the values that
            `--preset` names; all fields of another model if empty.
        usual: Key -> default in words, where the model cannot know it.
        into: The function's parameter for it.
    """

    model: str
    flags: Mapping[str, str] = field(default_factory=dict)
    section: str = ""
    usual: Mapping[str, str] = field(default_factory=dict)
    into: str = "config"

    @cached_property
    def type(self) -> type[BaseModel]:
        """The model itself."""
        module, _, name = self.model.partition(":")
        found: type[BaseModel] = getattr(import_module(module), name)
        return found

    def options(self) -> list[click.Parameter]:
        """Returns an option for each field, and those for presets and for other keys."""
        made: list[click.Parameter] = [self._option(key, one) for key, one in self._fields()]
        if self.section:
            from demagnify.agents import presets

            text = (
                f"{', '.join(presets.names())}, or a YAML file with the same keys. The defaults "
                "below are those of the preset default."
            )
            made.insert(0, Option("--preset", _PRESET, text, "default: default", default="default"))
        if self._has_sections():
            text = "Another setting, with a YAML value, such as " + self._such_as() + "."
            how = {"multiple": True, "metavar": "KEY=VALUE"}
            made.append(Option("--set", _SET, text, "repeatable", **how))
        return made

    def take(self, values: dict[str, Any]) -> BaseModel:
        """Takes what was given for its options out of `values`, and returns the configuration."""
        from demagnify.core import settings

        overrides = values.pop(_SET, ())
        preset = values.pop(_PRESET) if self.section else None
        given = {key: values.pop(parameter_name(key)) for key, _ in self._fields()}
        given = {key: one for key, one in given.items() if one is not None and one != ()}
        given = {key: None if one is NOTHING else one for key, one in given.items()}
        if preset is None:
            return settings.build(self.type, overrides=overrides, given=given)
        from demagnify.agents import presets

        return presets.load(preset, overrides, given)

    def _fields(self) -> Iterator[tuple[str, FieldInfo]]:
        """Yields what becomes an option, by key and in the model's order; those of any run last."""
        from demagnify.core.settings import DetectorOptions, models_of

        def walk(model: type[BaseModel], before: str) -> Iterator[tuple[str, FieldInfo]]:
            last = DetectorOptions.model_fields
            for name, one in sorted(model.model_fields.items(), key=lambda pair: pair[0] in last):
                key = before + name
                sections = models_of(one.annotation)
                inside = f"{self.section}.".startswith(f"{key}.")
                if sections and (inside or any(flag.startswith(f"{key}.") for flag in self.flags)):
                    yield from walk(sections[0], f"{key}.")
                elif not sections and (key in self.flags or before.rstrip(".") == self.section):
                    yield key, one

        return walk(self.type, "")

    def _option(self, key: str, one: FieldInfo) -> click.Parameter:
        from demagnify.core.settings import default_of

        default = default_of(self.type, key)
        flags = self.flags.get(key, f"--{key.rpartition('.')[2].replace('_', '-')}")
        if self.section:
            from demagnify.agents import presets

            default = attrgetter(key)(presets.load())
        return field_option(key, one, flags, default, usual=self.usual.get(key))

    def _has_sections(self) -> bool:
        from demagnify.core.settings import models_of

        return any(models_of(one.annotation) for one in self.type.model_fields.values())

    def _such_as(self) -> str:
        """Returns an example of a key that has no option."""
        from demagnify.core.settings import default_of, models_of

        shown = {key for key, _ in self._fields()}

        def keys(model: type[BaseModel], before: str) -> Iterator[str]:
            for name, one in model.model_fields.items():
                sections = models_of(one.annotation)
                default = default_of(self.type, before + name)
                if sections and default is not None:
                    yield from keys(type(default), f"{before}{name}.")
                elif not sections and default is not None and before + name not in shown:
                    yield f"{before}{name}={words_of(default, '')}"

        found = [key for key in keys(self.type, "") if not key.endswith("=")]
        return max(found, key=lambda key: key.count("."))


class Generated(Protocol):
    """A set of options that are made when a command needs them."""

    @property
    def into(self) -> str:
        """The function's parameter for what `take` returns."""

    def options(self) -> list[click.Parameter]:
        """Returns the options."""

    def take(self, values: dict[str, Any]) -> Any:  # noqa: ANN401
        """Takes what was given for its options out of `values`, and returns what it makes."""


class Verb(click.Command):
    """A command: its own parameters, and options that are generated when they are needed."""

    def __init__(
        self,
        name: str,
        function: Callable[..., None],
        parameters: Sequence[click.Parameter],
        generated: Sequence[Generated],
        extra: extras.Extra,
    ) -> None:
        self._extra = extra
        self._missing: BadConfigError | None = None
        self._own = list(parameters)
        self.generated = generated
        self._function = function
        text = inspect.cleandoc(function.__doc__ or "")
        super().__init__(name, callback=self._call, help=text, context_settings=CONTEXT)

    @property
    def params(self) -> list[click.Parameter]:
        """All parameters; models are imported at the first use."""
        return self._params

    @params.setter
    def params(self, _given: object) -> None:
        """Drops the empty list that click sets."""

    @cached_property
    def _params(self) -> list[click.Parameter]:
        made = [*self._own]
        try:
            made += [one for group in self.generated for one in group.options()]
        except ModuleNotFoundError as error:
            self._missing = extras.missing(error, self._extra)
            if self._missing is None:
                raise
        common = [threads_option()]
        if self.name not in _WITHOUT_PICTURES:
            common.append(max_pixels_option())
        own = {one.name for one in made}
        return [*made, *(one for one in common if one.name not in own)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the command line; without the modules behind its options, help alone is given."""
        self.get_params(ctx)
        if self._missing and not {*args} & {*CONTEXT["help_option_names"]}:
            raise self._missing
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Runs the command; where a module is not installed, says which extra brings it."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise extras.missing(error, self._extra) or error from error

    def _call(self, **values: Any) -> None:  # noqa: ANN401
        made = {one.into: one.take(values) for one in self.generated}
        self._function(**values, **made)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each parameter in a line of its own, and its help text below."""
        parameters = self.get_params(ctx)
        for title, kind in (("Arguments", click.Argument), ("Options", click.Option)):
            chosen = [one for one in parameters if isinstance(one, kind)]
            if not chosen:
                continue
            with formatter.section(title):
                for one in chosen:
                    _write(one, ctx, formatter)
        if self._missing:
            formatter.write(f"\nThe other options are not shown: {self._missing}\n")


def verb(
    name: str, *parameters: click.Parameter | Generated, extra: extras.Extra = "research"
) -> Callable[[Callable[..., None]], Verb]:
    """Makes a command of a function; its docstring is the help text.

    Args:
        name: What the user types.
        parameters: Paths and whatever else is no setting, passed to the function by name; and
            generated options, passed as `config` or whatever they are made `into`.
        extra: The smallest extra with all that the command needs.
    """
    own = [one for one in parameters if isinstance(one, click.Parameter)]
    generated = [one for one in parameters if not isinstance(one, click.Parameter)]
    return lambda function: Verb(name, function, own, generated, extra)


def _write(one: click.Parameter, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    if isinstance(one, Option | Argument):
        text, usual = one.text, one.usual
    else:  # --help
        text, usual = getattr(one, "help", None) or "", ""
    head = one.make_metavar(ctx).replace(" RANGE", "")
    if isinstance(one, click.Option):
        slash = " / " if one.secondary_opts else ""
        written = ", ".join(one.opts) + slash + ", ".join(one.secondary_opts)
        head = written if one.is_flag else f"{written} {head}"
    formatter.write(f"{'':>{formatter.current_indent}}{click.style(head, bold=True)}\n")
    with formatter.indentation(), formatter.indentation():
        formatter.write_text(f"{text}  [{usual}]" if usual else text)
