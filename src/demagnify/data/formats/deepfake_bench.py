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
  of are one group, as are the official pairs.
* The crops are aligned faces already, 256x256 with a margin of 30 %; they are taken as they are.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from demagnify.core.errors import BadConfigError, BadManifestError, DemagnifyWarning
from demagnify.data import videos
from demagnify.data.builder import ManifestBuilder
from demagnify.data.columns import stored_name
from demagnify.data.format import Format, FormatOptions
from demagnify.data.formats.deepfake_bench_file import COMPRESSIONS, Video, read_videos
from demagnify.data.formats.groups import Together
from demagnify.data.formats.json_text import Skip, shown
from demagnify.data.formats.locate import Locator, absolute
from demagnify.data.formats.sniff import first_path
from demagnify.data.formats.subset import choose
from demagnify.data.manifest import Manifest
from demagnify.data.records import is_utf8

PRECEDENCE: Final = ("test", "val", "train")
"""Where a video goes that is listed in several splits: best not to be trained on."""

_SPLIT_KEYS: Final = frozenset({"train", "val", "test"})
_PAIR: Final = re.compile(r"(\d{3})_(\d{3})")
_LEAST_PARTS: Final = 3


class DeepfakeBenchOptions(FormatOptions):
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
    fraction: float = Field(1.0, gt=0, le=1, description="Share of the groups of videos to take.")
    seed: int = Field(0, ge=0, description="Which groups a fraction takes.")


class DeepfakeBench(Format[DeepfakeBenchOptions]):
    """A JSON file of DeepfakeBench, with the frames that it lists."""

    name: ClassVar[str] = "deepfakebench"
    summary: ClassVar[str] = "a JSON file of DeepfakeBench"
    crops: ClassVar[bool] = True
    options_type = DeepfakeBenchOptions

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
        chosen = choose(groups, options.fraction, options.seed)
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
            name = stored_name(frame, builder.root)
            builder.add_row(name, video.label, video.split, group, extra=extra)
        return builder.build()


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
    names = sorted(dict.fromkeys(video.frames), key=_natural)
    if not names:
        skip(video.where, "it has no frames")
        return
    if wanted is not None:
        names = [names[place] for place in videos.even_frames(len(names), wanted)]
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


def _natural(name: str) -> tuple[list[int], str]:
    """Sorts frame 2 before frame 10."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    return [int(digits[:18]) for digits in re.findall(r"[0-9]+", stem)], name
