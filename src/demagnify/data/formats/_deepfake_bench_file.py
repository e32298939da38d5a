"""The JSON file of a set as DeepfakeBench's `abstract_dataset.py` opens it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data.columns import names_below
from demagnify.data.formats.annotation_files import natural_key
from demagnify.data.formats.base import FormatOptions
from demagnify.data.labels import NAMES
from demagnify.data.manifest import Manifest

_SPLITS: Final = ("train", "val", "test")
_SUFFIX: Final = ".json"
_WITH_COMPRESSION: Final = frozenset(
    {
        *("FaceForensics++", "FF-DF", "FF-F2F", "FF-FS", "FF-NT", "DeepFakeDetection"),
        *("FaceShifter", "FaceForensics++_c40", "FF-DF_c40", "FF-F2F_c40", "FF-FS_c40"),
        "FF-NT_c40",
    }
)
"""Names below which DeepfakeBench looks for a level of the compression."""


class DeepfakeBenchExport(FormatOptions):
    """How a set becomes a file of DeepfakeBench."""

    prefix: str = Field(
        default="",
        description="Put before the frames' names, as in ./datasets/rgb/laundered; their folder "
        "is the set's then. Without, they are relative to the file.",
    )


def file_of(
    manifest: Manifest,
    output: Path,
    options: DeepfakeBenchExport,
    *,
    is_label: Callable[[str, int], bool],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the content of the file, and what else DeepfakeBench needs.

    The file's name is the set's. A video's label is what the column `method` calls it, where
    DeepfakeBench would tell real from fake by that, else the set's name with _Real or _Fake. A
    video is what the columns `video` or `group` say.

    Args:
        manifest: Face crops.
        output: The file, for the names in it.
        options: How frames are named.
        is_label: Whether a name says such a label.
    """
    name = output.stem
    if output.suffix != _SUFFIX:
        raise BadConfigError(f"{output}: DeepfakeBench reads NAME{_SUFFIX}")
    if name in _WITH_COMPRESSION:
        raise BadConfigError(
            f"{output}: DeepfakeBench looks for compressions in a set called {name}",
            hint=f"call it otherwise, such as {name}-laundered{_SUFFIX}",
        )
    home = manifest.root if options.prefix else output.parent
    frames = names_below(manifest.table, manifest.root, home).to_pylist()
    content: dict[str, dict[str, dict[str, Any]]] = {}
    for record, frame in zip(manifest, frames, strict=True):
        if record.split not in _SPLITS:
            raise BadManifestError(
                f"{manifest.source}: DeepfakeBench has train, val and test, not {record.split!r}",
                hint="demagnify data prepare --new-splits makes them",
            )
        label = record.extra.get("method", "")
        if not is_label(label, record.label):
            label = f"{name}_{NAMES[record.label].capitalize()}"
        split = content.setdefault(label, {one: {} for one in _SPLITS})[record.split]
        video = record.extra.get("video") or record.group
        node = split.setdefault(video, {"label": label, "frames": []})
        node["frames"].append(posixpath.join(options.prefix, frame))
    for one in (
        node for label in content.values() for split in label.values() for node in split.values()
    ):
        one["frames"].sort(key=natural_key)
    values = ", ".join(f"{label}: {int(is_label(label, 1))}" for label in content)
    note = f"label_dict in DeepfakeBench's test_config.yaml and train_config.yaml needs {values}"
    return {name: content}, (note,)
