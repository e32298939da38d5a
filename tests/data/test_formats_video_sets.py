"""Sets of videos as they are unpacked: Celeb-DF, DFDC, and folders real/ and fake/."""

import json

import pytest

from demagnify.core.errors import BadManifestError, DemagnifyWarning
from demagnify.data import Manifest
from demagnify.data.describe import describe
from demagnify.data.formats import recognise

REALS = ("Celeb-real/id0_0000", "Celeb-real/id1_0001", "YouTube-real/00170", "YouTube-real/00171")
FAKES = ("Celeb-synthesis/id0_id1_0000", "Celeb-synthesis/id1_id0_0001")
LISTED = "1 YouTube-real/00170.mp4\n1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n"


def celeb_df(root, listed=LISTED):
    for name in (*REALS, *FAKES):
        touch(root / f"{name}.mp4")
    if listed is not None:
        (root / "List_of_testing_videos.txt").write_text(listed)
    return root


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def rows(manifest):
    return {
        record.path.relative_to(manifest.root).with_suffix("").as_posix(): record
        for record in manifest
    }


@pytest.mark.parametrize("heading", ["", "label video\n"])
@pytest.mark.parametrize("inside", ["", "Celeb-DF-v2"])
def test_celeb_df_with_its_list(tmp_path, heading, inside):
    celeb_df(tmp_path / inside, heading + LISTED)
    assert recognise(tmp_path).name == "celeb-df"
    manifest = Manifest.load(tmp_path, strict=True)
    found = rows(manifest)
    assert {name for name, one in found.items() if one.label} == set(FAKES)
    assert set(found) == {*REALS, *FAKES}
    test = {name for name, one in found.items() if one.split == "test"}
    assert test == {"YouTube-real/00170", "Celeb-real/id0_0000", "Celeb-synthesis/id0_id1_0000"}
    assert found["Celeb-synthesis/id1_id0_0001"].group == found["Celeb-real/id1_0001"].group
    assert manifest.shared_groups() == []
    assert manifest.whole_videos == 6
    listed = Manifest.load(manifest.root / "List_of_testing_videos.txt")
    assert set(rows(listed)) == test


def test_celeb_dfs_fakes_that_share_a_source_with_a_test_video_are_counted(tmp_path):
    celeb_df(tmp_path, "1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id1_id0_0001.mp4\n")
    with pytest.warns(DemagnifyWarning, match="2 files of training share a source video"):
        kept = Manifest.load(tmp_path)
    assert (len(kept), kept.shared_groups()) == (6, [])
    left = Manifest.load(tmp_path, overlap="skip")
    assert len(left) == 4
    assert {one.where for one in left.skipped} == {
        "Celeb-real/id1_0001.mp4",
        "Celeb-synthesis/id0_id1_0000.mp4",
    }


def test_new_splits_keep_celeb_dfs_fakes_with_their_source(tmp_path):
    for number in range(40):
        for folder, pair in (("Celeb-real", ""), ("Celeb-synthesis", "_id1")):
            touch(tmp_path / f"{folder}/id0{pair}_{number:04d}.mp4")
    listed = [f"1 Celeb-real/id0_{number:04d}.mp4\n" for number in range(40)]
    (tmp_path / "List_of_testing_videos.txt").write_text("".join(listed))
    with pytest.warns(DemagnifyWarning, match="40 files of training share a source video"):
        official = Manifest.load(tmp_path)
    new = official.with_splits()
    new.save(tmp_path / "new.csv")
    for manifest in (new, Manifest.load(tmp_path / "new.csv")):
        assert len(set(manifest.groups)) == 40
        assert manifest.shared_groups() == []
        assert len({(one.group, one.label) for one in manifest}) == 80


@pytest.mark.parametrize(
    "line", ["0 Celeb-real/id0_0000.mp4", "1,Celeb-synthesis/id0_id1_0000.mp4"]
)
def test_a_list_in_which_1_is_fake_is_refused(tmp_path, line):
    celeb_df(tmp_path, f"{line}\n")
    with pytest.raises(BadManifestError, match="in the official list 1 is real"):
        Manifest.load(tmp_path)


def test_what_celeb_dfs_list_names_and_is_not_there_is_told(tmp_path):
    celeb_df(tmp_path, LISTED + "1 Celeb-real/id9_0009.mp4\nodd\n")
    told = [str(one) for one in Manifest.load(tmp_path).skipped]
    assert told == [
        "List_of_testing_videos.txt, line 4: Celeb-real/id9_0009.mp4: there is no such file",
        "List_of_testing_videos.txt, line 5: is no number and video",
    ]


