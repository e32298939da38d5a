"""What a format is: a way in which the field keeps labelled faces, known by a name.

The formats themselves are in `demagnify.data.formats`, which fills the table here: manifests find
them by it, and they make manifests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.core.registry import Registry

if TYPE_CHECKING:
    from demagnify.data.manifest import Manifest


class FormatOptions(BaseModel):
    """What can be set on reading a format; a format with settings derives its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=FormatOptions)


class Format(ABC, Generic[OptionsT]):
    """A way of keeping labelled faces on disk.

    Attributes:
        name: What it is called on the command line.
        summary: One line: the files by which it is known.
        crops: Whether its images are face crops, in which no face needs to be looked for.
        options_type: What can be set: `FormatOptions` for nothing, or a class derived from it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    crops: ClassVar[bool] = False
    options_type: type[OptionsT]

    @abstractmethod
    def recognises(self, source: Path) -> bool:
        """Whether `source`, a file or folder that exists, looks like this format.

        Told by names and the first bytes, never by reading everything.
        """

    @abstractmethod
    def read(self, source: Path, options: OptionsT, *, strict: bool) -> Manifest:
        """Reads the manifest.

        Args:
            source: A file or folder that exists.
            options: An instance of `options_type`.
            strict: Whether the first broken line or file stops the reading instead of being
                listed in the manifest's `skipped`.

        Raises:
            BadManifestError: If nothing in `source` can be read in this format.
        """

    def parse_options(self, settings: Mapping[str, object]) -> OptionsT:
        """Returns settings by name as this format's options.

        Raises:
            BadConfigError: If there is no such setting, or a value is out of its range.
        """
        try:
            return self.options_type.model_validate(dict(settings))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            known = ", ".join(self.options_type.model_fields) or "none"
            wrong = f"and its setting {place}: {first['msg']}"
            if first["type"] == "extra_forbidden":
                wrong = f"has no setting {place}"
            raise BadConfigError(
                f"the format {self.name} {wrong}", hint=f"its settings: {known}"
            ) from error


FORMATS: Final = Registry[Format[Any]]("format")
_TOLD: Final = 5
_TRIED: Final = 100


def recognise(source: Path) -> Format[Any]:
    """Returns the first registered format that `source` looks like.

    Raises:
        BadManifestError: If there is no such file or folder, or it looks like none.
    """
    if not source.exists():
        raise BadManifestError(f"{source}: there is no such file or folder")
    for name in FORMATS:
        if FORMATS.get(name).recognises(source):
            return FORMATS.get(name)
    looked = "; ".join(f"{name}: {FORMATS.get(name).summary}" for name in FORMATS)
    raise BadManifestError(
        f"{source}: {_what_is_wrong(source)}",
        hint=f"looked for {looked}",
    )


def _what_is_wrong(source: Path) -> str:
    """Returns why nothing is recognised: what is in a folder, and which of it could be meant."""
    if not source.is_dir():
        return "is no file that demagnify knows"
    try:
        inside = sorted(path for path in source.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise BadManifestError(f"{source}: cannot be read: {error.strerror or error}") from error
    meant = [path for path in inside[:_TRIED] if path.is_file() and _is_known(path)]
    if meant:
        return f"give the file that is meant: {_names(meant)}"
    return (
        "there is no metadata.csv, and no folders real and fake, nor another data set; it holds "
        f"{_names(inside) or 'nothing'}"
    )


def _is_known(path: Path) -> bool:
    return any(FORMATS.get(name).recognises(path) for name in FORMATS)


def _names(paths: Sequence[Path]) -> str:
    names = [path.name.encode("utf-8", "backslashreplace").decode() for path in paths[:_TOLD]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
