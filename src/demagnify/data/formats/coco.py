"""Faces in COCO annotation files: photographs, categories, and a box per face.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and
https://cocodataset.org/#format-data. Labels come from the names in `categories`, never from
their numbers or order, which differ from data set to data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demagnify.core.errors import BadManifestError
from demagnify.data.boxes import LEAST_INSIDE, LEAST_SIDE, TOO_SMALL
from demagnify.data.formats.annotation_files import Skip, identifier, number, read_json, shown
from demagnify.data.labels import FAKE, REAL, named_label
from demagnify.data.records import Box

Id = int | str

DEFAULT_CATEGORIES: Final[Mapping[Id, int]] = {0: REAL, 1: FAKE}
"""What OpenForensics' numbers mean, for files that do not say."""

_XYWH: Final = 1
"""What detectron2 calls boxes of x, y, width and height."""

UNUSED: Final = ("segmentation", "area", "landmark", "landmarks", "keypoints", "contour")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph as the file names it; width and height in pixels where it says."""

    file_name: str
    width: int | None
    height: int | None

    @property
    def size(self) -> str:
        """Width and height as "1024x683"; empty if they are not known."""
        return f"{self.width}x{self.height}" if self.width and self.height else ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One face: the id of its photograph, its label, and its box inside of the photograph."""

    name: str
    photo: Id
    label: int
    box: Box


@dataclass(frozen=True, slots=True)
class CocoFile:
    """The parts of an annotation file that are there, not yet checked one by one."""

    name: str
    images: list[Any]
    annotations: list[Any]
    labels: Mapping[Id, int | None]

    @classmethod
    def read(cls, path: Path) -> CocoFile:
        """Reads a file; polygons and landmarks are dropped while it is parsed.

        Raises:
            BadManifestError: If it is no JSON, lacks `images` or `annotations`, or has categories
                of which none is real and none fake.
        """
        content = read_json(path, without=UNUSED)
        if not isinstance(content, dict):
            raise BadManifestError(f"{path}: is not a COCO file: the JSON holds no object")
        for key in ("images", "annotations"):
            if not isinstance(content.get(key), list):
                raise BadManifestError(f"{path}: is not a COCO file: there is no list {key!r}")
        labels = _categories(path, content.get("categories"))
        if labels is DEFAULT_CATEGORIES:
            _check_numbers(path, content["annotations"])
        return cls(path.name, content["images"], content["annotations"], labels)

    def photos(self, skip: Skip) -> dict[Id, Photo]:
        """Returns the photographs by id; what is wrong with the others goes to `skip`."""
        found: dict[Id, Photo] = {}
        twice: set[Id] = set()
        for place, item in enumerate(self.images):
            where = f"{self.name}, image {_title(item, place)}"
            try:
                key, photo = _photo(item)
            except BadManifestError as error:
                skip(where, error.message)
                continue
            if found.setdefault(key, photo).file_name != photo.file_name:
                skip(where, f"its id is that of {shown(found[key].file_name)} too")
                twice.add(key)
        return {key: photo for key, photo in found.items() if key not in twice}

    def faces(self, photos: Mapping[Id, Photo], skip: Skip) -> Iterator[Annotation]:
        """Yields the good annotations of `photos`; what is wrong with the others goes to `skip`."""
        seen: set[Id] = set()
        known: dict[tuple[Id, Box], int] = {}
        for place, item in enumerate(self.annotations):
            title = _title(item, place)
            try:
                key = identifier(item.get("id")) if isinstance(item, dict) else None
                if key is not None and key in seen:
                    raise BadManifestError("its id was given before")
                face = self._face(title, item, photos)
                if known.setdefault((face.photo, face.box), face.label) != face.label:
                    raise BadManifestError("its box was given before, under the other label")
            except BadManifestError as error:
                skip(f"{self.name}, annotation {title}", error.message)
            else:
                if key is not None:
                    seen.add(key)
                yield face

    def _face(self, name: str, item: object, photos: Mapping[Id, Photo]) -> Annotation:
        if not isinstance(item, dict):
            raise BadManifestError("is not a JSON object")
        photo = identifier(item.get("image_id"))
        if photo is None or photo not in photos:
            raise BadManifestError(f"there is no image with the id {shown(item.get('image_id'))}")
        mode = item.get("bbox_mode", _XYWH)
        if mode not in (_XYWH, "XYWH_ABS"):
            raise BadManifestError(f"its bbox_mode is {shown(mode)}, not {_XYWH} (XYWH_ABS)")
        box = _clipped(_box(item.get("bbox")), photos[photo])
        return Annotation(name, photo, self._label(item.get("category_id")), box)

    def _label(self, category: object) -> int:
        key = identifier(category)
        if key is None or key not in self.labels:
            raise BadManifestError(f"the category {shown(category)} is unknown")
        label = self.labels[key]
        if label is None:
            raise BadManifestError(f"the category {shown(category)} is neither real nor fake")
        return label


