"""The picture of a clip: every verdict by colour, word and pattern; nothing overflows."""

from pathlib import Path

import numpy as np
import pytest

from demagnify.core.errors import BadImageError
from demagnify.inference import ClipVerdict, FrameVerdict, ShotVerdict, TrackVerdict, draw_timeline
from demagnify.inference.video.timeline import COLOURS, MOST_TRACKS

GREY = np.full((90, 160, 3), 128, np.uint8)


def clip(verdicts, *, duration=60.0, start=0.0, **changes):
    """A clip of one shot for each verdict, with a face in each that has one."""
    length = duration / len(verdicts)
    tracks, shots = [], []
    for place, verdict in enumerate(verdicts):
        begin = start + place * length
        if verdict:
            score = {"fake": 0.9, "real": 0.1, "unsure": 0.5}[verdict]
            frames = tuple(
                FrameVerdict(
                    number=n,
                    seconds=begin + n * length / 5,
                    box=(0, 0, 9, 9),
                    found_with=0.9,
                    logit=0.0,
                    score=score,
                    action="identity",
                )
                for n in range(5)
            )
            tracks.append(
                TrackVerdict(
                    number=len(tracks) + 1,
                    shot=place + 1,
                    start=begin,
                    end=begin + 0.8 * length,
                    found=5,
                    frames=frames,
                    logit=0.0,
                    score=score,
                    agreement=1.0,
                    verdict=verdict,
                    reason="",
                    portrait=GREY[:64, :64],
                )
            )
        shots.append(
            ShotVerdict(
                number=place + 1,
                start=begin,
                end=begin + length,
                verdict=verdict,
                logit=None,
                tracks=(len(tracks),) if verdict else (),
                picture=GREY,
            )
        )
    found = {"path": Path("clip.mp4"), "shots": tuple(shots), "tracks": tuple(tracks)}
    return ClipVerdict(start=start, duration=duration, **{**found, **changes})


def share(pixels, colour):
    return (pixels == np.array(colour)).all(axis=2).mean()


def test_each_verdict_has_its_colour_and_pattern():
    drawn = {name: draw_timeline(clip([name])) for name in COLOURS}
    for name, pixels in drawn.items():
        assert pixels.shape[1] == 1600
        shares = {other: share(pixels, colour) for other, colour in COLOURS.items()}
        assert max(shares, key=shares.get) == name
        bar = pixels[154, 400:1500]  # within the shots' row
        assert set(map(tuple, bar.tolist())) <= {COLOURS[name], (255, 255, 255)}
    patterns = [(drawn[name][150:160, 400:1500] == 255).all(axis=2) for name in COLOURS]
    assert [one.any() for one in patterns] == [True, False, True]
    assert (patterns[0] != patterns[2]).any()


def test_time_runs_from_the_first_frame_on():
    early = draw_timeline(clip(["fake", None], start=1.4))
    late = draw_timeline(clip([None, "fake"], start=1.4))
    orange = [(one == np.array(COLOURS["fake"])).all(axis=2)[148:162] for one in (early, late)]
    left, right = (np.flatnonzero(one.any(axis=0)) for one in orange)
    assert left.max() <= right.min() + 2
    assert left.min() < 380
    assert right.max() > 1540


@pytest.mark.parametrize("count", [1, 400])
def test_a_clip_of_any_number_of_shots_is_drawn(count):
    whole = draw_timeline(clip(["fake", "real", None, "unsure"] * count, duration=7200.0))
    assert whole.shape[0] <= 300 + 104 * MOST_TRACKS


def test_long_names_and_problems_stay_inside():
    long = clip(["real"], path=Path("x" * 240 + ".mp4"), problem="the file ends " * 40, uneven=True)
    pixels = draw_timeline(long)
    assert (pixels[:80, -16:] == 255).all()


def test_a_clip_that_could_not_be_read_has_no_timeline():
    with pytest.raises(BadImageError, match=r"a\.mp4: gone"):
        draw_timeline(ClipVerdict(path=Path("a.mp4"), problem="gone"))
