"""Writes docs/formats.md from the registered readers: `python docs/formats_page.py`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined

from demagnify.core.image_files import MAX_BYTES, SUFFIXES
from demagnify.core.images import MAX_PIXELS, MIN_SIDE
from demagnify.data.boxes import LEAST_SIDE
from demagnify.data.formats import FORMATS, Format, FormatOptions, create
from demagnify.data.records import VIDEO_SUFFIXES
from demagnify.data.tables import READERS
from demagnify.data.tables.blocks import HEADINGS
from demagnify.data.tables.delimited import DELIMITERS
from demagnify.data.tables.readers import JSON
from demagnify.data.tables.values import CORNERS, SIZED, UNCLEAR

PAGE: Final = Path(__file__).parent / "formats.md"


def page() -> str:
    """Returns the page as Markdown."""
    kinds = sorted((create(name) for name in FORMATS), key=lambda one: (one.order, one.name))
    own = [one for one in kinds if type(one).__module__.startswith("demagnify.")]
    rows = "\n".join(f"| [{one.name}](#{one.name}) | {one.summary} |" for one in own)
    sections = "\n\n".join(_section(one) for one in own)
    return f"""# Formats

<!-- Written by docs/formats_page.py from the registered readers; do not edit. -->

Every command that takes a data set takes any of these, and tells which one it is by what is there,
in the order of this table. `data describe` shows what was read. What is left out is counted, named
with its reason, and gives exit code 3; with `--strict` it stops the work.

| format | known by |
|---|---|
{rows}

## Images

Read by content, whatever the name: JPEG (MPO too), PNG, WebP, BMP, TIFF (integers and floats, grey
and colours), GIF (first frame), JPEG 2000, PPM and its kin, and AVIF and HEIC
(`pip install -c constraints.txt '.[heif]'` where Pillow lacks them). Names that promise an image:
{_list(SUFFIXES)}.

Refused: files over {MAX_BYTES // 2**30} GiB; more than {MAX_PIXELS:,} pixels (Pillow's limit;
`--max-pixels` lowers it); sides below {MIN_SIDE} pixels; damaged or cut files, in PNG by the
checksum of every chunk; floats and 32-bit numbers that fit none of 0-1, 0-255 and 0-65535, and
numbers with a sign; PNG, AVIF and HEIC of high dynamic range; TIFF and camera files that begin with
a preview (DNG), and TIFF of deep colours in separate planes; JPEG 2000 with a sign or of fewer than
8 bits; JPEG of 12 bits, and of four colours without Adobe's marker (ink and paper could be
exchanged); PNG whose still picture is not in its animation; pipes, devices and folders with the
name of an image; all other formats, some of which run programs (EPS).

Pixels become sRGB: by the file's colour profile, or by what the file states otherwise (PNG's cICP,
or gAMA and cHRM; code points in AVIF and HEIC; "Adobe RGB" in EXIF data). They are turned upright
by the orientation in the EXIF data, or in XMP (`tiff:Orientation`) where those have none. Of
several images in a file the first is read; what is transparent in it, and what it leaves free of a
larger canvas, becomes white.

## Videos

Told by their names: {_list(VIDEO_SUFFIXES)}. Frames are spread evenly where no frame is named
(`data prepare --video-frames`), upright and as wide as players show them; boxes on frames whose
pixels are not square are refused. Damaged frames are left out and counted; a file without a moving
picture is refused. Videos need `pip install -c constraints.txt '.[video]'`.

## Tables

Kinds: {_list([*READERS, JSON])} (one list of objects). CSV is separated by
{", ".join(f"`{one!r}`" for one in DELIMITERS)}, as its first line says (or a line `sep=;` before
it), in UTF-8, UTF-16 or UTF-32 (no other encoding is guessed: each gives other names); values in
quotation marks may hold line breaks. The file's column is `file_name`, or else the first of
{_list(HEADINGS["file_name"], keep=True)}; the label's is `label`, `is_fake`, or else the first of
{_list(HEADINGS["label"], keep=True)}. File names are relative to the table's folder, or to the one
folder in it (up to two deep) that has them. `split`, `group`, `frame` and boxes in pixels are
read as well: {"; ".join(_list(names, keep=True) for names in SIZED)} (or a list of them in `box`),
or two corners ({"; ".join(_list(names, keep=True) for names in CORNERS)}). All else is kept.

Labels are words (real, fake and their usual synonyms), or 0 for real and 1 for fake, or what a
Hugging Face card or schema calls the numbers. Pictures inside of Parquet (bytes, or structures with
bytes and path) are unpacked into the cache, as they are.

Refused: a table without a file or label column; labels that contradict a word in another column or
in the file's path; numbers beside 0 and 1, since then nothing says what 1 is; boxes smaller than
{LEAST_SIDE:g} pixels, which are shares of the sides, and lists in
{_list(UNCLEAR, keep=True)}, which could be corners or sizes; other columns of places and sizes,
such as centres and landmarks; a file that is listed twice under
both labels (the first counts); names that
leave the table's folder; file names that several folders could be meant by; lines that end in a
lone carriage return. A broken line costs no more than itself.

{sections}
"""


def _list(names: Any, *, keep: bool = False) -> str:  # noqa: ANN401
    return ", ".join(f"`{name}`" for name in (names if keep else sorted(names)))


def _section(kind: Format[Any]) -> str:
    text = inspect.getdoc(sys.modules[type(kind).__module__]) or ""
    parts = [f"## {kind.name}", f"Known by: {kind.summary}."]
    if kind.name != "kaggle":  # in one module with `folders`, whose section it is in
        parts.append(text.replace("::\n", ":\n"))
    if kind.crops:
        parts.append("Its images are face crops: no face is looked for in them.")
    parts.append(f"Refused or left out: {kind.refused}.")
    if options := _settings(kind.options_type):
        parts.append(f"Settings (in Python, `Manifest.load(source, name=value)`):\n\n{options}")
    if kind.writes:
        written = f"`data export --to {kind.name}` writes {kind.writes}."
        parts.append(
            f"{written} Its settings:\n\n{stated}"
            if (stated := _settings(kind.export_type))
            else written
        )
    return "\n\n".join(parts)


def _settings(model: type[FormatOptions]) -> str:
    return "\n".join(
        f"- `{name}` ({_default(field.default)}): {field.description}"
        for name, field in model.model_fields.items()
    )


def _default(value: object) -> str:
    return "not set" if value in (None, "", PydanticUndefined) else f"default {value}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
