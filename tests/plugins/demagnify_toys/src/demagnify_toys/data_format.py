"""Reads labelled images from a text file `*.toylist`: a line "val real a.png" for each image."""

from pathlib import Path

from demagnify.data import Manifest
from demagnify.data.formats import Format, FormatOptions
from demagnify.data.manifest import ManifestBuilder


class LabelList(Format[FormatOptions]):
    """A text file with a split, a label and a path in each line."""

    name = "toy-list"
    summary = "a file *.toylist with a split, a label and a path in each line"
    crops = True
    options_type = FormatOptions

    def recognises(self, source: Path) -> bool:
        return source.suffix == ".toylist"

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:
        builder = ManifestBuilder(source.parent, strict=strict)
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split(maxsplit=2)
            if len(words) == 3 and words[1] in ("real", "fake"):
                split, label, path = words
                builder.add_row(path, int(label == "fake"), split, path)
            else:  # counted, named, and an error with --strict
                builder.skip(f"{source.name}:{number}", "no line like 'val real a.png'")
        return builder.build()
