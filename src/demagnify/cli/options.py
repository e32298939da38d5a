"""Arguments and options: those of several commands, and the one of a field of a model."""

from __future__ import annotations

from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args, get_origin

import click

from demagnify.core import threads

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PATH: Final = click.Path(path_type=Path)
_NUMBERS: Final[dict[type, tuple[Any, Any]]] = {
    int: (click.INT, click.IntRange),
    float: (click.FLOAT, click.FloatRange),
}
_THREADS: Final = "threads"
_MAX_PIXELS: Final = "max_pixels"


class Argument(click.Argument):
    """A positional argument with a help text."""

    def __init__(self, name: str, text: str, **settings: Any) -> None:  # noqa: ANN401
        super().__init__([name], **settings)
        self.text = text
        self.usual = f"default: {settings['default']}" if "default" in settings else ""


def output(default: str) -> Argument:
    """Returns the argument for the folder that a command writes to."""
    return Argument("output", "Folder to write to.", type=PATH, default=default)


def data(text: str) -> Option:
    """Returns the option for one data set or several."""
    how = {"type": PATH, "multiple": True, "required": True}
    return Option("--data", "data", text, "required; repeatable", **how)


def tracker(text: str) -> Option:
    """Returns the option for an experiment tracker."""
    where = "tensorboard[:FOLDER], mlflow[:FOLDER or address], package.module:Class"
    return Option("--tracker", "tracker", f"{text}: {where}.", "default: none", default=None)


class Option(click.Option):
    """An option that tells of its default and its bounds in words.

    Args:
        flags: How it is written: "--attack", "--hash/--no-hash".
        name: The name of its parameter.
        text: The help text.
        usual: Default and bounds, in words.
    """

    def __init__(self, flags: str, name: str, text: str, usual: str = "", **settings: Any) -> None:  # noqa: ANN401
        super().__init__([flags, name], **settings)
        self.text = text
        self.usual = usual


def threads_option() -> Option:
    """The option of every command for the number of threads."""
    return Option(
        "--threads",
        _THREADS,
        "Threads that compute at once.",
        "default: as many as the process may use",
        type=click.IntRange(1),
        expose_value=False,
        callback=lambda _ctx, _one, value: None if value is None else threads.use(value),
    )


def max_pixels_option() -> Option:
    """The option of commands that read pictures for the largest ones."""
    from demagnify.core import images  # `demagnify --help` need not wait for it

    return Option(
        "--max-pixels",
        _MAX_PIXELS,
        "The most pixels of a photograph or frame; larger ones are left out.",
        f"default: {images.MAX_PIXELS}, more than which Pillow refuses",
        type=click.IntRange(images.MIN_SIDE**2, images.MAX_PIXELS),
        expose_value=False,
        callback=lambda _ctx, _one, value: None if value is None else images.limit_pixels(value),
    )


def field_option(
    key: str, one: FieldInfo, flags: str, default: object, *, usual: str | None = None
) -> Option:
    """Returns the option for one field.

    Args:
        key: The key of the field.
        one: Its type, bounds and description.
        flags: How it is written; "--photos/--crops" stands for two choices.
        default: Its default.
        usual: The default in words; made of `default` if None.
    """
    kind, repeated = kind_of(one.annotation)
    how: dict[str, Any] = {"default": None, "multiple": repeated}
    if kind is bool:
        how["is_flag"] = True
        if default is True and "/" not in flags:
            flags = f"{flags}/--no-{flags[2:]}"
    elif "/" in flags:
        how |= {"is_flag": True, "callback": _chosen}
    else:
        how["type"] = _parameter_type(kind, one)
        if NoneType in get_args(one.annotation) and default is not None:
            how["callback"] = _none
    usual = words_of(default, flags) if usual is None else usual
    parts = [f"default: {usual}" if usual else "", _bounds(one), "repeatable" * repeated]
    note = "; ".join(part for part in parts if part)
    text = (one.description or "").rstrip(".") + "."
    return Option(flags, parameter_name(key), text, note, **how)


NOTHING: Final = object()
"""Stands for None, which click takes for an option that was not given."""


def _none(_ctx: click.Context, _one: click.Parameter, value: Any) -> Any:  # noqa: ANN401
    return NOTHING if value == "none" else value


def _chosen(_ctx: click.Context, one: click.Parameter, value: bool | None) -> str | None:
    """Returns the choice that a pair of flags stands for."""
    if value is None:
        return None
    return (one.opts if value else one.secondary_opts)[0].removeprefix("--")


def kind_of(annotation: object) -> tuple[Any, bool]:
    """Returns the type of one value, and whether there may be several."""
    if get_origin(annotation) in (tuple, list):
        return get_args(annotation)[0], True
    inside = [one for one in get_args(annotation) if one is not NoneType]
    if get_origin(annotation) is Literal or not inside:
        return annotation, False
    return kind_of(inside[0])


def _parameter_type(kind: Any, one: FieldInfo) -> click.ParamType[Any, Any]:  # noqa: ANN401
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind in _NUMBERS:
        plain, in_range = _NUMBERS[kind]
        limits = _limits(one)
        low = limits.get("ge", limits.get("gt"))
        high = limits.get("le", limits.get("lt"))
        if low is None and high is None:
            return cast("click.ParamType[Any, Any]", plain)
        made = in_range(low, high, min_open="gt" in limits, max_open="lt" in limits)
        return cast("click.ParamType[Any, Any]", made)
    return PATH if kind is Path else click.STRING


def _limits(one: FieldInfo) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt")
    return {
        name: getattr(limit, name)
        for limit in one.metadata
        for name in names
        if getattr(limit, name, None) is not None
    }


def _bounds(one: FieldInfo) -> str:
    limits = _limits(one)
    if {*limits} == {"ge", "le"}:
        return f"{limits['ge']:g} to {limits['le']:g}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[name]} {limit:g}" for name, limit in limits.items())


def words_of(default: Any, flags: str) -> str:  # noqa: ANN401
    """Returns a default as a user would write it."""
    if isinstance(default, bool):
        on, slash, off = flags.partition("/")
        return (on if default else off)[2:] if slash else "" if flags else str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    return "" if default is None else str(default)


def parameter_name(key: str) -> str:
    """Returns the name of the parameter for a key with dots into sections."""
    return key.replace(".", "__")
