"""DeepfakeBench's JSON: labels from names, paths from other machines, splits that overlap."""

import json
import shutil

import pytest

from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError, DemagnifyWarning
from demagnify.data import FAKE, REAL, Manifest
from demagnify.data.formats.deepfake_bench import label_of
from field_sets import deepfake_bench, picture, write_json


@pytest.fixture
def path(tmp_path):
    return deepfake_bench(tmp_path / "bench")


def change(path, **videos):
    """Changes nodes of videos in the file's FF-real/train/c23."""
    content = json.loads(path.read_text())
    content["FF-DF"]["FF-real"]["train"]["c23"].update(videos)
    return write_json(path, content)


def celeb(root, test=("id0_0000",), train=("id0_0000", "id1_0000")):
    """A data set that, as in DeepfakeBench, repeats its test videos in train and val."""
    content = {}
    for label in ("CelebDFv2_real", "CelebDFv2_fake"):
        nodes = {}
        for name in train:
            names = [f"Celeb-DF-v2/{label}/frames/{name}/{n:03d}.png" for n in range(2)]
            for seed, file in enumerate(names):
                images.save_png(root / file, picture(seed, 32, 32))
            nodes[name] = {"label": label, "frames": names}
        tested = {name: nodes[name] for name in test}
        content[label] = {"train": nodes, "val": tested, "test": tested}
    return write_json(root / "Celeb-DF-v2.json", {"Celeb-DF-v2": content})


def test_all_frames_are_read_with_labels_and_splits(path):
    manifest = Manifest.load(path)
    assert len(manifest) == 3 * 12
    assert manifest.prepared
    assert manifest.skipped == ()
    for record in manifest:
        assert record.label == (FAKE if "_" in record.path.parent.name else REAL)
        assert record.extra["method"] == ("FF-DF" if record.label == FAKE else "FF-real")
    assert {c.split: (c.real, c.fake) for c in manifest.describe()} == {
        "train": (6, 6),
        "val": (6, 6),
        "test": (6, 6),
    }


def test_new_splits_keep_celeb_dfs_fakes_with_their_source(tmp_path):
    content = {}
    for label, pair in (("CelebDFv2_real", ""), ("CelebDFv2_fake", "_id1")):
        nodes = {}
        for number in range(20):
            name = f"id0{pair}_{number:04d}"
            images.save_png(tmp_path / f"{label}/{name}/000.png", picture(number, 32, 32))
            nodes[name] = {"label": label, "frames": [f"{label}/{name}/000.png"]}
        content[label] = {"train" if pair else "test": nodes}
    manifest = Manifest.load(write_json(tmp_path / "celeb.json", {"Celeb-DF-v2": content}))
    assert len(set(manifest.groups)) == 40
    assert len(set(manifest.with_splits().groups)) == 20


def test_pairs_are_one_group(path):
    manifest = Manifest.load(path)
    manifest.check_groups()
    assert set(manifest.groups) == {"FF/000", "FF/001", "FF/002"}


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize(
    "prefix",
    ["FaceForensics++", "/data/alice/rgb/FaceForensics++", "D:/rgb/FaceForensics++", "./FF"],
)
def test_paths_of_other_machines_are_found(tmp_path, separator, prefix):
    path = deepfake_bench(tmp_path, separator=separator, prefix="FF")
    wanted = Manifest.load(path).names
    text = path.read_text().replace(
        "FF/FF" if separator == "/" else r"FF\\FF",
        f"{prefix}/FF" if separator == "/" else f"{prefix}/FF".replace("/", r"\\"),
    )
    path.write_text(text)
    (tmp_path / "rgb/FF").rename(tmp_path / "rgb" / prefix.rsplit("/", 1)[-1])
    found = Manifest.load(path).names
    assert [name.split("/")[-2:] for name in found] == [name.split("/")[-2:] for name in wanted]


def test_a_frame_is_never_taken_for_that_of_another_video(path):
    shutil.rmtree(path.parents[1] / "rgb/FaceForensics++/FF-real/c23/frames/000")
    images.save_png(path.parent / "000.png", picture(0))
    images.save_png(path.parent / "000/000.png", picture(0))
    manifest = Manifest.load(path)
    assert len(manifest) == 33
    (skipped,) = manifest.skipped
    assert skipped.where == "FF-DF/FF-real/train/000"
    assert skipped.reason.startswith("3 frames are not there, such as FaceForensics++")


def test_frames_may_lie_elsewhere(path, tmp_path):
    elsewhere = (path.parents[1] / "rgb").rename(tmp_path / "elsewhere")
    assert len(Manifest.load(path, images=elsewhere)) == 36


