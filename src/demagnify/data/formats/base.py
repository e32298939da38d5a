"""A format: one way in which the field keeps labelled faces, known by a name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from pydantic import Field, ValidationError, field_validator

from demagnify.core.errors import BadConfigError, BadManifestError, first_finding
from demagnify.core.printing import storable
from demagnify.core.registry import Registry
from demagnify.core.settings import Frozen
from demagnify.data.listing import entries, reading
from demagnify.data.splits import is_usual, parse_split
from demagnify.data.subsample import choose_groups

if TYPE_CHECKING:
    from demagnify.data.manifest import Manifest


class FormatOptions(Frozen):
    """What can be set on reading a format; a format with settings derives its own."""


class FractionOptions(FormatOptions):
    """Options of a format whose groups are many: a share of them can be taken."""

    fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the groups to take, photographs of a file or videos of the same "
        "people; the paper's: 0.25.",
    )
    whole: tuple[str, ...] = Field(
        (),
        description="Splits of which everything is taken whatever the fraction, such as val,test.",
    )
    seed: int = Field(0, ge=0, description="Which groups a fraction takes.")

    @field_validator("whole", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Lets a command line say "val,test"."""
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, (tuple, list)):
            return value
        return tuple(name for text in texts for name in str(text).split(","))

    @field_validator("whole")
    @classmethod
    def _usual(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if not is_usual(name)]
        if unknown:
            raise ValueError(f"there are the splits train, val and test, not {unknown[0]!r}")
        return tuple(parse_split(name) for name in value)

    def choose(self, groups: Iterable[tuple[str, str]]) -> set[str]:
        """Returns the groups to take of pairs of split and group."""
        pairs = set(groups)
        chosen = choose_groups((group for _split, group in pairs), self.fraction, self.seed)
        return chosen | {group for split, group in pairs if split in self.whole}


OptionsT = TypeVar("OptionsT", bound=FormatOptions)
AnyOptions = TypeVar("AnyOptions", bound=FormatOptions)


class Exported(NamedTuple):
    """What a format wrote.

    Attributes:
        files: The files.
        notes: What the user should know or do, a line each.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


class Format(ABC, Generic[OptionsT]):
    """A way of keeping labelled faces on disk; it has no settings of its own.

    A new format is a subclass in one file: a module in `demagnify.data.formats` with the decorator
    `@FORMATS.register("name")`, or any module, named by an entry point of the group
    `demagnify.data_formats` or as "package.module:Class".

    Attributes:
        name: What it is called on the command line.
        summary: One line: the files by which it is known.
        refused: What of it is refused or left out, and why, for the page of formats.
        crops: Whether its images are face crops, in which no face needs to be looked for.
        order: Its place among the formats that are tried on a source, the lowest first. 0, before
            all built-in ones, suits a plug-in that recognises its own files only.
        options_type: What can be set: `FormatOptions` for nothing, or a class derived from it.
        writes: One line: what `write` writes. Empty for a format that is only read.
        export_type: What can be set on writing.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    refused: ClassVar[str] = "files that are missing or cannot be read"
    crops: ClassVar[bool] = False
    order: ClassVar[int] = 0
    options_type: type[OptionsT] = FormatOptions  # type: ignore[assignment]  # the usual
    writes: ClassVar[str] = ""
    export_type: ClassVar[type[FormatOptions]] = FormatOptions

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

    def write(self, manifest: Manifest, output: Path, options: Any) -> Exported:  # noqa: ANN401
        """Writes a manifest in this format; the pictures stay where they are.

        Args:
            manifest: The set.
            output: The file to write.
            options: An instance of `export_type`.

        Raises:
            BadConfigError: If the format is only read.
            BadManifestError: If the format cannot hold the set.
            BadOutputError: If the place cannot be written to.
        """
        del manifest, output, options
        known = [one.name for one in _in_order() if one.writes]
        raise BadConfigError(
            f"the format {self.name} is only read", hint=f"written are {', '.join(known)}"
        )

    def parse_options(self, settings: Mapping[str, object]) -> OptionsT:
        """Returns settings by name as this format's options.

        Raises:
            BadConfigError: If there is no such setting, or a value is out of its range.
        """
        return self._parse(self.options_type, settings, "--set")

    def parse_export(self, settings: Mapping[str, object]) -> FormatOptions:
        """Returns settings by name as this format's options of writing.

        Raises:
            BadConfigError: If there is no such setting, or a value is out of its range.
        """
        return self._parse(self.export_type, settings, "--state")

    def _parse(
        self, model: type[AnyOptions], settings: Mapping[str, object], option: str
    ) -> AnyOptions:
        try:
            return model.model_validate(dict(settings))
        except ValidationError as error:
            finding = first_finding(error, known=model.model_fields)
            key = str(error.errors(include_url=False)[0]["loc"][0])
            given = f"--{key.replace('_', '-')} or {option} {key}=..."
            raise BadConfigError(f"{given}: the format {self.name}: {finding}") from error


