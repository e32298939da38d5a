"""FaceForensics++: the official layout, its split pairs, and frames spread over videos."""

import errno
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadImageError, BadManifestError, DemagnifyWarning
from demagnify.data import FAKE, REAL, Manifest, videos
from demagnify.data.subsample import spread_evenly
from field_sets import FF_SPLITS, face_forensics, grey, picture, video, write_json


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    return face_forensics(tmp_path_factory.mktemp("ff") / "FaceForensics++")


@pytest.fixture
def root(official, tmp_path):
    """A copy to change."""
    return shutil.copytree(official, tmp_path / "FaceForensics++")


def numbers_of(record):
    return set(record.path.stem.split("_"))


def test_frames_of_all_videos_are_listed(official):
    manifest = Manifest.load(official, frames=3)
    assert len(manifest) == 3 * (6 + 12)
    assert not manifest.prepared
    assert {r.label for r in manifest if "original_sequences" in str(r.path)} == {REAL}
    assert {r.label for r in manifest if "manipulated_sequences" in str(r.path)} == {FAKE}
    assert [r.frame for r in manifest[:3]] == [0, 6, 11]
    assert {r.extra["method"] for r in manifest} == {"youtube", "Deepfakes", "FaceSwap"}


def test_splits_are_the_official_ones(official):
    manifest = Manifest.load(official, frames=1)
    manifest.check_groups()
    for record in manifest:
        (pair,) = FF_SPLITS[record.split]
        assert numbers_of(record) <= set(pair)


def test_a_fake_is_in_the_group_of_both_its_videos(official):
    groups = {}
    for record in Manifest.load(official, frames=1):
        groups.setdefault(record.group, set()).update(numbers_of(record))
    assert sorted(map(sorted, groups.values())) == [["000", "003"], ["001", "870"], ["002", "005"]]


def test_without_split_files_pairs_stay_together(root):
    shutil.rmtree(root / "splits")
    with pytest.warns(DemagnifyWarning, match=r"no train\.json, val\.json, test\.json"):
        manifest = Manifest.load(root, frames=1)
    manifest.check_groups()
    assert {record.split for record in manifest} <= {"train", "val", "test"}
    assert len(set(manifest.groups)) == 3


def test_chains_of_fakes_are_one_group(root):
    shutil.rmtree(root / "splits")
    video(root / "manipulated_sequences/FaceSwap/c23/videos/003_001.mp4")
    with pytest.warns(DemagnifyWarning):
        manifest = Manifest.load(root, frames=1)
    assert len(set(manifest.groups)) == 2
    manifest.check_groups()


def test_a_fake_across_two_splits_is_left_out(root):
    video(root / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4")
    manifest = Manifest.load(root, frames=1)
    (skipped,) = manifest.skipped
    assert skipped.where == "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"
    assert skipped.reason == (
        "it is made of videos of two splits: 000 is in train and 001 is in val"
    )
    manifest.check_groups()


def test_split_files_may_be_given(root, tmp_path):
    folder = (root / "splits").rename(tmp_path / "elsewhere")
    assert len(Manifest.load(root, frames=1, splits=folder)) == 18
    with pytest.raises(BadManifestError, match=r"there is no train\.json"):
        Manifest.load(root, splits=tmp_path)


def test_numbers_in_split_files_mean_names(root):
    write_json(root / "splits/train.json", [[0, 3]])
    assert {r.split for r in Manifest.load(root, frames=1) if r.path.stem == "003_000"} == {"train"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"000": "003"}, "is not a list of pairs"),
        ([["000"]], "entry 0 is .*, not a pair"),
        ([["000", None]], "not a pair"),
        ([["000", "001", "002"]], "not a pair"),
        (["000", "003"], "entry 0 is 000, not a pair"),
        ([["001", "000"]], "the video 001 is in train.json too"),
    ],
)
def test_bad_split_files_are_refused(root, content, message):
    write_json(root / "splits/train.json", content)
    with pytest.raises(BadManifestError, match=message):
        Manifest.load(root, frames=1)


