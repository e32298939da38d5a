"""What whole numbers as labels stand for, where a data set says it in Hugging Face's way.

A class label has names: in the dataset card (`README.md`, YAML between two lines `---`), in
`dataset_infos.json` or `dataset_info.json`, or in the schema of a Parquet file. Where there are
names, numbers mean nothing by themselves: 0 is fake where fake is the first name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from demagnify.core.errors import BadManifestError
from demagnify.data.labels import label_name, named_label
from demagnify.data.tables.blocks import LABEL, LABELS

_CARD: Final = "README.md"
_INFOS: Final = ("dataset_infos.json", "dataset_info.json")
_FRONT_MATTER: Final = re.compile(r"\s*---\s*\n(.*?)\n---\s*(\n|$)", re.DOTALL)
_WORD: Final = "class_label"
_NUMBER: Final = re.compile(r"\s*(-?\d{1,18})(\.0)?\s*")
_ABOVE: Final = 2
_DEEP: Final = 3
_TOLD: Final = 5

Names = Mapping[int, str]


class ClassNames:
    """What the files beside a table, or up to two folders above it, call its labels.

    They are read when a label is a number, and not before.

    Args:
        folder: The table's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def apply(self, columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """Returns columns with the labels by name, where they are numbers and have names.

        Raises:
            BadManifestError: If the names cannot be read, or none of them is real or fake.
        """
        column = columns.get(LABEL)
        if column is None or not pc.any(pc.match_substring_regex(column, r"^\s*-?\d")).as_py():
            return columns
        if self._found is None:
            return columns
        place, names = self._found
        return {**columns, LABEL: by_name(column, names, source=place)}

    @cached_property
    def _found(self) -> tuple[Path, Names] | None:
        """Returns the nearest file that names the labels, and the names."""
        folder = self._folder.absolute()
        for home in (folder, *folder.parents[:_ABOVE]):
            for place in (home / _CARD, *(home / name for name in _INFOS)):
                found = _different(_read(place))
                if len(found) > 1:
                    raise BadManifestError(
                        f"{place}: the numbers of labels have different names in different parts",
                        hint="write real and fake into the column label",
                    )
                if found:
                    return place, found[0]
        return None


def by_name(column: pa.Array, names: Names, *, source: object) -> pa.Array:
    """Returns labels, texts, with numbers replaced by what they stand for.

    A number without a name is no label any more, and neither is one whose name is neither real
    nor fake. Names that are the numbers themselves say nothing.

    Args:
        column: The labels, texts.
        names: The name of each number.
        source: The file that gives the names, for the message.

    Raises:
        BadManifestError: If none of the names is real or fake.
    """
    if all(name.strip() == str(number) for number, name in names.items()):
        return column
    labels = {number: named_label(name) for number, name in names.items()}
    if not set(labels.values()) - {None}:
        told = ", ".join(repr(name) for name in list(names.values())[:_TOLD])
        raise BadManifestError(
            f"{source}: no label is called real or fake; they are called {told:.200}",
            hint="write real and fake into the column label",
        )

    def read(text: str) -> str:
        found = _NUMBER.fullmatch(text)
        if found is None:
            return text
        number = int(found[1])
        label = labels.get(number)
        return names.get(number, f"number {number}") if label is None else label_name(label)

    codes = pc.dictionary_encode(column)
    distinct = pa.array([read(text) for text in codes.dictionary.to_pylist()], pa.string())
    return distinct.take(codes.indices)


def names_in(content: object) -> Names | None:
    """Returns the names of a class label as Hugging Face writes them: a list, or by number."""
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        return None
    try:
        return {int(number): str(name) for number, name in content.items()} or None
    except (TypeError, ValueError):
        return None


def _read(path: Path) -> object:
    """Returns what a file says of the data set; None if it is not there, or says nothing of it."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadManifestError(
            f"{path}: cannot be read, and may say which number is fake",
            hint="mend it, or take it away",
        ) from error
    try:
        if path.name != _CARD:
            return json.loads(text)
        front = _FRONT_MATTER.match(text)
        return yaml.safe_load(front[1]) if front and _WORD in front[1] else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        kind = "YAML" if path.name == _CARD else "JSON"
        raise BadManifestError(
            f"{path}: is not {kind} that can be read, and may say which number is fake",
            hint="mend it, or take it away",
        ) from error


def _different(content: object) -> list[Names]:
    found: list[Names] = []
    for features in _features(content):
        names = names_in(_names_of_label(features))
        if names is not None and names not in found:
            found.append(names)
    return found


def _features(content: object, depth: int = 0) -> Iterator[object]:
    """Yields the features of each part (configuration) of a data set."""
    if isinstance(content, dict) and "features" in content:
        yield content["features"]
    elif depth < _DEEP and isinstance(content, dict | list):
        for part in content.values() if isinstance(content, dict) else content:
            yield from _features(part, depth + 1)


def _names_of_label(features: object) -> object:
    """Returns the names of the labels: by the column's name in JSON, in a list in the card."""
    for label in LABELS:
        if isinstance(features, dict) and label in features:
            return _at(features, label, "names")
        for feature in features if isinstance(features, list) else ():
            if _at(feature, "name") == label:
                return _at(feature, "dtype", _WORD, "names")
    return None


def _at(content: Any, *keys: str) -> Any:  # noqa: ANN401  what JSON and YAML hold
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
