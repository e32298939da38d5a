"""Clips in, verdicts out: shots, faces followed, disagreement, files cut short, memory."""

import json
import math

import cv2
import numpy as np
import pytest
import torch

from clips import cut, write_clip, write_sound
from demagnify.agents.defended import undefended
from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadImageError
from demagnify.data import videos
from demagnify.data.face_finding import Face, crop
from demagnify.detectors import wrap
from demagnify.inference import ClipVerdict, DetectionConfig, PhotoVerdict, detect

REAL, FAKE = (20, 60, 230), (230, 60, 20)
ROOM = np.array([[[90, 90, 90]]], np.uint8), np.array([[[205, 205, 205]]], np.uint8)


class Redness(torch.nn.Module):
    """A face is as fake as its middle is red."""

    def forward(self, faces):
        return faces[:, 0, 8:24, 8:24].float().mean((1, 2)) / 10 - 12


class SquareFinder:
    """Finds coloured squares on grey."""

    def find(self, pixels):
        coloured = np.ptp(pixels, axis=2) > 90
        _, _, boxes, _ = cv2.connectedComponentsWithStats(coloured.astype(np.uint8))
        faces = [self.face(*map(float, box[:4])) for box in boxes[1:] if box[4] > 150]
        return sorted(faces, key=lambda face: -face.box[2])

    @staticmethod
    def face(x, y, width, height):
        spots = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
        marks = (spots * [width, height] + [x, y]).astype(np.float32)
        return Face((x, y, width, height), marks, 0.9)


def frame(*squares, room=0):
    """A room with squares in it: colour, left, top."""
    pixels = np.broadcast_to(ROOM[room], (120, 200, 3)).copy()
    for colour, x, y in squares:
        pixels[int(y) : int(y) + 32, int(x) : int(x) + 32] = colour
    return pixels


def classify(path, defense=None, **settings):
    if defense is None:
        defense = undefended(wrap(Redness(), name="redness"))
        defense.input_size = 32
    finder = SquareFinder()
    (found,) = detect(path, DetectionConfig(**settings), defense=defense, finder=finder)
    return found


def two_shots():
    """2 s with a real and a fake face that pass each other, 1.2 s with one, and 1 s without."""
    for number in range(50):
        yield frame((REAL, 3 * number, 10), (FAKE, 150 - 3 * number, 70))
    for number in range(30):
        yield frame((REAL, 150 - number, 10), room=1)
    for _ in range(25):
        yield frame()


def test_every_face_is_followed_through_its_shot(tmp_path):
    clip = classify(write_clip(tmp_path / "a.mp4", two_shots()))
    assert clip.problem is None
    assert [(one.start, one.end, one.verdict, one.tracks) for one in clip.shots] == [
        (0.0, 2.0, "fake", (1, 2)),
        (2.0, 3.2, "real", (3,)),
        (3.2, 4.2, None, ()),
    ]
    assert [(one.verdict, one.shot, one.start, one.end, one.found) for one in clip.tracks] == [
        ("real", 1, 0.0, 1.8, 10),
        ("fake", 1, 0.0, 1.8, 10),
        ("real", 2, 2.0, pytest.approx(3.0), 6),
    ]
    assert (clip.duration, clip.frames, clip.width, clip.height) == (4.2, 105, 200, 120)
    assert clip.examined == 21
    assert not clip.uneven
    lefts = [one.box[0] for one in clip.tracks[0].frames]
    assert np.abs(np.array(lefts) - np.arange(0, 150, 15)).max() < 2
    said = json.loads(json.dumps(clip.to_json()))
    assert said["tracks"][1]["verdict"] == "fake"
    assert (said["condition"], said["likelihood_ratio"]) == ("not validated", None)


def test_a_logit_is_the_mean_over_even_frames_each_as_a_photograph(tmp_path):
    path = write_clip(tmp_path / "a.mp4", (frame((FAKE, n, 10)) for n in range(100)))
    defense = undefended(wrap(Redness(), name="redness"))
    defense.input_size = 32
    (track,) = classify(path, defense, frames_per_second=25, frames_per_face=5).tracks
    assert track.found == 100
    numbers = [one.number for one in track.frames]
    assert len(numbers) == 5
    assert numbers[0] == 0
    assert numbers[-1] > 90
    assert np.ptp(np.diff(numbers)) <= 16
    for one, (_, pixels) in zip(track.frames, videos.read_frames(path, numbers), strict=True):
        face = next(face for face in SquareFinder().find(pixels) if face.box == one.box)
        batch = images.to_batch([crop(pixels, face, size=32)])
        assert one.logit == pytest.approx(defense.decide(batch).logits.item(), abs=1e-5)
    assert track.logit == pytest.approx(np.mean([one.logit for one in track.frames]))


