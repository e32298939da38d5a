"""`demagnify data describe`, `prepare` and `export`, and `demagnify sample`: data sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.console import Skips, plain_console, say, say_json, say_wrapped, show_table
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, Option, field_option, kind_of, output
from demagnify.core.printing import count, printable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from rich.console import Console

    from demagnify.core.engine import EngineOptions
    from demagnify.data.describe import DescribeConfig, Description
    from demagnify.data.describe.description import Crossing
    from demagnify.data.prepare import PrepareConfig, PrepareSummary
    from demagnify.data.sample import SampleConfig

_SHOWN: Final = 10
_FEW_PAIRS: Final = 10
"""Fewer pairs in a split of the sample set are told of."""
FORMAT: Final = Option(
    "--format", "format_name", "The data set's format; recognised by its files if not given."
)
STRICT: Final = Option(
    "--strict",
    "strict",
    "Stop at the first bad file or line instead of skipping it.",
    is_flag=True,
)


class FormatOptions:
    """The settings of all data formats, those of plug-ins too, as options.

    Args:
        into: The function's parameter for them.
        of: The attribute of a format that has their model.
        other: The option for a setting that is not listed.
        skip: Settings that the command has of its own.
    """

    _flags: ClassVar = {"methods": "--method"}

    def __init__(
        self,
        into: str = "settings",
        of: str = "options_type",
        other: str = "--set",
        skip: Collection[str] = (),
    ) -> None:
        self.into = into
        self._of = of
        self._other = other
        self._skip = skip

    def options(self) -> list[click.Parameter]:
        """Returns an option for each setting that any format has."""
        made: list[click.Parameter] = []
        for key, formats in self._fields().items():
            first = next(iter(formats.values()))
            texts: dict[str, str] = {}
            for name, one in formats.items():
                text = one.description or ""
                texts[text] = f"{texts[text]}, {name}" if text in texts else name
            flags = self._flags.get(key, f"--{key.replace('_', '-')}")
            option = field_option(key, first, flags, first.default, usual="")
            option.text = " ".join(f"({names}) {text}" for text, names in texts.items())
            if len({str(kind_of(one.annotation)) for one in formats.values()}) > 1:
                option.type = click.STRING
            made.append(option)
        text = "A setting of a format that is not listed here."
        how = {"multiple": True, "metavar": "KEY=VALUE", "callback": _parse_settings}
        return [*made, Option(self._other, f"{self.into}_others", text, "repeatable", **how)]

    def take(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the settings that were given; the format checks them."""
        others = values.pop(f"{self.into}_others")
        taken = {key: values.pop(key) for key in self._fields()}
        given = {key: one for key, one in taken.items() if one is not None and one != ()}
        return {**given, **others}

    def _fields(self) -> dict[str, dict[str, FieldInfo]]:
        """Returns the fields of each name, by format."""
        from demagnify.data import formats

        fields: dict[str, dict[str, FieldInfo]] = {}
        for name in formats.FORMATS:
            for key, one in getattr(formats.create(name), self._of).model_fields.items():
                if key not in self._skip:
                    fields.setdefault(key, {})[name] = one
        return fields


def _parse_settings(_ctx: object, one: click.Parameter, settings: Sequence[str]) -> dict[str, str]:
    """Returns KEY=VALUE by key; the format turns the values into what it needs."""
    from demagnify.core.errors import BadConfigError

    pairs = [setting.partition("=") for setting in settings]
    for setting, (key, equals, _) in zip(settings, pairs, strict=True):
        if not key.isidentifier() or not equals or key in ("format", "strict", "source"):
            raise BadConfigError(f"{one.opts[0]} takes KEY=VALUE, not {setting!r}")
    return {key: value for key, _, value in pairs}


@verb(
    "describe",
    Argument("source", "The data set: a folder, a table or an annotation file.", type=PATH),
    FORMAT,
    Option("--out", "out", "Folder for description.json and a figure, description.png.", type=PATH),
    Option("--json", "as_json", "Print the whole description as JSON instead.", is_flag=True),
    STRICT,
    Config("demagnify.data.describe:DescribeConfig", flags={"hashes": "--hash/--no-hash"}),
    FormatOptions(),
    extra="data",
)
def describe(
    source: Path,
    config: DescribeConfig,
    settings: dict[str, Any],
    *,
    format_name: str | None,
    out: Path | None,
    as_json: bool,
    strict: bool,
) -> None:
    """Describe a data set: labels, imbalance, sizes, and what crosses its splits.

    Groups in two splits, and images that are in two splits in the same or nearly the same form,
    make figures better than they are; inputs under both labels make them worse.
    """
    from demagnify.core.files import write_text
    from demagnify.data import Manifest
    from demagnify.data.describe import describe as describe_manifest
    from demagnify.data.describe.figure import save_figure

    manifest = Manifest.load(source, format=format_name, strict=strict, **settings)
    description = describe_manifest(manifest, config)
    if out is not None:
        write_text(out / "description.json", description.model_dump_json(indent=2) + "\n")
        save_figure(description, out / "description.png")
    if as_json:
        say_json(description.model_dump(mode="json"), indent=2)
    else:
        _show_description(description, plain_console())
        if out is not None:
            say(f"look at {out / 'description.png'}")
    if description.left_out:
        raise click.exceptions.Exit(EXIT_SOME_SKIPPED)


