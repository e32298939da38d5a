r"""DeepfakeBench's JSON: face crops of many data sets, listed by label, split and video.

Yan et al., "DeepfakeBench: A Comprehensive Benchmark of Deepfake Detection", NeurIPS 2023; as its
`rearrange.py` writes them, with a level for the compression only in FaceForensics++::

    {"FF-DF": {"FF-real": {"train": {"c23": {"071": {"label": "FF-real",
                                                     "frames": ["...\\071\\000.png", ...]}}}}}}

What to know of it:

* Labels are names; what says neither real nor fake, and is no method of FaceForensics++, is an
  error that names it.
* Paths are those of the machine that wrote the file, often with `\`. They are looked for below
  the JSON file's folder and the folders above, leading parts left out where need be.
* Some files list a video in two or three splits: `val` is a copy of `test` in Celeb-DF and DFDCP,
  `train` holds the test videos as well in Celeb-DF, and DeepFakeDetection and UADFV are in all
  three. Such a video counts as test, else as val, and what was left out is said. A data set of
  which nothing is left for `train` or `val` is one to test on.
* The group of a frame is its video; fakes of FaceForensics++ and the two videos that they are made
  of are one group, as are the official pairs. New splits (`data prepare --new-splits`) keep the
  fakes of Celeb-DF with the video that they are made from, too.
* The crops are aligned faces already, 256x256 with a margin of 30 %; they are taken as they are.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field

from demagnify.core.errors import BadConfigError, BadManifestError, DemagnifyWarning
from demagnify.core.files import write_text
from demagnify.data import splits
from demagnify.data.columns import stored_name
from demagnify.data.formats._deepfake_bench_file import DeepfakeBenchExport, file_of
from demagnify.data.formats.annotation_files import (
    Locator,
    Skip,
    absolute,
    first_path,
    natural_key,
    read_json,
    shown,
)
from demagnify.data.formats.base import FORMATS, Exported, Format, FormatOptions, FractionOptions
from demagnify.data.formats.celeb_df import source_video
from demagnify.data.labels import FAKE, REAL
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import SOURCE_GROUP, is_utf8
from demagnify.data.splits import Together
from demagnify.data.subsample import spread_evenly

PRECEDENCE: Final = ("test", "val", "train")
"""Where a video goes that is listed in several splits: best not to be trained on."""

_SPLIT_KEYS: Final = frozenset({"train", "val", "test"})
_PAIR: Final = re.compile(r"(\d{3})_(\d{3})")
_LEAST_PARTS: Final = 3


class DeepfakeBenchOptions(FractionOptions):
    """What can be set on reading a file of DeepfakeBench."""

    frames: int | None = Field(
        None, ge=1, description="Frames per video, spread evenly over those listed; all if not set."
    )
    images: Path | None = Field(
        None, description="Folder that holds the frames, where it is not near the JSON file."
    )
    compression: str | None = Field(
        None, description="Compression to read where there are several; c23 if not set."
    )


@FORMATS.register("deepfakebench")
class DeepfakeBench(Format[DeepfakeBenchOptions]):
    """A JSON file of DeepfakeBench, with the frames that it lists."""

    name: ClassVar[str] = "deepfakebench"
    order: ClassVar[int] = 40
    summary: ClassVar[str] = "a JSON file of DeepfakeBench"
    crops: ClassVar[bool] = True
    refused: ClassVar[str] = (
        "labels that say neither real nor fake, and frames that are nowhere below the file "
        "or the folders above it"
    )
    options_type = DeepfakeBenchOptions
    writes: ClassVar[str] = "NAME.json for DeepfakeBench's dataset_json_folder"
    export_type: ClassVar[type[FormatOptions]] = DeepfakeBenchExport

    def recognises(self, source: Path) -> bool:
        """Whether the third level of a JSON file is train, val or test."""
        if source.suffix.lower() != ".json" or not source.is_file():
            return False
        return not _SPLIT_KEYS.isdisjoint(first_path(source)[2:3])

    def read(self, source: Path, options: DeepfakeBenchOptions, *, strict: bool) -> Manifest:
        """Reads the file.

        Raises:
            BadManifestError: If it is another kind of file, a label is unknown, or none of the
                frames is there.
            BadConfigError: If the compression that was asked for is not there.
        """
        path = absolute(source)
        builder = ManifestBuilder(path.parent, strict=strict)
        listed = list(read_videos(path, builder.skip))
        found = _one_split(path, _one_compression(path, listed, options.compression))
        together = _joined(found)
        groups = [_group(video, together) for video in found]
        chosen = options.choose(zip((video.split for video in found), groups, strict=True))
        locator = Locator(_bases(path, options.images), least_parts=_LEAST_PARTS)
        rows = [
            (video, group, frame)
            for video, group in zip(found, groups, strict=True)
            if group in chosen
            for frame in _frames(video, options.frames, locator, builder.skip)
        ]
        if not rows and any(video.frames for video in found):
            raise BadManifestError(
                f"{source}: none of the frames that it lists is there",
                hint=f"the setting images names their folder; looked below: {locator.places}",
            )
        builder.root = locator.root
        for video, group, frame in rows:
            extra = {"method": video.label_name, "video": video.name}
            if made_from := source_video(video.name):
                extra[SOURCE_GROUP] = f"{_origin(video)}/{made_from}"
            name = stored_name(frame, builder.root)
            builder.add_row(name, video.label, video.split, group, extra=extra)
        return builder.build()

    def write(self, manifest: Manifest, output: Path, options: DeepfakeBenchExport) -> Exported:
        """Writes a set of face crops, such as laundered copies of a set of DeepfakeBench.

        Raises:
            BadConfigError: If DeepfakeBench could not open a file of that name.
            BadManifestError: If it is no set of face crops, or has other splits.
        """
        manifest.check_prepared()
        content, notes = file_of(manifest, output, options, is_label=_says)
        write_text(output, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return Exported((output,), notes)


def _says(name: str, label: int) -> bool:
    try:
        return label_of(name) == label
    except BadManifestError:
        return False


def _one_compression(path: Path, listed: list[Video], wanted: str | None) -> list[Video]:
    there = {video.compression for video in listed} - {""}
    if wanted is not None and wanted not in there:
        told = ", ".join(sorted(there)) or "none"
        raise BadConfigError(f"{path}: nothing is {wanted}", hint=f"there are: {told}")
    chosen = wanted or next((level for level in COMPRESSIONS if level in there), "")
    return [video for video in listed if video.compression in ("", chosen)]


def _one_split(path: Path, listed: list[Video]) -> list[Video]:
    """Returns each video once, in the split that comes first in `PRECEDENCE`; warns of others."""
    ranks = {name: rank for rank, name in enumerate(PRECEDENCE)}
    best: dict[tuple[str, str, str], Video] = {}
    for video in listed:
        other = best.setdefault(video.key, video)
        if ranks.get(video.split, len(ranks)) < ranks.get(other.split, len(ranks)):
            best[video.key] = video
    kept = [video for video in listed if best[video.key] is video]
    moved = Counter(
        f"{video.split} ({best[video.key].split})"
        for video in listed
        if best[video.key] is not video
    )
    if moved:
        told = ", ".join(f"{count} of {name}" for name, count in moved.items())
        warnings.warn(
            f"{path}: videos that are listed in several splits are kept in one (in brackets) and "
            f"left out of the others: {told}",
            DemagnifyWarning,
            stacklevel=2,
        )
    return kept


def _joined(found: list[Video]) -> Together:
    together = Together()
    for video in found:
        pair = _PAIR.fullmatch(video.name)
        if pair is not None:
            together.join(*(f"{_origin(video)}/{number}" for number in pair.groups()))
    return together


def _group(video: Video, together: Together) -> str:
    pair = _PAIR.fullmatch(video.name)
    return together.group(f"{_origin(video)}/{pair[1] if pair else video.name}")


def _origin(video: Video) -> str:
    """Returns what names of videos are unique in: all methods of FaceForensics++ share them."""
    return "FF" if video.label_name.lower().startswith("ff-") else video.data_set


def _bases(path: Path, given: Path | None) -> list[Path]:
    homes = [absolute(given)] if given else list(path.parents)[:4]
    return [home / name for home in homes for name in ("", "datasets/rgb", "datasets", "rgb")]


def _frames(video: Video, wanted: int | None, locator: Locator, skip: Skip) -> Iterator[Path]:
    """Yields the files of a video's frames; missing ones are reported once for the video."""
    names = sorted(dict.fromkeys(video.frames), key=natural_key)
    if not names:
        skip(video.where, "it has no frames")
        return
    if wanted is not None:
        names = [names[place] for place in spread_evenly(len(names), wanted)]
    lost: list[str] = []
    for name in names:
        try:
            path = locator.find(name)
        except BadManifestError as error:
            skip(video.where, error.message)
            continue
        if path is None or not is_utf8(str(path)):
            lost.append(name)
        else:
            yield path
    if lost:
        skip(video.where, f"{len(lost)} frames are not there, such as {shown(lost[0])}")


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
    """Returns the label in a name such as "FF-real" or "DFDCP_FakeA".

    Raises:
        BadManifestError: If the name holds neither, or both.
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
