"""What is in a JSON file of DeepfakeBench; see `demagnify.data.formats.deepfake_bench`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demagnify.core.errors import BadManifestError
from demagnify.data import splits
from demagnify.data.formats.json_text import Skip, read_json, shown
from demagnify.data.labels import FAKE, REAL

METHODS: Final = frozenset({"ff-df", "ff-f2f", "ff-fs", "ff-nt", "ff-fh", "ff-dfd"})
"""The labels of fakes that do not say so: Deepfakes, Face2Face, FaceSwap, ..."""
COMPRESSIONS: Final = ("c23", "raw", "c40", "c0")


@dataclass(frozen=True, slots=True)
class Video:
    """A video of the file: where it stands, what it is, and the names of its frames."""

    where: str
    data_set: str
    name: str
    label_name: str
    label: int
    split: str
    compression: str
    frames: list[str]

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by: the same in each split that it is listed in."""
        return self.data_set, self.label_name, self.name


def label_of(name: str) -> int:
    """Returns the label that a name such as "FF-real" or "DFDCP_FakeA" tells.

    Raises:
        BadManifestError: If it tells neither, or both.
    """
    low = name.strip().lower()
    words = [re.sub(r"\d+$", "", word) for word in re.split(r"[^a-z0-9]+", low)]
    for real, fake in (("real" in words, "fake" in words), ("real" in low, "fake" in low)):
        if real != fake:
            return FAKE if fake else REAL
    if low in METHODS:
        return FAKE
    raise BadManifestError(
        f"the label {shown(name)} is neither real nor fake",
        hint=f"known are names with real or fake in them, and {', '.join(sorted(METHODS))}",
    )


def read_videos(path: Path, skip: Skip) -> Iterator[Video]:
    """Yields the videos of a file; what is wrong with the others goes to `skip`.

    Raises:
        BadManifestError: If it is another kind of file, or a label is unknown.
    """
    content = read_json(path)
    for data_set, label_name, label_node in _two_levels(path, content):
        try:
            label = label_of(label_name)
        except BadManifestError as error:
            raise BadManifestError(f"{path}: {error.message}", hint=error.hint) from error
        for split_name, split_node in label_node.items():
            where = f"{shown(data_set)}/{shown(label_name)}/{shown(split_name)}"
            for compression, name, node in _leaves(where, split_node, skip):
                place = f"{where}/{shown(name)}"
                try:
                    frames = _listed_frames(node, label)
                    split = splits.parse_split(split_name)
                except BadManifestError as error:
                    skip(place, error.message)
                else:
                    yield Video(
                        place, data_set, name, label_name, label, split, compression, frames
                    )


def _two_levels(path: Path, content: object) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields data set, label name, and what stands below these."""
    if not isinstance(content, dict) or not content:
        raise BadManifestError(f"{path}: is not a file of DeepfakeBench: there is no data set")
    for data_set, labels in content.items():
        if not isinstance(labels, dict):
            raise BadManifestError(
                f"{path}: is not a file of DeepfakeBench: {shown(data_set)} holds no labels"
            )
        for label_name, node in labels.items():
            if not isinstance(node, dict):
                raise BadManifestError(
                    f"{path}: is not a file of DeepfakeBench: {shown(label_name)} holds no splits"
                )
            yield data_set, label_name, node


def _leaves(
    where: str, node: object, skip: Skip
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Yields compression ("" where there is no such level), name and node of each video."""
    if not isinstance(node, dict):
        skip(where, "holds no videos")
        return
    for name, inner in node.items():
        if not isinstance(inner, dict):
            skip(f"{where}/{shown(name)}", "is not a video, with label and frames")
        elif "frames" in inner or name not in COMPRESSIONS:
            yield "", name, inner
        else:
            for video, leaf in inner.items():
                if isinstance(leaf, dict):
                    yield name, video, leaf
                else:
                    place = f"{where}/{name}/{shown(video)}"
                    skip(place, "is not a video, with label and frames")


def _listed_frames(node: Mapping[str, object], label: int) -> list[str]:
    frames, said = node.get("frames"), node.get("label")
    if not isinstance(frames, list) or not all(isinstance(frame, str) for frame in frames):
        raise BadManifestError("its frames are not a list of names")
    if said is not None:
        if not isinstance(said, str):
            raise BadManifestError(f"its label is {shown(said)}, not a name")
        if label_of(said) != label:
            raise BadManifestError(f"its label {shown(said)} contradicts the label it stands under")
    return frames