def _show_description(description: Description, console: Console) -> None:
    rows = [
        (
            split.name,
            str(split.real),
            str(split.fake),
            "no real" if split.imbalance is None else f"{split.imbalance:.2f}",
            str(split.groups),
            "unknown"
            if split.sizes is None
            else f"{split.sizes.low} - {split.sizes.median} - {split.sizes.high} px",
        )
        for split in description.splits
    ]
    head = ("split", "real", "fake", "fakes per real", "groups", "shorter side (5-50-95 %)")
    show_table(
        console, head, rows, title=f"{description.source}: {count(description.images, 'image')}"
    )
    bits = f"perceptual hashes differ in at most {description.distance} of 64 bits"
    for line in (
        *_crossings(description.shared_groups, "group", "are in both"),
        *_crossings(description.identical, "image", "are the same pixel by pixel"),
        *_crossings(description.near, "image", f"are near duplicates ({bits})"),
    ):
        console.print(line, soft_wrap=True)
    for conflict in description.conflicts:
        kind = {"name": "file", "pixels": "image"}[conflict.kind]
        console.print(
            f"{count(conflict.inputs, kind)} under both labels, "
            f"in {count(conflict.images, 'record')}, such as {', '.join(conflict.examples)}"
        )
    if not (description.shared_groups or description.near or description.conflicts):
        compared = (
            f"{count(description.hashed, 'image')} compared"
            if description.hashed
            else "groups only"
        )
        console.print(f"nothing crosses the splits, and no label contradicts another ({compared})")
    if description.unprepared:
        console.print(
            f"still to be cut out: {count(description.unprepared, 'face')} (demagnify data prepare)"
        )
    for one in description.left_out[:_SHOWN]:
        console.print(f"skipped {one.where}: {one.reason}")
    if len(description.left_out) > _SHOWN:
        console.print(f"... and {len(description.left_out) - _SHOWN} more; --json lists them all")


def _crossings(crossings: Sequence[Crossing], what: str, words: str) -> Iterator[str]:
    """Yields a line for each two splits; both directions, where they are counted, in one."""
    counts = {(one.split, one.other): one.count for one in crossings}
    printed: set[tuple[str, str]] = set()
    for crossing in crossings:
        pair = (crossing.split, crossing.other)
        if pair[::-1] in printed:
            continue
        printed.add(pair)
        examples = "; ".join(
            one if one == other else f"{one} = {other}" for one, other in crossing.examples
        )
        back = counts.get(pair[::-1], crossing.count)
        yield (
            f"{count(crossing.count, what)} of {pair[0]} and {back} of {pair[1]} {words}, "
            f"such as {examples}"
        )


@verb(
    "prepare",
    Argument("source", "The data set: a folder or an annotation file.", type=PATH),
    Argument("output", "Folder to write the crops to.", type=PATH),
    FORMAT,
    Option(
        "--new-splits",
        "new_splits",
        "Assign the groups to train, val and test (7:1:2) by their names, whatever splits the data "
        "set has.",
        is_flag=True,
    ),
    Option(
        "--jobs",
        "jobs",
        "Threads; a few more than processors if not given.",
        type=click.IntRange(1),
    ),
    STRICT,
    Config("demagnify.data.prepare:PrepareConfig"),
    Config("demagnify.core.engine:EngineOptions", into="engine"),
    FormatOptions(),
)
def prepare(
    source: Path,
    output: Path,
    config: PrepareConfig,
    engine: EngineOptions,
    settings: dict[str, Any],
    *,
    format_name: str | None,
    new_splits: bool,
    jobs: int | None,
    strict: bool,
) -> None:
    """Cut the faces out of a data set, into a folder that everything else reads.

    Boxes that the data set gives are used, with a margin, made square; where it gives none, faces
    are found with YuNet. The crops of DeepfakeBench and Kaggle are kept. Writes PNG files,
    metadata.csv with label, split, group and where each face comes from, and skipped.csv. What is
    done is not done again.

    With --engine, --workers or --unit, worker processes cut, and this one only checks and lists.
    """
    from demagnify.data import Manifest, formats
    from demagnify.data.describe import count_repeats
    from demagnify.data.prepare import prepare as prepare_faces

    kind = formats.recognise(source) if format_name is None else formats.create(format_name)
    manifest = Manifest.load(source, format=kind, strict=strict, **settings)
    say(f"{source}: {kind.name}, {len(manifest)} labelled faces, frames or images")
    if new_splits:
        if manifest.ungrouped:
            say_wrapped(
                "note: no groups are known, each file is its own: a face and its fake, or near "
                "duplicates, may cross the new splits; `data describe` finds these"
            )
        manifest = manifest.with_splits()
    repeats = count_repeats(manifest)
    if repeats.inputs < repeats.rows:
        say_wrapped(f"note: {repeats}")
    if kind.crops or settings.get("view") == "scene":
        config = config.model_copy(update={"crops": True})
    options = engine if engine.given else None
    summary = prepare_faces(manifest, output, config, strict=strict, workers=jobs, options=options)
    _show_summary(summary, output)


