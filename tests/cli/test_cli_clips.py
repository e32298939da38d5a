"""`demagnify detect` on clips: lines, JSON, the timeline, and exit codes."""

import json

from toy_photos import photograph

from clips import cut, write_clip, write_sound
from demagnify.core import images
from demagnify.inference.answers import SCOPE


def test_clips_and_photographs_are_classified_alike(run, finder, defense, photos, tmp_path):
    folder = photos("a.png")
    path = write_clip(folder / "b.mp4", [photograph(0)] * 25)
    classify = ("detect", "--defense", defense, "--device", "cpu", "--frames-per-second", "4")
    ended = run(*classify, folder, "--save", tmp_path / "out")
    assert ended.code == 0
    assert ended.complaints == [f"scope of the default: {SCOPE}"]
    heads = [line for line in ended.lines if line[0] != " "]
    assert [line.split(": ")[1].split(",")[0] for line in heads] == [
        *(
            "face 1",
            "face 2",
            "shot 1",
            "shot 1",
            "shot 1",
            "4 of 25 frames examined (4 per second)",
        )
    ]
    assert "4 frames, 100% agree" in ended.lines[ended.lines.index(heads[3]) + 1]
    assert ended.lines[-1] == "  not validated, no likelihood ratio"
    assert images.load(tmp_path / "out" / "b.verdict.png").shape[1] == 1600
    clip = json.loads(run(*classify, path, "--json").lines[0])
    assert clip["kind"] == "clip"
    assert [len(track["frames"]) for track in clip["tracks"]] == [4, 4]
    assert clip["frames_per_second"] == 4


def test_a_clip_cut_short_ends_with_3_and_sound_with_1(run, finder, defense, tmp_path):
    frames = [photograph(number) for number in range(100)]
    path = cut(write_clip(tmp_path / "a.mp4", frames, movflags="+faststart"), 0.5)
    ended = run("detect", "--defense", defense, "--device", "cpu", path)
    assert ended.code == 3
    assert ended.err.startswith(f"{path}: the file ends at ")
    assert "frames examined" in ended.lines[-2]
    ended = run("detect", "--defense", defense, write_sound(tmp_path / "b.mp4"))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("b.mp4: the file holds sound, but no moving picture\n")
