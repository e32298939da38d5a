"""Reads labelled images from a text file `*.toylist`: one line "real a.png" for each image."""

from pathlib import Path

from demagnify.data import Manifest, Record
from demagnify.data.formats import Format, FormatOptions


class LabelList(Format[FormatOptions]):
    """A text file with a label and a path in each line."""

    name = "toy-list"
    summary = "a file *.toylist with a label and a path in each line"
    crops = True
    options_type = FormatOptions

    def recognises(self, source: Path) -> bool:
        return source.suffix == ".toylist"

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:
        lines = [line.split() for line in source.read_text(encoding="utf-8").splitlines()]
        return Manifest(
            [Record(Path(path), int(label == "fake"), "test", path) for label, path in lines],
            root=source.parent,
        )
