"""DFDC, Facebook's Deepfake Detection Challenge: parts of videos with a `metadata.json` each.

Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset", 2020::

    dfdc_train_part_0/metadata.json
        {"aagfhgtpmv.mp4": {"label": "FAKE", "split": "train", "original": "vudstovrck.mp4"}, ...}

What to know of it:

* A fake and its original are one group. All training parts say `train`: new splits are made by
  group (`demagnify data prepare --new-splits`).
* The preview's `dataset.json` is read as well ("set", and actors in place of the original), and
  `is_fake` where there is no `label`.
* In a fake video other faces than the largest may be real, and some fakes are fake in sound only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

from demagnify.core.errors import BadManifestError
from demagnify.data import splits
from demagnify.data.formats.annotation_files import (
    Locator,
    absolute,
    first_path,
    identifier,
    read_json,
    shown,
)
from demagnify.data.formats.base import FORMATS, Format, FormatOptions
from demagnify.data.labels import parse_label, parse_truth
from demagnify.data.listing import levels
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import is_utf8, is_video
from demagnify.data.splits import Together

NAMES: Final = ("metadata.json", "dataset.json")
_ORIGINALS: Final = ("original", "original_video")
_ACTORS: Final = ("target_id", "swapped_id")


@FORMATS.register("dfdc")
class Dfdc(Format[FormatOptions]):
    """A part with its JSON file, several parts in a folder, or the JSON file."""

    name: ClassVar[str] = "dfdc"
    order: ClassVar[int] = 20
    summary: ClassVar[str] = "a folder with metadata.json of videos, or of such parts (DFDC)"
    refused: ClassVar[str] = (
        "entries without a label or with two that differ, listed videos that are missing, "
        "and videos that are not listed, since nothing says what they are"
    )

    def recognises(self, source: Path) -> bool:
        """Whether it is such a file, or a folder that holds one, up to two folders deep."""
        return next(_parts(source), None) is not None

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Lists the videos of all parts.

        Raises:
            BadManifestError: If there is no part, or its file cannot be read.
        """
        place = absolute(source)
        files = list(_parts(place))
        if not files:
            raise BadManifestError(f"{source}: there is no {' or '.join(NAMES)} of videos")
        builder = ManifestBuilder(place if place.is_dir() else place.parent, strict=strict)
        together = Together()
        rows = [row for path in files for row in _rows(path, builder, together)]
        for name, label, split, own in rows:
            builder.add_row(name, label, split, together.group(own))
        return builder.build()


def _parts(source: Path) -> Iterator[Path]:
    """Yields the JSON files of videos: the source, or those in it, up to two folders deep."""
    if source.is_file():
        keys = first_path(source) if source.suffix.lower() == ".json" else []
        if keys and is_video(Path(keys[0])):
            yield source
        return
    for folder in (one for level in levels(source) for one in level):
        for name in NAMES:
            yield from _parts(folder / name) if (folder / name).is_file() else ()


def _rows(
    path: Path, builder: ManifestBuilder, together: Together
) -> Iterator[tuple[str, int, str, str]]:
    """Yields name, label, split and own group of each video of a part; joins what is related."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise BadManifestError(f"{path}: is no list of videos")
    part, locator = path.relative_to(builder.root).as_posix(), Locator([path.parent])
    for video, entry in content.items():
        try:
            if not isinstance(entry, dict) or not is_utf8(video):
                raise BadManifestError("the entry is no object, or its name no UTF-8")
            label = _label(entry)
            split = next((entry[key] for key in ("split", "set") if entry.get(key)), splits.WHOLE)
            found = locator.find(video)
            if found is None:
                raise BadManifestError("there is no such file")
        except BadManifestError as error:
            builder.skip(f"{part}, {shown(video)}", error.message)
            continue
        together.join(video, *_relatives(entry))
        name = found.relative_to(builder.root).as_posix()
        yield name, label, splits.parse_split(str(split)), video
    listed = {Path(video).name for video in content}
    for one in sorted(path.parent.iterdir()):
        if is_video(one) and one.name not in listed:
            builder.skip(one, f"the video is not in {path.name}")


def _label(entry: Mapping[str, object]) -> int:
    """Returns the label of an entry.

    Raises:
        BadManifestError: If it has none, or two that contradict each other.
    """
    found = {
        key: parse(str(entry[key]))
        for key, parse in (("label", parse_label), ("is_fake", parse_truth))
        if entry.get(key) is not None
    }
    if len(set(found.values())) != 1:
        told = " and ".join(f"{key} {shown(entry[key])}" for key in found) or "no label"
        raise BadManifestError(f"it has {told}")
    return next(iter(found.values()))


def _relatives(entry: Mapping[str, object]) -> list[str]:
    """Returns what a video is made of: its original, else the actors."""
    originals = [entry[key] for key in _ORIGINALS if isinstance(entry.get(key), str)]
    if originals:
        return [str(one) for one in originals if one]
    ids = (identifier(entry.get(key)) for key in _ACTORS)
    return [f"actor {one}" for one in ids if one is not None]
