"""OpenForensics and other COCO files: faces, labels, groups, and what is wrong with some."""

import json
import random
from pathlib import Path

import pytest

from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data import FAKE, REAL, Manifest
from demagnify.data.describe import count_repeats
from demagnify.data.labels import named_label
from field_sets import CATEGORIES, coco, open_forensics, picture, write_json


@pytest.fixture
def root(tmp_path):
    return open_forensics(tmp_path / "OpenForensics")


def load(root, content, **options):
    """Reads one annotation file with this content beside the photographs of `root`."""
    return Manifest.load(write_json(root / "Train_poly.json", content), **options)


def test_every_annotation_is_a_face_with_its_box(root):
    manifest = Manifest.load(root)
    assert len(manifest) == 12
    assert manifest.labels.tolist() == [REAL, FAKE, REAL] * 4
    assert {record.split for record in manifest} == {"train"}
    assert manifest[1].box == (32, 10, 20, 24)
    assert manifest[1].path == root / "Images/Train/photo-0.png"
    assert manifest[1].extra["annotation"] == "1"
    assert not manifest.prepared
    assert manifest.skipped == ()


def test_a_photograph_is_one_group(root):
    manifest = Manifest.load(root)
    assert len(set(manifest.groups)) == 4
    assert {record.group for record in manifest if record.path.stem == "photo-2"} == {
        "Images/Train/photo-2.png"
    }


def test_all_files_of_the_folder_are_read(tmp_path):
    splits = ("Train", "Val", "Test-Dev", "Test-Challenge")
    manifest = Manifest.load(open_forensics(tmp_path, splits, photos=2))
    assert [counts.split for counts in manifest.describe()] == [
        "test-challenge", "test", "train", "val",
    ]  # fmt: skip
    assert {(counts.real, counts.fake) for counts in manifest.describe()} == {(4, 2)}
    manifest.check_groups()  # though ids are the same in all four


def test_the_scene_view_repeats_photographs_under_both_labels(root):
    scenes = Manifest.load(root, view="scene")
    assert scenes.prepared
    repeats = count_repeats(scenes)
    assert (repeats.rows, repeats.inputs, repeats.conflicting) == (12, 4, 12)
    faces = count_repeats(Manifest.load(root))
    assert (faces.inputs, faces.conflicting) == (12, 0)


def test_labels_come_from_the_names_of_categories(root):
    swapped = [{"id": 7, "name": "fake face"}, {"id": 1, "name": "REAL"}]
    content = coco(categories=swapped)
    for annotation in content["annotations"]:
        annotation["category_id"] = 7 if annotation["category_id"] == 0 else 1
    assert load(root, content).labels.tolist() == [FAKE, REAL, FAKE] * 4


@pytest.mark.parametrize("categories", [None, [], ...])
def test_without_categories_the_numbers_are_those_of_openforensics(root, categories):
    content = coco(categories=categories)
    if categories is ...:
        del content["categories"]
    assert load(root, content).labels.tolist() == [REAL, FAKE, REAL] * 4


def test_a_fraction_takes_whole_photographs(root):
    half = Manifest.load(root, fraction=0.5, seed=3)
    assert len(half) == 6
    assert len(set(half.groups)) == 2


def test_splits_can_stay_whole(tmp_path):
    root = open_forensics(tmp_path, ("Train", "Val", "Test-Dev"), photos=4)
    manifest = Manifest.load(root, fraction=0.25, whole="val,testing")
    photos = {one.split: one.real // 2 for one in manifest.describe()}
    assert photos == {"train": 1, "val": 4, "test": 4}


def test_a_fraction_is_the_same_in_any_order(root):
    before = set(Manifest.load(root, fraction=0.5, seed=3).groups)
    content = coco()
    random.Random(1).shuffle(content["images"])
    random.Random(2).shuffle(content["annotations"])
    assert set(load(root, content, fraction=0.5, seed=3).groups) == before
    chosen = {frozenset(Manifest.load(root, fraction=0.25, seed=n).groups) for n in range(9)}
    assert len(chosen) > 1
    assert set(Manifest.load(root, fraction=0.25, seed=3).groups) < before


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("Images/Train/a.png", "Images/Train/a.png"),
        ("Images/Train/a.png", "Images\\Train\\a.png"),
        ("Images/Train/a.png", "a.png"),
        ("Images/a.png", "a.png"),
        ("Train/a.png", "Images/Train/a.png"),
        ("a.png", "C:\\data\\OpenForensics\\Images\\Train\\a.png"),
        ("Images/Train/a.png", "/home/someone/Images/Train/a.png"),
        ("Images/Train/Jürgen Müller 顔.png", "Images/Train/Jürgen Müller 顔.png"),
    ],
)
def test_photographs_are_looked_for_in_sensible_places(tmp_path, place, written):
    images.save_png(tmp_path / place, picture(0))
    content = coco(photos=1)
    content["images"][0]["file_name"] = written
    manifest = load(tmp_path, content)
    assert {record.path for record in manifest} == {tmp_path / place}


