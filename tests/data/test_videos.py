"""Frames of videos: exact times, upright, and what is missing said."""

from fractions import Fraction

import numpy as np
import pytest

from clips import cut, write_clip, write_sound
from demagnify.core.errors import BadConfigError, BadImageError
from demagnify.data import videos

QUARTERS = np.zeros((64, 96, 3), dtype=np.uint8)
QUARTERS[:32, :48, 0] = QUARTERS[:32, 48:, 1] = QUARTERS[32:, :48, 2] = 255


def corners(pixels):
    """The colours of the four corners, in reading order: red, green, blue or black."""
    spots = (pixels[6, 6], pixels[6, -7], pixels[-7, 6], pixels[-7, -7])
    return "".join("RGBK"[int(np.argmax([*map(int, spot), 120]))] for spot in spots)


@pytest.mark.parametrize(
    ("turned", "mirrored", "expected"),
    [
        (0, False, "RGBK"),
        (90, False, "GKRB"),
        (-90, False, "BRKG"),
        (180, False, "KBGR"),
        (0, True, "GRKB"),
    ],
)
def test_a_clip_is_turned_upright(tmp_path, turned, mirrored, expected):
    path = write_clip(tmp_path / "a.mp4", [QUARTERS] * 3, turned=turned, mirrored=mirrored)
    ((number, pixels),) = videos.read_frames(path, [1])
    assert (number, corners(pixels)) == (1, expected)
    with videos.opened(path) as video:
        frame = next(video.frames())
    assert (frame.height, frame.width) == pixels.shape[:2]
    assert max(frame.pixels(24).shape) == 24
    assert corners(np.kron(frame.pixels(24), np.ones((4, 4, 1), np.uint8))) == expected


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_times_are_those_of_the_file_however_uneven(tmp_path, name):
    times = [0, 40, 50, 400, 1000, 1001]
    path = write_clip(tmp_path / name, [QUARTERS] * 6, times=times)
    with videos.opened(path) as video:
        found = [frame.seconds for frame in video.frames()]
        assert video.missing() == ""
    assert found == [Fraction(time, 1000) for time in times]


@pytest.mark.parametrize(("name", "sound"), [("a.mp4", False), ("a.mp4", True), ("a.mkv", False)])
def test_what_a_cut_file_lacks_is_said(tmp_path, name, sound):
    frames = np.random.default_rng(0).integers(0, 255, (100, 64, 96, 3), dtype=np.uint8)
    path = write_clip(tmp_path / name, frames, sound=sound, movflags="+faststart")
    with videos.opened(path) as video:
        assert sum(1 for _ in video.frames()) == 100
        assert video.missing() == ""
    with videos.opened(cut(path, 0.5)) as video:
        count = sum(1 for _ in video.frames())
        assert 30 < count < 70
        assert "s of 4.00 s" in video.missing()


def test_damaged_frames_are_left_out_and_counted(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), dtype=np.uint8)
    path = write_clip(tmp_path / "a.mp4", frames)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 20_000, 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with videos.opened(path) as video:
        numbers = [frame.number for frame in video.frames()]
        assert 0 < video.damaged < 30
        assert "frames damaged" in video.missing()
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 60 - video.damaged


def test_a_file_without_its_index_is_refused(tmp_path):
    path = cut(write_clip(tmp_path / "a.mp4", [QUARTERS] * 20), 0.3)
    with pytest.raises(BadImageError, match="cut short"), videos.opened(path):
        pass


def test_sound_alone_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.mp4")
    with pytest.raises(BadImageError, match="sound, but no moving picture"), videos.opened(path):
        pass


def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", [QUARTERS] * 3).rename("http:é.mp4")
    assert videos.count_frames(tmp_path / "http:é.mp4") == 3


def test_without_pyav_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with (
        pytest.raises(BadConfigError, match=r"pip install .*\[video\]'"),
        videos.opened(tmp_path / "a.mp4"),
    ):
        pass


@pytest.mark.parametrize(
    ("aspect", "turned", "shape"),
    [
        (Fraction(4, 3), 0, (64, 128)),
        (Fraction(2, 3), 0, (96, 96)),
        (Fraction(1), 0, (64, 96)),
        (Fraction(4, 3), 90, (128, 64)),
        (Fraction(9), 0, (64, 96)),
    ],
)
def test_frames_are_as_wide_as_players_show_them(tmp_path, aspect, turned, shape):
    path = write_clip(tmp_path / "a.mp4", [QUARTERS] * 3, turned=turned, aspect=aspect)
    ((_, pixels),) = videos.read_frames(path, [1])
    assert pixels.shape[:2] == shape
    assert corners(pixels) == ("GKRB" if turned else "RGBK")


def test_boxes_on_pixels_that_are_not_square_are_refused(tmp_path):
    videos.check_square(write_clip(tmp_path / "a.mp4", [QUARTERS] * 3))
    path = write_clip(tmp_path / "b.mp4", [QUARTERS] * 3, aspect=Fraction(4, 3))
    with pytest.raises(BadImageError, match=r"its pixels are not square \(4/3\)"):
        videos.check_square(path)