def _show_summary(summary: PrepareSummary, output: Path) -> None:
    for counts in summary.manifest.describe():
        say(f"{counts.split:>6}: {counts.real} real, {counts.fake} fake")
    words = {
        "given": "by the data set's boxes",
        "found": "found by YuNet",
        "kept": "taken as they are",
        "whole": "whole photographs without a face",
    }
    ways = ", ".join(
        f"{summary.ways[way]} {text}" for way, text in words.items() if way in summary.ways
    )
    say(f"{count(len(summary.manifest), 'crop')}: {ways}")
    if summary.without_face:
        say_wrapped(f"no face in {summary.without_face} photographs or frames: {summary.no_face}")
    say(f"written to {output}")
    skipped: list[object] = [*summary.skipped[:_SHOWN]]
    if len(summary.skipped) > _SHOWN:
        skipped.append(f"{len(summary.skipped) - _SHOWN} more: see {output}/skipped.csv")
    Skips().end(skipped)


@verb(
    "export",
    Argument("source", "The data set: a folder, a table or an annotation file.", type=PATH),
    Argument("output", "The file to write.", type=PATH),
    Option(
        "--to",
        "target",
        "The format to write: croissant, deepfakebench or metadata.",
        "required",
        required=True,
    ),
    FORMAT,
    STRICT,
    FormatOptions(into="stated", of="export_type", other="--state"),
    FormatOptions(),
    extra="data",
)
def export(
    source: Path,
    output: Path,
    target: str,
    stated: dict[str, Any],
    settings: dict[str, Any],
    *,
    format_name: str | None,
    strict: bool,
) -> None:
    """Write a data set's list in another format; the pictures stay where they are.

    croissant: metadata for catalogues and loaders, croissant.json beside the set's table.
    deepfakebench: a JSON file for DeepfakeBench's dataset_json_folder, such as of laundered copies
    of one of its sets. metadata: a table .csv, .jsonl or .parquet.
    """
    from demagnify.data import Manifest, formats

    kind = formats.create(target)
    options = kind.parse_export(stated)
    manifest = Manifest.load(source, format=format_name, strict=strict, **settings)
    files, notes = kind.write(manifest, output, options)
    say(f"wrote {', '.join(map(printable, files))}: {count(len(manifest), 'image')}")
    for note in notes:
        say_wrapped(f"note: {note}")
    Skips().end(manifest.skipped)


@verb(
    "sample",
    output("runs/sample"),
    Config("demagnify.data.sample:SampleConfig", flags={"count": "--limit"}),
    extra="data",
)
def sample(output: Path, config: SampleConfig) -> None:
    """Make a labelled sample set: real faces, and face swaps made from them.

    Writes 224x224 face crops as PNG, metadata.csv, and contact_sheet.png to look at. Splits
    go by source photograph. The photographs are about 1,000 of CelebA, for research only; they
    are fetched once.
    """
    from demagnify.data.sample import build_sample

    manifest = build_sample(output, config)
    pairs = dict.fromkeys(("val", "test"), 0)
    for counts in manifest.describe():
        pairs[counts.split] = counts.real
        say(f"{counts.split:>6}: {counts.real} real, {counts.fake} fake")
    few = [f"{split} has {n} pairs" for split, n in pairs.items() if n < _FEW_PAIRS]
    if few:
        say_wrapped(
            f"note: {', '.join(few)}: training needs val, evaluate test, and figures "
            f"from fewer than {_FEW_PAIRS} pairs mean little; --limit 150 or more fills both. "
            "calibrate needs 99 real val photographs for its 1 %: all of them."
        )
    say(f"written to {output}; look at {output / 'contact_sheet.png'}")