def test_annotations_may_lie_in_a_folder_of_their_own(root):
    (root / "Annotations").mkdir()
    (root / "Train_poly.json").rename(root / "Annotations/Train_poly.json")
    assert len(Manifest.load(root)) == 12
    assert len(Manifest.load(root / "Annotations/Train_poly.json")) == 12


def test_photographs_may_lie_elsewhere(root, tmp_path):
    elsewhere = (root / "Images").rename(tmp_path / "elsewhere")
    manifest = Manifest.load(root, images=elsewhere)
    assert {record.path.parent for record in manifest} == {elsewhere / "Train"}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *((name, REAL) for name in ("Real", "real_face", "REAL FACES", "face-real", "Pristine")),
        *((name, FAKE) for name in ("Fake", "fake faces", "Forged", "deepfake", "manipulated")),
        *(
            (name, None)
            for name in ("", "face", "person", "not real", "real or fake", "0", "surreal")
        ),
    ],
)
def test_names_of_categories_tell_the_label(name, label):
    assert named_label(name) == label


def test_a_relative_path_means_the_same(root, monkeypatch):
    monkeypatch.chdir(root)
    by_name = Manifest.load(Path("Train_poly.json"))
    assert by_name.names == Manifest.load(root).names


def test_a_missing_photograph_costs_its_own_faces_only(root):
    (root / "Images/Train/photo-1.png").unlink()
    manifest = Manifest.load(root)
    assert len(manifest) == 9
    assert [str(line) for line in manifest.skipped] == [
        "Train_poly.json, image 1: Images/Train/photo-1.png: there is no such file (faces: 3)"
    ]
    with pytest.raises(BadManifestError, match="there is no such file"):
        Manifest.load(root, strict=True)


def test_without_any_photograph_it_says_where_it_looked(tmp_path):
    with pytest.raises(BadManifestError) as caught:
        load(tmp_path / "of", coco())
    assert "none of the 4 photographs is there" in str(caught.value)
    assert str(tmp_path / "of/Images/Train") in caught.value.hint


BAD_ANNOTATIONS = [
    ({"bbox": [200, 10, 20, 20]}, "lies outside of the photograph"),
    ({"bbox": [-30, 10, 20, 20]}, "lies outside of the photograph"),
    ({"bbox": [1, 1, 0, 20]}, "has no size"),
    ({"bbox": [1, 1, 20, -4]}, "has no size"),
    ({"bbox": [1, 1, 20]}, "not .x, y, width, height."),
    ({"bbox": None}, "not .x, y, width, height."),
    ({"bbox": [True, 1, 20, 20]}, "no sensible number"),
    ({"bbox": ["1", 1, 20, 20]}, "no sensible number"),
    ({"bbox": [float("nan"), 1, 20, 20]}, "no sensible number"),
    ({"bbox": [1, 1, float("inf"), 20]}, "no sensible number"),
    ({"bbox": [1, 1, 10**400, 20]}, "no sensible number"),
    ({"category_id": 2}, "category 2 is unknown"),
    ({"category_id": True}, "category True is unknown"),
    ({"category_id": None}, "category None is unknown"),
    ({"image_id": 99}, "no image with the id 99"),
    ({"image_id": None}, "no image with the id None"),
    ({"image_id": {}}, "no image with the id"),
    ({"id": 0}, "its id was given before"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_ANNOTATIONS)
def test_a_bad_annotation_is_left_out_with_its_reason(root, change, reason):
    content = coco()
    content["annotations"][4].update(change)
    manifest = load(root, content)
    assert len(manifest) == 11
    (skipped,) = manifest.skipped
    assert skipped.where == f"Train_poly.json, annotation {change.get('id', 4)}"
    with pytest.raises(BadManifestError, match=reason):
        load(root, content, strict=True)


def test_a_box_that_overhangs_is_clipped(root):
    content = coco()
    content["annotations"][0]["bbox"] = [-5, 50, 20.5, 30]
    assert load(root, content)[0].box == (0, 50, 15.5, 14)


BAD_IMAGES = [
    ({"file_name": None}, "has no file_name"),
    ({"file_name": ""}, "has no file_name"),
    ({"file_name": "../../secret.png"}, "leads out of its folder"),
    ({"file_name": "a\0b.png"}, "cannot be the name of a file"),
    ({"file_name": "\ud800.png"}, "no such file"),
    ({"file_name": "x" * 5000}, "no such file"),
    ({"id": None}, "has no id"),
    ({"width": -3}, "its width is -3"),
    ({"height": "64"}, "its height is 64"),
    ({"id": 0}, "its id is that of"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_IMAGES)
def test_a_bad_image_is_left_out_with_its_reason(root, change, reason):
    content = coco()
    content["images"][2].update(change)
    manifest = load(root, content)
    assert len(manifest) in (6, 9)
    assert any(reason in line.reason for line in manifest.skipped)
    with pytest.raises(BadManifestError):
        load(root, content, strict=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty"),
        (b"{", "cut off at line 1, column 2"),
        (b'{"images": [{"id": 1, "file_na', "cut off at line 1"),
        (b'{"images":\n [1,,2]}', "is not JSON: .*, line 2, column 5"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8, from byte 0"),
        (b"[]", "holds no object"),
        (b"{}", "there is no list 'images'"),
        (b'{"images": 3, "annotations": []}', "there is no list 'images'"),
        (b'{"images": [], "annotations": {}}', "there is no list 'annotations'"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"images": ' + b"9" * 5000 + b"}", "is not JSON that can be read"),
        (b'{"images": [], "annotations": []}', "no image can be used"),
    ],
)
def test_a_bad_file_ends_in_one_line(tmp_path, text, message):
    path = tmp_path / "Val_poly.json"
    path.write_bytes(text)
    with pytest.raises(BadManifestError, match=message) as caught:
        Manifest.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}], "no category is real or fake"),
        ([{"id": 1, "name": "real"}, {"id": 1, "name": "fake"}], "id 1 is given to real and to"),
        ([{"id": 1}], "lacks an id or a name"),
        ({"0": "Real"}, "'categories' is not a list"),
    ],
)
def test_categories_that_say_nothing_are_refused(root, categories, message):
    with pytest.raises(BadManifestError, match=message):
        load(root, coco(categories=categories))