def test_a_video_in_no_split_file_is_left_out(root):
    video(root / "original_sequences/youtube/c23/videos/777.mp4")
    (skipped,) = Manifest.load(root, frames=1).skipped
    assert skipped.reason == "the video 777 is in no split file"


def test_methods_can_be_chosen(official):
    manifest = Manifest.load(official, frames=1, methods=("FaceSwap",))
    assert {r.extra["method"] for r in manifest} == {"youtube", "FaceSwap"}
    both = Manifest.load(official, frames=1, methods="FaceSwap,Deepfakes")
    assert len(both) == 18
    with pytest.raises(BadConfigError, match=r"no method Faceswap .there are: Deepfakes, FaceSwap"):
        Manifest.load(official, methods=("Faceswap",))


def test_one_compression_is_read_and_the_same_for_all(root):
    for place in ("original_sequences/youtube", "manipulated_sequences/Deepfakes"):
        shutil.copytree(root / place / "c23", root / place / "c40")
    assert all("/c23/" in str(r.path) for r in Manifest.load(root, frames=1))
    manifest = Manifest.load(root, frames=1, compression="c40")
    assert all("/c40/" in str(r.path) for r in manifest)
    (skipped,) = manifest.skipped
    assert str(skipped) == (
        "manipulated_sequences/FaceSwap: has no folder c40/videos as the others have"
    )
    with pytest.raises(BadConfigError, match=r"nothing is raw .there are: c23, c40"):
        Manifest.load(root, compression="raw")


def test_masks_are_no_videos(root):
    video(root / "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4")
    assert not any("/masks/" in name for name in Manifest.load(root, frames=1).names)


def test_broken_videos_are_listed_with_their_reason(root):
    folder = root / "original_sequences/youtube/c23/videos"
    (folder / "000.mp4").write_bytes((folder / "000.mp4").read_bytes()[:300])
    (folder / "003.mp4").write_bytes(b"")
    manifest = Manifest.load(root, frames=1)
    assert [line.where.rsplit("/", 1)[1] for line in manifest.skipped] == ["000.mp4", "003.mp4"]
    assert all("damaged" in line.reason for line in manifest.skipped)
    assert len(manifest) == 16
    with pytest.raises(BadManifestError, match=r"000\.mp4: the video is damaged"):
        Manifest.load(root, strict=True)


def test_names_that_tell_nothing_are_left_out(root):
    video(root / "manipulated_sequences/FaceSwap/c23/videos/holiday.mp4")
    (skipped,) = Manifest.load(root, frames=1).skipped
    assert "not TARGET_SOURCE" in skipped.reason


def test_a_fraction_takes_whole_groups(official):
    manifest = Manifest.load(official, frames=2, fraction=0.34, seed=1)
    assert len(set(manifest.groups)) == 1
    assert len(manifest) == 2 * 6


@pytest.mark.parametrize("kind", ["images", "frames"])
def test_extracted_frames_are_read(tmp_path, kind):
    for place, name in (
        ("original_sequences/youtube", "000"),
        ("manipulated_sequences/Deepfakes", "000_003"),
    ):
        for number in range(11):
            images.save_png(tmp_path / place / "c23" / kind / name / f"{number}.png", picture(0))
    write_json(tmp_path / "train.json", [["000", "003"]])
    manifest = Manifest.load(tmp_path, frames=3)
    assert [r.path.name for r in manifest] == ["0.png", "5.png", "10.png"] * 2
    assert [r.frame for r in manifest[:3]] == [0, 5, 10]


