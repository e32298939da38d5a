"""OpenForensics: photographs with many faces each, real and forged ones side by side.

Le et al., "OpenForensics: Large-Scale Challenging Dataset For Multi-Face Forgery Detection And
Segmentation In-The-Wild", ICCV 2021. One COCO file per split (`Train_poly.json`, `Val_poly.json`,
`Test-Dev_poly.json`, `Test-Challenge_poly.json`), photographs in `Images/<Split>/`.

What to know of it:

* Real and fake faces share photographs, so a split must go by photograph: the group of a face is
  its photograph's file.
* Ids are unique only within one file, so nothing here is known by its id across files.
* The category 0 is real and 1 fake, but crops of this data set on Kaggle order them the other way
  round; where a file names its categories, the names count.
* The figures that are often given as its images (23,892 and the like) count annotations.

Polygons are read over: no part of demagnify uses them. The id of each annotation is kept in the
column `annotation`, by which they can be found again.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field

from demagnify.core.errors import BadManifestError
from demagnify.data import splits
from demagnify.data.boxes import ORIENTATION
from demagnify.data.columns import stored_name
from demagnify.data.formats.annotation_files import (
    Locator,
    Skip,
    absolute,
    is_file,
    shown,
    starts_with_keys,
)
from demagnify.data.formats.base import FORMATS, Format, FractionOptions
from demagnify.data.formats.coco import Annotation, CocoFile, Id, Photo
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import PHOTO_SIZE, is_utf8

SUFFIX: Final = "_poly.json"

_SPLITS: Final = {"test-dev": "test"}
_FOLDERS: Final = (".", "Annotations", "annotations", "Jsons", "json")
_COCO_KEYS: Final = ("images", "annotations", "categories", "info", "licenses", "type")


class OpenForensicsOptions(FractionOptions):
    """What can be set on reading OpenForensics."""

    view: Literal["face", "scene"] = Field(
        "face",
        description="face: one crop per annotation. scene: the whole photograph per annotation, "
        "as the paper's published code does: the same input comes back once for each of its "
        "faces, under labels that contradict each other where real and fake ones mix.",
    )
    images: Path | None = Field(
        None, description="Folder of the photographs, where it is not beside the annotations."
    )
    boxes: Literal["auto", "upright", "stored"] = Field(
        "auto",
        description="What boxes were drawn on: the photograph upright by its EXIF orientation, or "
        "as stored. auto goes by the size that the file states, and refuses where that is open.",
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The faces of one file, and where its photographs lie."""

    split: str
    photos: dict[Id, Photo]
    paths: dict[Id, Path]
    faces: list[Annotation]


@FORMATS.register("openforensics")
class OpenForensics(Format[OpenForensicsOptions]):
    """COCO files with the categories real and fake: OpenForensics and what is made like it."""

    name: ClassVar[str] = "openforensics"
    order: ClassVar[int] = 30
    summary: ClassVar[str] = "a COCO file of faces such as Train_poly.json, or a folder of them"
    refused: ClassVar[str] = (
        "categories that are neither real nor fake, boxes outside of their photographs or "
        "without area, and boxes of which nothing says whether they were drawn before or "
        "after the EXIF turn"
    )
    options_type = OpenForensicsOptions

    def recognises(self, source: Path) -> bool:
        """Whether it is such a file, by its name or first keys, or a folder of `*_poly.json`."""
        if source.is_dir():
            return bool(annotation_files(source))
        if source.suffix.lower() != ".json":
            return False
        return _is_named(source) or starts_with_keys(source, _COCO_KEYS)

    def read(self, source: Path, options: OpenForensicsOptions, *, strict: bool) -> Manifest:
        """Reads one file, or all of a folder.

        Raises:
            BadManifestError: If a file cannot be used, or none of its photographs is there.
        """
        place = absolute(source)
        files = annotation_files(place) if place.is_dir() else [place]
        if not files:
            raise BadManifestError(
                f"{source}: there is no file that ends in {SUFFIX}",
                hint=f"looked in it and in {', '.join(_FOLDERS[1:])}",
            )
        builder = ManifestBuilder(place, strict=strict)
        # Each file has places of its own: photographs of two splits may have the same names.
        locators = [Locator(_bases(path, options.images)) for path in files]
        parts = [
            _read_part(path, locator, options, builder.skip)
            for path, locator in zip(files, locators, strict=True)
        ]
        builder.root = Path(os.path.commonpath([locator.root for locator in locators]))
        for part in parts:
            _add(part, builder, options)
        return builder.build()