def test_other_categories_are_left_out(root):
    content = coco(categories=[*CATEGORIES, {"id": 2, "name": "background"}])
    content["annotations"][5]["category_id"] = 2
    (skipped,) = load(root, content).skipped
    assert skipped.reason == "the category 2 is neither real nor fake"


def test_a_byte_order_mark_is_no_harm(root):
    path = root / "Train_poly.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(Manifest.load(path)) == 12


def test_any_coco_file_with_real_and_fake_is_read(root):
    path = write_json(root / "my_validation_set.json", coco())
    manifest = Manifest.load(path)
    assert len(manifest) == 12
    assert {record.split for record in manifest} == {"val"}
    assert {r.split for r in Manifest.load(write_json(root / "faces.json", coco()))} == {"all"}


def test_settings_are_checked(root):
    for wrong in ({"fraction": 0}, {"fraction": 1.5}, {"view": "body"}):
        with pytest.raises(BadConfigError, match="openforensics"):
            Manifest.load(root, **wrong)


def test_a_setting_of_another_format_is_named(root):
    with pytest.raises(
        BadConfigError, match="the format openforensics: frames is no known setting"
    ):
        Manifest.load(root, frames=3)


def test_polygons_are_not_kept(root):
    assert "segmentation" in json.loads((root / "Train_poly.json").read_text())["annotations"][0]
    assert set(Manifest.load(root)[0].extra) == {"annotation", "photo_size"}


def test_photographs_of_one_name_are_looked_for_in_the_folder_of_their_own_split(tmp_path):
    for seed, split in enumerate(("Train", "Val")):
        images.save_png(tmp_path / f"Images/{split}/photo-0.png", picture(seed))
        content = coco(photos=1, folder=".")
        write_json(tmp_path / f"{split}_poly.json", content)
    manifest = Manifest.load(tmp_path)
    assert {(record.split, record.path.parent.name) for record in manifest} == {
        ("train", "Train"),
        ("val", "Val"),
    }
    manifest.check_groups()


@pytest.mark.parametrize("inside", ["", "Train", "Images/Train"])
def test_archives_may_be_unpacked_each_into_a_folder_of_its_own(tmp_path, inside):
    for number in range(2):
        place = tmp_path / f"Train_part_{number + 1}" / inside
        images.save_png(place / f"photo-{number}.png", picture(number))
    write_json(tmp_path / "Train_poly.json", coco(photos=2))
    manifest = Manifest.load(tmp_path)
    assert len(manifest) == 6
    assert manifest.skipped == ()


def test_a_folder_of_other_coco_files_is_read_by_split(tmp_path):
    for split in ("train", "val"):
        write_json(tmp_path / f"annotations/instances_{split}.json", coco(photos=1, folder="."))
        images.save_png(tmp_path / split / "photo-0.png", picture(len(split)))
    write_json(tmp_path / "annotations/notes.json", {"by": "somebody"})
    manifest = Manifest.load(tmp_path)
    assert {(record.split, record.path.parent.name) for record in manifest} == {
        ("train", "train"),
        ("val", "val"),
    }