def test_actors_are_split_apart_from_youtube(root):
    video(root / "original_sequences/actors/c23/videos/01__kitchen_pan.mp4")
    video(root / "original_sequences/actors/c23/videos/02__kitchen_pan.mp4")
    video(root / "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__kitchen_pan__ABC.mp4")
    manifest = Manifest.load(root, frames=1)
    acted = [r for r in manifest if r.group.startswith("actors/")]
    assert len(acted) == 3
    assert len({r.group for r in acted}) == 1
    manifest.check_groups()
    only = Manifest.load(root, frames=1, methods=("DeepFakeDetection",))
    assert {r.extra["method"] for r in only} == {"actors", "DeepFakeDetection"}


def test_a_folder_around_it_is_no_matter(official):
    assert len(Manifest.load(official.parent, frames=1)) == 18


def test_a_layout_without_videos_says_what_was_looked_for(tmp_path):
    (tmp_path / "original_sequences").mkdir()
    with pytest.raises(BadManifestError, match=r"there is no video .looked for original_sequences"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(300, 4, [0, 100, 199, 299]), (5, 1, [0]), (3, 8, [0, 1, 2]), (1, 32, [0])],
)
def test_frames_are_spread_over_the_whole_video(count, wanted, expected):
    assert spread_evenly(count, wanted).tolist() == expected


def test_long_videos_are_not_read_from_their_start_only():
    assert spread_evenly(1000, 320)[-1] == 999


def test_frames_are_the_ones_asked_for(tmp_path):
    path = video(tmp_path / "a.mp4")
    assert videos.count_frames(path) == 12
    found = dict(videos.read_frames(path, [7, 0, 11, 40]))
    assert list(found) == [0, 7, 11]
    for number, pixels in found.items():
        assert pixels.shape == (64, 96, 3)
        assert abs(float(np.mean(pixels)) - grey(number)) < 6


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("hello")
    for path, message in ((tmp_path / "a.mp4", "damaged"), (tmp_path / "b.mp4", "no such file")):
        with pytest.raises(BadImageError, match=message):
            videos.count_frames(path)


def test_colours_are_rgb(tmp_path):
    writer = cv2.VideoWriter(
        str(tmp_path / "red.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 64)
    )
    for _ in range(3):
        writer.write(np.full((64, 64, 3), (0, 0, 255), dtype=np.uint8))
    writer.release()
    ((_, pixels),) = videos.read_frames(tmp_path / "red.mp4", [1])
    assert pixels[..., 0].mean() > 200
    assert pixels[..., 2].mean() < 50


def test_a_folder_of_videos_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    root = face_forensics(tmp_path, methods=(), frames=1)
    iterate = Path.iterdir

    def refuse(path):
        if path.name == "videos":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterate(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BadManifestError, match="videos: cannot be read: Permission denied"):
        Manifest.load(root)


@pytest.fixture
def from_kaggle(root):
    """The same videos as they are shared on Kaggle."""
    home = root.parent / "FaceForensics++_C23"
    home.mkdir()
    (root / "original_sequences/youtube/c23/videos").rename(home / "original")
    for method in ("Deepfakes", "FaceSwap"):
        (root / f"manipulated_sequences/{method}/c23/videos").rename(home / method)
    (home / "csv").mkdir()
    (home / "csv/Deepfakes.csv").write_text("File Path,Label\n")
    (root / "splits").rename(home / "splits")
    shutil.rmtree(root)
    return home


def test_kaggles_copy_is_the_same_data_set(official, from_kaggle):
    expected = Manifest.load(official, frames=2)
    for source in (from_kaggle, from_kaggle.parent):
        found = Manifest.load(source, frames=2)
        assert found.skipped == ()
        assert found.describe() == expected.describe()
        assert sorted(found.groups) == sorted(expected.groups)
        reals = {record.label for record in found if record.path.parent.name == "original"}
        assert reals == {REAL}
    only = Manifest.load(from_kaggle, frames=1, methods="FaceSwap", compression="c23")
    assert {record.extra["method"] for record in only} == {"original", "FaceSwap"}