def annotation_files(folder: Path) -> list[Path]:
    """Returns the COCO files of a folder, or of the folder for annotations in it.

    Those called `*_poly.json` where there are such; else all that begin like a COCO file.
    """
    for name in _FOLDERS:
        files = sorted(path for path in (folder / name).glob("*.json") if is_file(path))
        named = [path for path in files if _is_named(path)]
        found = named or [path for path in files if starts_with_keys(path, _COCO_KEYS)]
        if found:
            return found
    return []


def _is_named(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIX)


def _bases(path: Path, given: Path | None) -> list[Path]:
    """Returns where a file's photographs may lie: as given, or seen from the file."""
    homes = [absolute(given)] if given else [path.parent, path.parent.parent]
    split = _split_name(path)
    names = [_split_folder(path), *([split] if split != splits.WHOLE else [])]
    inside = ("", "Images", "images", *(f"Images/{name}" for name in names), *names)
    plain = [home / name for home in homes for name in inside]
    return [*plain, *(part for home in homes for name in names for part in _parts(home, name))]


def _parts(home: Path, split: str) -> list[Path]:
    """Returns the folders that a split's archives were unpacked to: `Train_part_1` and so on."""
    return sorted(part for part in home.glob(f"{glob.escape(split)}_part*") if part.is_dir())


def _split_folder(path: Path) -> str:
    """Returns the name of a file's split as folders have it: "Test-Dev" of Test-Dev_poly.json."""
    return path.name[: -len(SUFFIX)] if _is_named(path) else path.stem


def _split_name(path: Path) -> str:
    """Returns the name of a file's split as manifests have it."""
    if not _is_named(path):
        words = path.stem.lower().replace("-", "_").split("_")
        named = [splits.parse_split(word) for word in words if word]
        return next((name for name in named if name in splits.FRACTIONS), splits.WHOLE)
    name = splits.parse_split(_split_folder(path) or splits.WHOLE)
    return _SPLITS.get(name, name)


def _read_part(path: Path, locator: Locator, options: OpenForensicsOptions, skip: Skip) -> _Part:
    file = CocoFile.read(path)
    photos = file.photos(skip)
    split = _split_name(path)
    chosen = options.choose((split, photo.file_name) for photo in photos.values())
    faces = [face for face in file.faces(photos, skip) if photos[face.photo].file_name in chosen]
    paths: dict[Id, Path] = {}
    lost: dict[Id, str] = {}
    for key in dict.fromkeys(face.photo for face in faces):
        try:
            paths[key] = _locate(photos[key].file_name, locator)
        except BadManifestError as error:
            lost[key] = error.message
    if lost and not paths:
        raise BadManifestError(
            f"{path}: none of the {len(lost)} photographs is there; the first: "
            f"{next(iter(lost.values()))}",
            hint=f"the setting images names their folder; looked in: {locator.places}",
        )
    counts = Counter(face.photo for face in faces)
    for key, reason in lost.items():
        skip(f"{path.name}, image {shown(key)}", f"{reason} (faces: {counts[key]})")
    kept = [face for face in faces if face.photo in paths]
    return _Part(split, photos, paths, kept)


def _locate(name: str, locator: Locator) -> Path:
    path = locator.find(name)
    if path is None:
        raise BadManifestError(f"{shown(name)}: there is no such file")
    if not is_utf8(str(path)):
        raise BadManifestError(f"{shown(name)}: the file's name is not UTF-8")
    return path


def _add(part: _Part, builder: ManifestBuilder, options: OpenForensicsOptions) -> None:
    names = {key: stored_name(path, builder.root) for key, path in part.paths.items()}
    drawn_on = {} if options.boxes == "auto" else {ORIENTATION: options.boxes}
    for face in part.faces:
        name, size = names[face.photo], part.photos[face.photo].size
        builder.add_row(
            name,
            face.label,
            part.split,
            group=name,
            box=face.box if options.view == "face" else None,
            extra={"annotation": face.name, **({PHOTO_SIZE: size} if size else {}), **drawn_on},
        )
