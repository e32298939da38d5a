"""A picture of a clip's verdicts over time, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.core.printing import count, printable
from demagnify.inference.drawing import COLOURS
from demagnify.inference.video.verdicts import ClipVerdict, ShotVerdict, TrackVerdict

PALE: Final = {"fake": (250, 222, 200), "real": (205, 228, 243), "unsure": (228, 228, 228)}
MOST_TRACKS: Final = 30
"""Rows; of more faces, those that are seen longest are drawn."""

_WIDTH, _MARGIN, _LABELS = 1600, 24, 330
_HEAD, _SHOTS, _ROW, _AXIS, _LEGEND = 84, 92, 104, 44, 40
_INK, _DIM, _RULE = (25, 25, 25), (95, 95, 95), (205, 205, 205)
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)


def draw_timeline(clip: ClipVerdict) -> Pixels:
    """Draws shots above, and below them a row for each face with the score of each frame.

    Verdicts are told by word, colour and pattern; time runs to the right.

    Args:
        clip: The verdicts.

    Returns:
        uint8 RGB (H, 1600, 3).

    Raises:
        BadImageError: If no frame of the clip could be read.

    Example:
        >>> (clip,) = detect("clip.mp4")  # doctest: +SKIP
        >>> save_png(Path("timeline.png"), draw_timeline(clip))  # doctest: +SKIP
    """
    if not clip.shots:
        raise BadImageError(f"{clip.path}: {clip.problem}")
    longest = sorted(clip.tracks, key=lambda track: track.start - track.end)[:MOST_TRACKS]
    tracks = sorted(longest, key=lambda track: track.number)
    rows = _ROW * max(1, len(tracks))
    height = _HEAD + _SHOTS + rows + _AXIS + _LEGEND + _MARGIN
    page = _Page(clip, Image.new("RGB", (_WIDTH, height), "white"))
    page.head(len(clip.tracks) - len(tracks))
    page.axis(_HEAD, _HEAD + _SHOTS + rows)
    for shot in clip.shots:
        page.shot(shot)
    for place, track in enumerate(tracks):
        page.track(track, _HEAD + _SHOTS + place * _ROW)
    if not tracks:
        page.text((_MARGIN, _HEAD + _SHOTS + 36), "No face was found.", 20, _DIM)
    page.legend(height - _LEGEND - _MARGIN // 2)
    return np.array(page.image, dtype=np.uint8)


class _Page:
    """The picture, and where times lie on it."""

    def __init__(self, clip: ClipVerdict, image: Image.Image) -> None:
        self.image = image
        self._clip, self._draw = clip, ImageDraw.Draw(image)
        self._left, self._right = _MARGIN + _LABELS, _WIDTH - _MARGIN - 12

    def text(
        self,
        place: tuple[float, float],
        text: str,
        size: float = 18,
        colour: tuple[int, int, int] = _INK,
        anchor: str = "la",
    ) -> float:
        """Writes a line; returns where it ends."""
        font = ImageFont.load_default(size)
        self._draw.text(place, text, colour, font, anchor)
        return place[0] + font.getlength(text)

    def x(self, seconds: float) -> float:
        """Returns where a time lies."""
        share = (seconds - self._clip.start) / max(self._clip.duration, 1e-6)
        return self._left + (self._right - self._left) * min(max(share, 0.0), 1.0)

    def head(self, left_out: int) -> None:
        """Writes what the clip is, how it was looked through, and what is not drawn."""
        clip = self._clip
        self.text((_MARGIN, 14), _fitting(printable(clip.path.name), 26, _WIDTH - 2 * _MARGIN), 26)
        rate = ", variable frame rate" if clip.uneven else ""
        facts = (
            f"{_clock(clip.duration, 0.01)} · {clip.width}x{clip.height} · "
            f"{count(clip.frames, 'frame')}{rate} · {clip.examined} examined "
            f"({clip.frames_per_second:g} per second) · "
            f"{count(len(clip.shots), 'shot')} · {count(len(clip.tracks), 'face')}"
        )
        if left_out:
            facts += f" · the {left_out} shortest are not drawn"
        end = self.text((_MARGIN, 50), facts, 18, _DIM)
        if clip.problem:
            note = _fitting(printable(f" · {clip.problem}"), 18, _WIDTH - _MARGIN - end)
            self.text((end, 50), note, 18)

    def axis(self, top: float, bottom: float) -> None:
        """Draws the time axis, with a line down the rows at each tick."""
        clip = self._clip
        widest = clip.duration / 10
        step = next((one for one in _STEPS if one >= widest), _STEPS[-1])
        for number in range(int(clip.duration / step + 1e-9) + 1):
            x = self.x(clip.start + number * step)
            self._draw.line((x, top + _SHOTS, x, bottom + 6), fill=(236, 236, 236))
            self._draw.line((x, bottom, x, bottom + 6), fill=_DIM)
            self.text((x, bottom + 10), _clock(clip.start + number * step, step), 16, _DIM, "ma")
        self._draw.line((self._left, bottom, self._right, bottom), fill=_DIM)

    def shot(self, shot: ShotVerdict) -> None:
        """Draws a shot: its picture where there is room, and its verdict as a bar."""
        left, right = self.x(shot.start), self.x(shot.end)
        top, bottom = _HEAD, _HEAD + 64
        if shot.number == 1:
            self.text((_MARGIN, top + 22), "Shots", 20)
        picture = Image.fromarray(shot.picture)
        width = max(1, round(picture.width * (bottom - top) / picture.height))
        room = int(right - left) - 4
        if room >= 24:
            small = picture.resize((width, bottom - top), Image.Resampling.LANCZOS)
            self.image.paste(
                small.crop((0, 0, min(width, room), small.height)), (int(left) + 2, top)
            )
        box = (left + 1, bottom + 2, max(right - 1, left + 2), bottom + 16)
        if shot.verdict:
            self._bar(box, shot.verdict)
        else:
            self._draw.rectangle(box, outline=_RULE)
        text = f"{shot.number} {shot.verdict or 'no face'}"
        if room - width > ImageFont.load_default(16).getlength(text) + 12:
            self.text((left + width + 10, top + 22), text, 16, _INK)

    def track(self, track: TrackVerdict, top: float) -> None:
        """Draws a face: portrait and verdict to the left, its frames' scores along the time."""
        self._draw.line((_MARGIN, top, self._right, top), fill=_RULE)
        side = _ROW - 20
        portrait = Image.fromarray(track.portrait).resize((side, side), Image.Resampling.LANCZOS)
        self.image.paste(portrait, (_MARGIN, int(top) + 10))
        self._draw.rectangle(
            (_MARGIN, top + 10, _MARGIN + side, top + 10 + side),
            outline=COLOURS[track.verdict],
            width=4,
        )
        x = _MARGIN + side + 12
        end = self.text((x, top + 10), f"Face {track.number}: ", 20)
        self.text((end, top + 10), track.verdict, 20, COLOURS[track.verdict])
        frames = f"{len(track.frames)} of {track.found} frames classified"
        self.text((x, top + 36), f"score {track.score:.2f} · shot {track.shot}", 16, _DIM)
        self.text((x, top + 57), frames, 16, _DIM)
        self.text((x, top + 78), f"{track.agreement:.0%} agree", 16, _DIM)
        self._scores(track, top + 14, top + _ROW - 14)

    def _scores(self, track: TrackVerdict, top: float, bottom: float) -> None:
        left, right = self.x(track.start), self.x(track.end)
        right = max(right, left + 8)
        self._draw.rectangle((left, top, right, bottom), fill=PALE[track.verdict])
        height = bottom - top - 12
        middle = bottom - 8 - height / 2
        for dash in range(int(left), int(right), 8):  # at a score of 0.5
            self._draw.line((dash, middle, min(dash + 4, right), middle), fill=_DIM)
        self._bar((left, bottom - 6, right, bottom), track.verdict)
        dots = [(self.x(one.seconds), bottom - 8 - height * one.score) for one in track.frames]
        if len(dots) > 1:
            self._draw.line(dots, fill=COLOURS[track.verdict], width=2)
        for x, y in dots:
            self._draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=COLOURS[track.verdict])
        if ImageFont.load_default(16).getlength(track.reason) < self._right - right - 12:
            self.text((right + 12, middle - 10), track.reason, 16, _DIM)

    def _bar(self, box: tuple[float, float, float, float], verdict: str) -> None:
        """Fills a bar: plain for real, striped for fake, dotted for unsure."""
        left, top, right, bottom = (round(value) for value in box)
        width, height = max(1, right - left), max(1, bottom - top)
        y, x = np.mgrid[:height, :width]
        marks: dict[str, Callable[[], np.ndarray]] = {
            "real": lambda: np.zeros((height, width), dtype=bool),
            "fake": lambda: (x + y) % 10 < 3,
            "unsure": lambda: (x % 6 < 2) & (y % 4 < 2),
        }
        pixels = np.full((height, width, 3), COLOURS[verdict], dtype=np.uint8)
        pixels[marks[verdict]()] = 255
        self.image.paste(Image.fromarray(pixels), (left, top))

    def legend(self, top: float) -> None:
        """Explains patterns and dots."""
        x: float = _MARGIN
        for verdict in ("fake", "real", "unsure"):
            self._bar((x, top + 4, x + 40, top + 18), verdict)
            x = self.text((x + 48, top), verdict, 18) + 28
        explanation = (
            "dots: score of each classified frame, 0 below to 1 above, dashes at 0.5 · "
            "a ranking, not a probability"
        )
        self.text((x, top), explanation, 16, _DIM)


def _fitting(text: str, size: float, room: float) -> str:
    """Shortens a line in its middle until there is room for it."""
    font, kept = ImageFont.load_default(size), len(text)
    shown = text
    while font.getlength(shown) > room and kept > 8:
        kept -= 1
        shown = f"{text[: kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _clock(seconds: float, step: float) -> str:
    """Returns a time as 0:05, 1:02:03, or 0:00.5 where the step is a part of a second."""
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    whole = round(max(seconds, 0.0), digits)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(int(minutes), 60)
    width = 2 if not digits else 3 + digits
    tail = f"{minutes}:{rest:0{width}.{digits}f}"
    return f"{hours}:{int(minutes):02d}:{rest:0{width}.{digits}f}" if hours else tail
