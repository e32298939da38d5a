"""Frames of videos with their time stamps, upright: the only way in which videos are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from demagnify.core.errors import BadImageError
from demagnify.core.extras import need
from demagnify.core.images import Pixels, pixel_limit
from demagnify.core.printing import count

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.sidedata.sidedata import SideDataContainer
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream


class Frame:
    """A decoded frame; its pixels are made when they are asked for.

    Attributes:
        number: Its place in the video, from 0.
        seconds: When it is shown: the time stamp of the file times its time base.
        width: Its width in pixels, upright, as it is shown: with square pixels.
        height: Its height in pixels, upright.
    """

    def __init__(
        self,
        number: int,
        seconds: Fraction,
        decoded: VideoFrame,
        reformatter: VideoReformatter,
        aspect: Fraction = Fraction(1),
    ) -> None:
        self.number = number
        self.seconds = seconds
        self._decoded, self._reformatter = decoded, reformatter
        self._turn = _turn(decoded)
        # Never smaller than it is stored.
        self._sides = (
            round(decoded.height / min(aspect, Fraction(1))),
            round(decoded.width * max(aspect, Fraction(1))),
        )
        self.height, self.width = self._sides[::-1] if self._turn[0] else self._sides

    def pixels(self, longest: int | None = None) -> Pixels:
        """Returns the frame, uint8 RGB (H, W, 3), upright.

        Args:
            longest: The longer side of a small copy; the frame's own size if None, or smaller.

        Raises:
            BadImageError: If the frame has more pixels than a photograph may have.
        """
        height, width = self._sides
        if width * height > pixel_limit():
            raise BadImageError(f"a frame of {width}x{height} pixels is too large")
        scale = min(1.0, (longest or max(width, height)) / max(width, height))
        found = self._reformatter.reformat(
            self._decoded,
            format="rgb24",
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            interpolation="AREA" if scale < 1 else "BICUBIC",
            threads=1,
        ).to_ndarray()
        transposed, down, across = self._turn
        array = found.swapaxes(0, 1) if transposed else found
        return np.ascontiguousarray(array[::down, ::across], dtype=np.uint8)


def _turn(decoded: VideoFrame) -> tuple[bool, int, int]:
    """Returns whether rows become columns, and the steps along both, that turn a frame upright.

    A display matrix is nine numbers: x' = a x + c y and y' = b x + d y, in steps of three.
    """
    from av.sidedata.sidedata import Type

    try:
        matrix = cast("SideDataContainer", decoded.side_data)[Type.DISPLAYMATRIX]
    except KeyError:
        return False, 1, 1
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, -1 if b < 0 else 1, -1 if c < 0 else 1
    return False, -1 if d < 0 else 1, -1 if a < 0 else 1


def _aspect(stream: VideoStream) -> Fraction:
    """Returns the shape of a stored pixel; 1 if the file says none, or an odd one."""
    said = Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return said if 1 / _ODD <= said <= _ODD else Fraction(1)


_ODD: Final = 4


class Video:
    """An open video: what its header says, and, once it was read, what became of it.

    Attributes:
        path: The file.
        aspect: The width of a stored pixel over its height; frames are stretched accordingly.
        stated_frames: How many frames the header promises; 0 if it does not say.
        rate: Frames per second, on average; 0 if unknown.
        count: How many frames were decoded so far, damaged ones included.
        damaged: How many frames are damaged, or could not be decoded at all, so far.
        end: The time in seconds at which the last decoded frame ends.
    """

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self.path = path
        self.aspect = _aspect(stream)
        self.stated_frames = stream.frames
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
        self.count = self.damaged = 0
        self.end = Fraction(0)
        self._container, self._stream = container, stream
        self._last: Fraction | None = None
        self._reached = Fraction(0)

    def frames(self) -> Iterator[Frame]:
        """Yields the whole frames in the order of their times, and counts damaged ones."""
        from av.video.reformatter import VideoReformatter

        reformatter = VideoReformatter()
        for decoded in self._decoded():
            seconds = self._seconds(decoded)
            frame = Frame(self.count, seconds, decoded, reformatter, self.aspect)
            length = Fraction(decoded.duration or 0) * (decoded.time_base or 0)
            self.end, self._last = seconds + (length or self._step()), seconds
            self.count += 1
            if decoded.is_corrupt:
                self.damaged += 1
            else:
                yield frame

    def missing(self) -> str:
        """Returns in words what could not be read, once all frames were; "" if nothing."""
        stream, container = self._stream, self._container
        start = Fraction(container.start_time or 0, 1_000_000)
        stated = start + Fraction(container.duration or 0, 1_000_000)
        end, slack = max(self.end, self._reached), Fraction(1)
        if stream.duration is not None and stream.time_base is not None:
            own = (stream.duration + (stream.start_time or 0)) * stream.time_base
            if own <= stated:  # that of the container is the longest of all its streams
                stated, end, slack = own, self.end, Fraction(1, 10)
        told = [f"{count(self.damaged, 'frame')} damaged"] if self.damaged else []
        if end < stated - slack - 2 * self._step():
            told.append(f"the file ends at {float(end):.2f} s of {float(stated):.2f} s")
        return " and ".join(told)

    def _decoded(self) -> Iterator[VideoFrame]:
        from av.error import FFmpegError

        packets = self._container.demux(self._stream, *self._container.streams.audio)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the rest of the file cannot be reached
                self.damaged += 1
                packet = None
            if packet is not None and packet.stream is not self._stream:
                if packet.pts is not None and packet.time_base is not None:
                    self._reached = max(self._reached, packet.pts * packet.time_base)
                continue
            try:
                yield from self._stream.decode(packet)
            except FFmpegError:
                self.damaged += packet is not None and packet.size > 0
            if packet is None:
                return

    def _seconds(self, decoded: VideoFrame) -> Fraction:
        stamp = decoded.pts if decoded.pts is not None else decoded.dts
        if stamp is None or decoded.time_base is None:
            return Fraction(0) if self._last is None else self._last + self._step()
        return Fraction(stamp) * decoded.time_base

    def _step(self) -> Fraction:
        return 1 / self.rate if self.rate else Fraction(1, 25)


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """Opens a video.

    Raises:
        BadImageError: If the file is missing, no video, or holds sound alone.
        BadConfigError: If PyAV is not installed.
    """
    need("video", "av", what=f"{path}: videos need")
    import av

    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise BadImageError(f"{path}: there is no such file") from error
    except OSError as error:
        raise BadImageError(f"{path}: cannot be read: {error.strerror}") from error
    with file:  # not by its name, in which FFmpeg would look for protocols
        try:
            container = av.open(
                file, "r", metadata_errors="replace", options={"protocol_whitelist": "file"}
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise BadImageError(
                f"{path}: the video is damaged, cut short, or in no format that FFmpeg reads",
                hint="an MP4 without its end often has no index; FFmpeg converts most videos",
            ) from error
        with container:
            yield _video(path, container)


def _video(path: Path, container: InputContainer) -> Video:
    from av.stream import Disposition

    streams = [
        one
        for one in container.streams.video
        if one.codec_context is not None and not one.disposition & Disposition.attached_pic
    ]
    if not streams:
        kind = "sound, but no moving picture" if container.streams.audio else "no moving picture"
        raise BadImageError(f"{path}: the file holds {kind}")
    stream = streams[0]
    stream.thread_type = "AUTO"
    return Video(path, container, stream)


def count_frames(path: Path) -> int:
    """Returns how many frames a video has, from its header where that says so.

    Raises:
        BadImageError: If the file is missing, no video, or not even its first frame decodes.
    """
    with opened(path) as video:
        if next(video.frames(), None) is None:
            raise BadImageError(f"{path}: no frame of the video can be decoded")
        return video.stated_frames or video.count + sum(1 for _ in video.frames())


def check_square(path: Path) -> None:
    """Makes sure that boxes fit the frames of a video, however they were read.

    Raises:
        BadImageError: If its pixels are not square: most programs draw on stored frames, players
            show stretched ones.
    """
    with opened(path) as video:
        if video.aspect != 1:
            raise BadImageError(
                f"{path}: its pixels are not square ({video.aspect}), and nothing says whether "
                "boxes are meant for the stored or the shown frame",
                hint="leave the boxes out to have faces found",
            )


def read_frames(path: Path, numbers: Collection[int]) -> Iterator[tuple[int, Pixels]]:
    """Yields frames of a video by number, in order of the numbers, in one pass.

    Every frame up to the last wanted one is decoded: jumping would be faster, but lands beside
    the frame in some files. Frames that are not there, or damaged, are left out.

    Args:
        path: The video.
        numbers: Frame numbers from 0.

    Yields:
        The number and the frame, uint8 RGB (H, W, 3), upright.

    Raises:
        BadImageError: If the file is missing or no video.
    """
    wanted = set(numbers)
    with opened(path) as video:
        for frame in video.frames():
            if frame.number in wanted:
                yield frame.number, frame.pixels()
            wanted.discard(frame.number)
            if not wanted:
                return