def _check_numbers(path: Path, annotations: list[Any]) -> None:
    """Makes sure that categories without names are 0 and 1, as in OpenForensics."""
    for item in annotations:
        category = item.get("category_id") if isinstance(item, dict) else None
        key = identifier(category)
        if key is not None and key not in DEFAULT_CATEGORIES:
            raise BadManifestError(
                f"{path}: has the category {shown(category)}, and names no categories",
                hint="add them: which number is fake differs from data set to data set",
            )


def _title(item: object, place: int) -> str:
    """Returns what to call an entry: its id, or else its place in the list."""
    key = identifier(item.get("id")) if isinstance(item, dict) else None
    return f"at place {place}" if key is None else shown(key)


def _photo(item: object) -> tuple[Id, Photo]:
    if not isinstance(item, dict):
        raise BadManifestError("is not a JSON object")
    key, name = identifier(item.get("id")), item.get("file_name")
    if key is None:
        raise BadManifestError("it has no id")
    if not isinstance(name, str) or not name:
        raise BadManifestError("it has no file_name")
    return key, Photo(name, _side(item, "width"), _side(item, "height"))


def _side(item: Mapping[str, object], key: str) -> int | None:
    value = item.get(key)
    if value is None:
        return None
    side = number(value)
    if side is None or side < 1:
        raise BadManifestError(f"its {key} is {shown(value)}")
    return int(side)


def _box(value: object) -> Box:
    if not isinstance(value, list) or len(value) != len(Box._fields):
        raise BadManifestError(f"its bbox is {shown(value)}, not [x, y, width, height]")
    numbers = [number(one) for one in value]
    x, y, width, height = numbers
    if x is None or y is None or width is None or height is None:
        raise BadManifestError(f"its bbox {shown(value)} has a value that is no sensible number")
    if width <= 0 or height <= 0:
        raise BadManifestError(f"its bbox {shown(value)} has no size")
    if min(width, height) < LEAST_SIDE:
        raise BadManifestError(f"its bbox is {shown(value)}: {TOO_SMALL}")
    return Box(x, y, width, height)


def _clipped(box: Box, photo: Photo) -> Box:
    """Returns the part of a box that is inside of the photograph, which some overhang a little."""
    if photo.width is None or photo.height is None:
        return box
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right = min(box.x + box.width, float(photo.width))
    bottom = min(box.y + box.height, float(photo.height))
    inside = max(right - left, 0.0) * max(bottom - top, 0.0)
    if inside < LEAST_INSIDE * box.width * box.height:
        raise BadManifestError(
            f"its bbox {[round(side, 2) for side in box]} lies outside of the photograph "
            f"({photo.size} pixels)"
        )
    return Box(left, top, right - left, bottom - top)


def _categories(path: Path, items: object) -> Mapping[Id, int | None]:
    """Returns the label of each category, by name; None for one that is neither."""
    if items is None:
        return DEFAULT_CATEGORIES
    if not isinstance(items, list):
        raise BadManifestError(f"{path}: 'categories' is not a list")
    labels: dict[Id, int | None] = {}
    names: dict[Id, str] = {}
    for item in items:
        key = identifier(item.get("id")) if isinstance(item, dict) else None
        name = item.get("name") if isinstance(item, dict) else None
        if key is None or not isinstance(name, str):
            raise BadManifestError(f"{path}: the category {shown(item)} lacks an id or a name")
        if names.setdefault(key, name) != name:
            raise BadManifestError(
                f"{path}: the category id {shown(key)} is given to {shown(names[key])} and to "
                f"{shown(name)}"
            )
        labels[key] = named_label(name)
    if not names:
        return DEFAULT_CATEGORIES
    if not set(labels.values()) - {None}:
        told = ", ".join(shown(name) for name in list(names.values())[:5])
        raise BadManifestError(
            f"{path}: no category is real or fake; there are: {told}",
            hint="labels come from the categories' names",
        )
    return labels