def test_celeb_df_without_its_list_is_split_by_source_videos(tmp_path):
    with pytest.warns(DemagnifyWarning, match="there is no List_of_testing_videos.txt"):
        manifest = Manifest.load(celeb_df(tmp_path, None))
    assert (len(manifest), manifest.shared_groups()) == (6, [])


def test_frames_of_celeb_df_belong_to_their_videos(tmp_path):
    for name in (*REALS, *FAKES):
        touch(tmp_path / name / "000.png")
    (tmp_path / "List_of_testing_videos.txt").write_text(LISTED)
    manifest = Manifest.load(tmp_path, strict=True)
    assert [one.split == "test" for one in manifest] == [True, False, True, False, True, False]


ENTRIES = {
    "a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
    "b.mp4": {"label": "REAL", "split": "train"},
    "c.mp4": {"label": "REAL", "split": "validation", "original": None},
}


def dfdc(folder, entries=None, name="metadata.json"):
    entries = ENTRIES if entries is None else entries
    for video in entries:
        touch(folder / video)
    (folder / name).write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("place", ["", "metadata.json"])
def test_a_part_of_dfdc(tmp_path, place):
    dfdc(tmp_path)
    assert recognise(tmp_path / place).name == "dfdc"
    found = list(Manifest.load(tmp_path / place, strict=True))
    assert [(one.path.name, one.label, one.split, one.group) for one in found] == [
        ("a.mp4", 1, "train", "a.mp4"),
        ("b.mp4", 0, "train", "a.mp4"),
        ("c.mp4", 0, "val", "c.mp4"),
    ]


def test_several_parts_of_dfdc(tmp_path):
    dfdc(tmp_path / "data" / "dfdc_train_part_0")
    other = {"d.mp4": {"is_fake": 1, "original": "e.mp4"}, "e.mp4": {"is_fake": 0}}
    dfdc(tmp_path / "data" / "dfdc_train_part_1", other)
    manifest = Manifest.load(tmp_path, strict=True)
    assert manifest.labels.tolist() == [1, 0, 0, 1, 0]
    assert [one.path.parent.name[-1] for one in manifest] == ["0", "0", "0", "1", "1"]


def test_the_preview_of_dfdc_goes_by_actors(tmp_path):
    entries = {
        "method_A/1/2_B.mp4": {"label": "fake", "set": "test", "target_id": 1, "swapped_id": 2},
        "original_videos/1/1_A.mp4": {"label": "real", "set": "test", "target_id": 1},
        "original_videos/3/3_A.mp4": {"label": "real", "set": "train", "target_id": 3},
    }
    groups = [
        one.group for one in Manifest.load(dfdc(tmp_path, entries, "dataset.json"), strict=True)
    ]
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"split": "train"}, "it has no label"),
        ({"label": "REAL", "is_fake": 1}, "it has label REAL and is_fake 1"),
        ({"label": "MAYBE"}, "unknown label"),
        ([], "no object"),
    ],
)
def test_entries_of_dfdc_that_cannot_be_used_are_told(tmp_path, entry, reason):
    dfdc(tmp_path, {"a.mp4": {"label": "REAL"}, "b.mp4": entry})
    touch(tmp_path / "z.mp4")
    manifest = Manifest.load(tmp_path)
    assert [one.path.name for one in manifest] == ["a.mp4"]
    assert reason in manifest.skipped[0].reason
    assert str(manifest.skipped[1]) == "z.mp4: the video is not in metadata.json"


def test_folders_of_labels_may_hold_videos(tmp_path):
    for name in (
        "real/a.mp4",
        "real/deep/b.MOV",
        "fake/c.avi",
        "fake/d.png",
        "fake/e.doc",
        "f.mp4",
    ):
        touch(tmp_path / name)
    manifest = Manifest.load(tmp_path)
    assert sorted(rows(manifest)) == ["fake/c", "fake/d", "real/a", "real/deep/b"]
    assert (manifest.whole_videos, manifest.labels.tolist()) == (3, [1, 1, 0, 0])
    assert [one.where for one in manifest.skipped] == ["f.mp4", "fake/e.doc"]
    (tmp_path / "fake/d.png").unlink()
    described = describe(tmp_path)
    assert (described.images, described.unprepared, len(described.left_out)) == (3, 3, 2)