def test_frames_can_be_fewer(path):
    manifest = Manifest.load(path, frames=2)
    assert [record.path.name for record in manifest[:2]] == ["000.png", "002.png"]
    assert len(manifest) == 24


def test_a_fraction_takes_whole_groups(path):
    manifest = Manifest.load(path, fraction=0.3)
    assert (len(manifest), len(set(manifest.groups))) == (12, 1)


def test_videos_in_several_splits_are_kept_in_one(tmp_path):
    with pytest.warns(DemagnifyWarning, match=r"2 of train \(test\), 2 of val \(test\)"):
        manifest = Manifest.load(celeb(tmp_path))
    manifest.check_groups()
    assert {c.split: (c.real, c.fake) for c in manifest.describe()} == {
        "train": (2, 2),
        "test": (2, 2),
    }


def test_a_file_without_a_level_for_compression_is_read(tmp_path):
    manifest = Manifest.load(celeb(tmp_path, test=()))
    assert len(manifest) == 8
    with pytest.raises(BadConfigError, match=r"nothing is c40 .there are: none"):
        Manifest.load(tmp_path / "Celeb-DF-v2.json", compression="c40")


def test_one_compression_is_read(path):
    content = json.loads(path.read_text())
    for label in content["FF-DF"].values():
        for split in label.values():
            split["c40"] = split["c23"]
    write_json(path, content)
    assert len(Manifest.load(path)) == 36
    assert len(Manifest.load(path, compression="c40")) == 36


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("FF-real", REAL), ("FF-DF", FAKE), ("FF-F2F", FAKE), ("FF-FS", FAKE), ("FF-NT", FAKE),
        ("FF-FH", FAKE), ("DFD_real", REAL), ("DFD_fake", FAKE), ("CelebDFv1_real", REAL),
        ("CelebDFv2_fake", FAKE), ("DFDCP_Real", REAL), ("DFDCP_FakeA", FAKE), ("DFDC_Fake", FAKE),
        ("UADFV_Real", REAL), ("DF_fake", FAKE), ("REAL", REAL), ("RealVisXL_Fake", FAKE),
    ],
)  # fmt: skip
def test_labels_come_from_names(name, label):
    assert label_of(name) == label


@pytest.mark.parametrize("name", ["", "FF-XY", "Celeb", "real_fake", "0", "1"])
def test_names_that_tell_no_label_are_refused(tmp_path, name):
    video = {"label": name, "frames": ["a/b/c.png"]}
    path = write_json(tmp_path / "x.json", {"Set": {name: {"train": {"v": video}}}})
    with pytest.raises(BadManifestError, match="is neither real nor fake") as caught:
        Manifest.load(path)
    assert f"the label {name} is" in str(caught.value)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (3, "is not a video"),
        ({"label": "FF-real"}, "frames are not a list"),
        ({"label": "FF-real", "frames": "a.png"}, "frames are not a list"),
        ({"label": "FF-real", "frames": [1]}, "frames are not a list"),
        ({"label": "FF-real", "frames": []}, "it has no frames"),
        ({"label": "FF-DF", "frames": []}, "label FF-DF contradicts"),
        ({"label": 1, "frames": []}, "its label is 1, not a name"),
        ({"label": "FF-real", "frames": ["../../../x.png"]}, "leads out of its folder"),
        ({"label": "FF-real", "frames": [""]}, "the file name is empty"),
    ],
)
def test_a_bad_video_is_left_out_with_its_reason(path, node, reason):
    manifest = Manifest.load(change(path, bad=node))
    assert len(manifest) == 36
    (skipped,) = manifest.skipped
    assert skipped.where.endswith("/bad")
    assert reason in skipped.reason
    with pytest.raises(BadManifestError, match=reason):
        Manifest.load(path, strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "there is no data set"),
        ({}, "there is no data set"),
        ({"Set": 3}, "Set holds no labels"),
        ({"Set": {"FF-real": 3}}, "FF-real holds no splits"),
        ({"Set": {"FF-real": {"train": {}}}}, "no image can be used"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = write_json(tmp_path / "x.json", content)
    with pytest.raises(BadManifestError, match=message):
        Manifest.load(path, format="deepfakebench")


def test_without_any_frame_it_says_where_it_looked(path):
    shutil.rmtree(path.parents[1] / "rgb")
    with pytest.raises(BadManifestError, match="none of the frames that it lists is there"):
        Manifest.load(path)