FORMATS: Final = Registry[type[Format[Any]]](
    "data format", package="demagnify.data.formats", group="demagnify.data_formats", base=Format
)
_TOLD: Final = 5
_TRIED: Final = 100


def create(name: str) -> Format[Any]:
    """Returns the format of a name, or of a class as "package.module:Class".

    Raises:
        UnknownNameError: If there is no such format.
        BadConfigError: If the name stands for something else than a format.

    Example:
        >>> create("folders").summary
        'folders real/ and fake/ of images or videos, directly or inside of train/, val/, test/'
    """
    return FORMATS.get(name)()


def _in_order() -> list[Format[Any]]:
    return sorted(map(create, FORMATS), key=lambda one: one.order)


def find(source: Path) -> Format[Any] | None:
    """Returns the first format that `source`, which exists, looks like; None if there is none.

    Raises:
        BadManifestError: If it cannot be read.
    """
    with reading(source):
        return next((one for one in _in_order() if one.recognises(source)), None)


def recognise(source: Path) -> Format[Any]:
    """Returns the first format that `source` looks like.

    Raises:
        BadManifestError: If there is no such file or folder, or it looks like none.
    """
    if not source.exists():
        raise BadManifestError(f"{source}: there is no such file or folder")
    found = find(source)
    if found is not None:
        return found
    raise BadManifestError(
        f"{source}: {_what_is_wrong(source)}",
        hint="labels are folders real/ and fake/, or a table; docs/formats.md shows all formats",
    )


PACKED: Final = "is packed; unpack it to have it read"
_PACKED: Final = frozenset(
    {".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst", ".7z", ".rar"}
)


def is_packed(path: Path) -> bool:
    """Whether a file is an archive or compressed, by its name."""
    return path.suffix.lower() in _PACKED


def packed_in(folder: Path) -> list[Path]:
    """Returns the archives in a folder, but for those whose content lies beside them."""
    paths = [path for path in folder.iterdir() if path.name[0] != "." and is_packed(path)]
    plain = {path: path.with_suffix("") for path in paths if path.is_file()}
    return sorted(
        path
        for path, name in plain.items()
        if not name.exists() and not name.with_suffix("").exists()
    )


def _what_is_wrong(source: Path) -> str:
    """Returns why nothing is recognised: what is in a folder, and which of it could be meant."""
    if not source.is_dir():
        return PACKED if is_packed(source) else "is no file that demagnify knows"
    inside = [path for path in entries(source) if path.name[0] != "."]
    for kind, there in (("file", Path.is_file), ("folder", Path.is_dir)):
        if meant := [path for path in inside[:_TRIED] if there(path) and find(path)]:
            return f"give the {kind} that is meant: {_names(meant)}"
    return (
        "labels are missing: there are no folders real and fake, no table such as metadata.csv, "
        f"nor another data set; it holds {_names(inside) or 'nothing'}"
        + ("; archives have to be unpacked first" if any(map(is_packed, inside)) else "")
    )


def _names(paths: Sequence[Path]) -> str:
    names = [storable(path.name) for path in paths[:_TOLD]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