@pytest.mark.parametrize(("fakes", "agreement", "verdict"), [(2, 0.8, "real"), (6, 0.6, "unsure")])
def test_a_face_whose_frames_disagree_is_unsure(tmp_path, fakes, agreement, verdict):
    colours = [FAKE] * fakes + [(60, 20, 230)] * (10 - fakes)
    squares = [frame((colour, 50, 50)) for colour in colours]
    clip = classify(write_clip(tmp_path / "a.mp4", squares, rate=5), agreement=0.7)
    (track,) = clip.tracks if len(clip.shots) == 1 else pytest.fail("a cut was found")
    assert (track.agreement, track.verdict) == (agreement, verdict)
    assert track.reason == ("only 60% of the frames agree with their mean" if fakes == 6 else "")
    assert clip.shots[0].verdict == verdict
    allowed = classify(tmp_path / "a.mp4", agreement=0.5)
    assert allowed.tracks[0].verdict != "unsure"


def test_a_face_that_is_seen_for_a_moment_is_unsure(tmp_path):
    frames = [frame((FAKE, 20, 20)) if n in (5, 10) else frame() for n in range(40)]
    (track,) = classify(write_clip(tmp_path / "a.mp4", frames)).tracks
    assert (track.verdict, track.found) == ("unsure", 2)
    assert "fewer than 3" in track.reason


def test_a_face_out_of_sight_for_less_than_a_second_stays_the_same(tmp_path):
    frames = [frame() if 20 <= n < 35 else frame((REAL, 20 + n, 20)) for n in range(60)]
    path = write_clip(tmp_path / "a.mp4", frames)
    assert [one.found for one in classify(path).tracks] == [9]
    frames = [frame() if 20 <= n < 50 else frame((REAL, 20 + n, 20)) for n in range(70)]
    assert [one.found for one in classify(write_clip(path, frames)).tracks] == [4, 4]


def test_uneven_times_are_exact(tmp_path):
    times = [0, 40, 200, 230, 250, 777, 1000, 1210]
    frames = [frame((REAL, 50, 50))] * len(times)
    clip = classify(write_clip(tmp_path / "a.mp4", frames, times=times))
    assert clip.uneven
    (track,) = clip.tracks
    assert [one.seconds for one in track.frames] == [0.0, 0.2, 0.777, 1.0, 1.21]


def test_a_turned_clip_is_classified_upright(tmp_path):
    frames = [frame((FAKE, n, 10)) for n in range(30)]
    clip = classify(write_clip(tmp_path / "a.mp4", frames, turned=90))
    assert (clip.width, clip.height) == (120, 200)
    (track,) = clip.tracks
    assert abs(track.frames[0].box[1] - 168) < 3  # the left end of the frame is now below


def test_a_clip_cut_short_is_classified_as_far_as_it_goes(tmp_path):
    rng = np.random.default_rng(0)
    frames = [
        np.clip(one + rng.integers(-8, 9, one.shape), 0, 255).astype(np.uint8)
        for one in two_shots()
    ]
    path = cut(write_clip(tmp_path / "a.mp4", frames, movflags="+faststart"), 0.4)
    clip = classify(path)
    assert "s of 4.20 s; what could be read is classified" in clip.problem
    assert [track.verdict for track in clip.tracks][:2] == ["real", "fake"]
    with pytest.raises(BadImageError, match=r"a\.mp4: the file ends at"):
        classify(path, strict=True)


def test_what_holds_no_picture_is_refused_in_a_line(tmp_path):
    found = classify(write_sound(tmp_path / "a.mp4"))
    assert found.problem == "the file holds sound, but no moving picture"
    assert classify(tmp_path / "b.mp4").problem == "there is no such file"
    assert classify(write_clip(tmp_path / "c.mp4", [frame()] * 5)).problem == "no face was found"


def test_a_folder_may_hold_photographs_and_clips(tmp_path):
    write_clip(tmp_path / "b.mp4", [frame((FAKE, 50, 50))] * 20)
    images.save_png(tmp_path / "a.png", frame((REAL, 50, 50)))
    images.save_png(tmp_path / "c.png", frame((FAKE, 50, 50)))
    (tmp_path / "notes.txt").write_text("beside them")
    defense = undefended(wrap(Redness(), name="redness"))
    defense.input_size = 32
    config = DetectionConfig(save=tmp_path / "out")
    found = list(detect(tmp_path, config, defense=defense, finder=SquareFinder()))
    assert [type(one) for one in found] == [PhotoVerdict, ClipVerdict, PhotoVerdict]
    assert found[0].faces[0].verdict == "real"
    assert found[1].tracks[0].verdict == found[2].faces[0].verdict == "fake"
    timeline = images.load(tmp_path / "out" / "b.verdict.png")
    assert timeline.shape[1] == 1600


def test_a_logit_that_is_no_number_is_no_verdict(tmp_path):
    class Broken(torch.nn.Module):
        def forward(self, faces):
            return torch.full((len(faces),), math.nan)

    path = write_clip(tmp_path / "a.mp4", [frame((REAL, 9, 9))] * 9)
    defense = undefended(wrap(Broken(), name="broken"))
    defense.input_size = 32
    with pytest.raises(BadConfigError, match="no finite number"):
        classify(path, defense)
