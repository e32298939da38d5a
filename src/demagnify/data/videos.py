"""Frames of videos, read directly from the file with OpenCV."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.records import VIDEO_SUFFIXES

SUFFIXES: Final = VIDEO_SUFFIXES

# A damaged video is reported by us, in one line; FFmpeg would add lines of its own.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def even_frames(count: int, wanted: int) -> list[int]:
    """Returns `wanted` frame numbers spread evenly over a video, from its first to its last.

    Fewer where the video has fewer. (In DeepfakeBench's code the step between frames is 1 for
    long videos, which takes all of them from the first second.)

    Args:
        count: How many frames the video has.
        wanted: How many are to be taken.
    """
    places = np.linspace(0, count - 1, min(wanted, count))
    return [int(place) for place in np.rint(places)]


def count_frames(path: Path) -> int:
    """Returns how many frames a video has, from its header where that says so.

    Raises:
        BadImageError: If the file is missing, no video, or not even its first frame decodes.
    """
    with _opened(path) as video:
        if not video.read()[0]:
            raise BadImageError(f"{path}: no frame of the video can be decoded")
        stated = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if stated > 0:
            return stated
        count = 1
        while video.grab():
            count += 1
        return count


def read_frames(path: Path, numbers: Collection[int]) -> Iterator[tuple[int, Pixels]]:
    """Yields frames of a video by number, in order of the numbers, in one pass.

    Every frame up to the last wanted one is decoded: jumping would be faster, but lands beside
    the frame in some files. Frames that are not there, or behind a damage, are left out.

    Args:
        path: The video.
        numbers: Frame numbers from 0.

    Yields:
        The number and the frame, uint8 RGB (H, W, 3), upright.

    Raises:
        BadImageError: If the file is missing or no video.
    """
    wanted = sorted(set(numbers))
    place = 0
    with _opened(path) as video:
        for number in wanted:
            while place <= number:
                if not video.grab():
                    return
                place += 1
            whole, frame = video.retrieve()
            if whole:
                yield number, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    if not path.is_file():
        raise BadImageError(f"{path}: there is no such file")
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise BadImageError(
                f"{path}: the video is damaged, or in no format that OpenCV reads",
                hint="FFmpeg converts most videos to H.264 in MP4",
            )
        yield video
    finally:
        video.release()
