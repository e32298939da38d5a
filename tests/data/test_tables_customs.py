"""Tables as others write them: read rightly, or refused; never boxes or labels that are lost."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from demagnify.core.assets.store import CACHE_VARIABLE
from demagnify.core.errors import BadManifestError
from demagnify.data import Manifest
from demagnify.data.formats import recognise


@pytest.fixture
def table(tmp_path):
    def write(text, *names, file="metadata.csv"):
        for name in names or ("a.png", "b.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64)).save(tmp_path / name)
        (tmp_path / file).write_text(text)
        return tmp_path / file

    return write


@pytest.mark.parametrize("heading", ["x1,y1,x2,y2", "xmin,ymin,xmax,ymax", "left,top,right,bottom"])
def test_corners_are_boxes(table, heading):
    path = table(f"file_name,label,{heading}\na.png,real,5,2,20,30\nb.png,fake,,,,\n")
    assert [face.box for face in Manifest.load(path)] == [(5, 2, 15, 28), None]


def test_short_headings_are_boxes(table):
    path = table("file_name,label,x,y,w,h\na.png,real,5,2,20,30\nb.png,fake,1,1,9,9\n")
    assert [face.box for face in Manifest.load(path)] == [(5, 2, 20, 30), (1, 1, 9, 9)]


def test_a_box_of_which_nothing_says_what_it_is_is_refused(table):
    path = table('file_name,label,bbox\na.png,real,"[5, 2, 20, 30]"\nb.png,fake,\n')
    with pytest.raises(BadManifestError, match=r"line 2: the column bbox .*call it box"):
        Manifest.load(path)


@pytest.mark.parametrize(
    "names",
    [
        *("cx,cy,w,h", "x_center,y_center,width,height", "xc,yc,w,h", "x1,y1,w,h"),
        *(
            "startx,starty,endx,endy",
            "face_x,face_y,face_w,face_h",
            "center_x,center_y,width,height",
        ),
        *("x1,y1,x2,y2,x3,y3,x4,y4,x5,y5", "bbox_x1,bbox_y1,bbox_x2,bbox_y2"),
    ],
)
def test_places_and_sizes_by_other_names_are_refused_not_ignored(table, names):
    numbers = ",".join("5" for _ in names.split(","))
    path = table(f"file_name,label,{names}\na.png,real,{numbers}\nb.png,fake,{numbers}\n")
    with pytest.raises(BadManifestError, match=r"line 2: the columns .* could be a box, or points"):
        Manifest.load(path)


@pytest.mark.parametrize("names", ["x,y", "width,height", "x,y,width", "left_eye_x,left_eye_y,w,h"])
def test_notes_that_are_no_box_stay_notes(table, names):
    numbers = ",".join("5" for _ in names.split(","))
    path = table(f"file_name,label,{names}\na.png,real,{numbers}\nb.png,fake,{numbers}\n")
    assert [one.box for one in Manifest.load(path)] == [None, None]


@pytest.mark.parametrize("names", ["left,top,width,height", "x0,y0,x1,y1"])
def test_more_names_of_boxes(table, names):
    sides = "2,3,20,30" if "width" in names else "2,3,22,33"
    path = table(f"file_name,label,{names}\na.png,real,{sides}\nb.png,fake,{sides}\n")
    assert [tuple(one.box) for one in Manifest.load(path)] == [(2, 3, 20, 30)] * 2


def test_boxes_in_shares_of_the_sides_are_refused(table, tmp_path):
    path = table("file_name,label,x,y,width,height\na.png,real,.1,.1,.5,.5\nb.png,fake,2,2,9,9\n")
    assert "in pixels, not shares" in str(Manifest.load(path).skipped[0])
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "fake"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0.1, 0.1, 0.5, 0.5]},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [5, 5, 60, 60], "bbox_mode": 0},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "bbox_mode": 1},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    manifest = Manifest.load(tmp_path / "coco.json")
    reasons = [str(one) for one in manifest.skipped]
    assert len(manifest) == 1
    assert "in pixels, not shares" in reasons[0]
    assert "bbox_mode is 0, not 1" in reasons[1]


@pytest.mark.parametrize("labels", [("1", "2"), ("-1", "1"), ("0", "0.5")])
def test_numbers_of_another_code_make_0_and_1_doubtful(table, labels):
    path = table("file_name,label\na.png,{}\nb.png,{}\n".format(*labels))
    with pytest.raises(BadManifestError, match="none of this column can be trusted"):
        Manifest.load(path)


@pytest.mark.parametrize("names", [("real_1.png", "fake_1.png"), ("x/a_real.png", "x/b_fake.png")])
def test_numbers_that_contradict_the_files_names_are_refused(table, names):
    path = table("file_name,label\n{},1\n{},0\n".format(*names), *names)
    with pytest.raises(
        BadManifestError, match=f"label is '1' .fake., but file_name is '{names[0]}'"
    ):
        Manifest.load(path)
    table("file_name,label\n{},0\n{},1\n".format(*names), *names)
    assert [face.label for face in Manifest.load(path)] == [0, 1]


@pytest.mark.parametrize("method", ["faceswap", "", "StyleGAN"])
def test_a_column_in_which_only_one_label_has_a_word_counts(table, method):
    path = table(f"file_name,label,type\na.png,1,real\nb.png,0,{method}\n")
    with pytest.raises(BadManifestError, match=r"label is '1' .fake., but type is 'real'"):
        Manifest.load(path)


def test_a_word_here_and_there_in_a_caption_says_nothing(table):
    rows = "".join(
        f"{name}.png,{label},{text}\n"
        for name, label, text in (
            ("a", 0, "a man"),
            ("b", 1, "real"),
            ("c", 1, "a woman"),
            ("d", 0, "fake"),
            ("e", 0, "x"),
        )
    )
    names = [f"{name}.png" for name in "abcde"]
    assert len(Manifest.load(table("file_name,label,caption\n" + rows, *names))) == 5


def test_a_json_list_is_a_table(table):
    rows = [{"file_name": "a.png", "label": "real"}, {"file_name": "b.png", "label": "fake"}, 3]
    path = table(json.dumps(rows), file="metadata.json")
    for place in (path, path.parent):
        manifest = Manifest.load(place)
        assert [face.label for face in manifest] == [0, 1]
        assert [str(one) for one in manifest.skipped] == [
            "metadata.json, row 3: is not a JSON object"
        ]
    with pytest.raises(BadManifestError, match="is not JSON"):
        Manifest.load(table('[{"file_name": "a.png",', file="metadata.json"))


def test_pairs_of_splits_are_no_table(tmp_path):
    (tmp_path / "train.json").write_text('[["000", "003"]]')
    with pytest.raises(BadManifestError, match="no file that demagnify knows"):
        recognise(tmp_path / "train.json")


def test_a_data_set_saved_by_datasets_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    buffer = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 9, np.uint8)).save(buffer, "PNG")
    pictures = [{"bytes": buffer.getvalue(), "path": name} for name in ("a.png", "b.png")]
    rows = pa.table({"image": pictures, "label": [0, 1]})
    features = {"image": {"_type": "Image"}, "label": {"names": ["Fake", "Real"]}}
    for split in ("train", "validation"):
        place = tmp_path / "saved" / split
        place.mkdir(parents=True)
        with pa.ipc.new_stream(str(place / "data-0.arrow"), rows.schema) as writer:
            writer.write_table(rows)
        state = {"_data_files": [{"filename": "data-0.arrow"}]}
        (place / "state.json").write_text(json.dumps(state))
        (place / "dataset_info.json").write_text(json.dumps({"features": features}))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    found = [(face.split, face.label) for face in Manifest.load(tmp_path / "saved")]
    assert found == [("train", 1), ("train", 0), ("val", 1), ("val", 0)]
    assert len(Manifest.load(tmp_path / "saved" / "train")) == 2
    data = tmp_path / "saved" / "train" / "data-0.arrow"
    data.write_bytes(data.read_bytes()[:400])
    with pytest.raises(BadManifestError, match="is not Arrow that can be read"):
        Manifest.load(tmp_path / "saved" / "train")
    (data.parent / "state.json").write_text('{"_data_files": [{"filename": "../x.arrow"}]}')
    with pytest.raises(BadManifestError, match="lists no Arrow files"):
        Manifest.load(data.parent)


def test_categories_without_names_are_0_and_1(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, "bbox": [5, 5, 40 + number, 40]}
            for number in (1, 2)
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(BadManifestError, match="the category 2, and names no categories"):
        Manifest.load(tmp_path / "coco.json")


def test_one_box_under_both_labels_is_said(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, "bbox": [5, 5, 40, 40]}
            for number in (0, 1)
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    skipped = Manifest.load(tmp_path / "coco.json").skipped
    assert "its box was given before, under the other label" in str(skipped[0])


def test_folders_inside_of_the_other_label_are_left_out(tmp_path):
    for name in ("real/a.png", "real/deep/fakes/b.png", "fake/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    manifest = Manifest.load(tmp_path)
    assert len(manifest) == 2
    assert "the folder fakes contradicts real around it" in str(manifest.skipped[0])


def test_splits_may_lie_inside_of_labels(tmp_path):
    for name in ("real/train/a.png", "real/test/b.png", "fake/train/c.png", "fake/test/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    found = {face.path.name: (face.label, face.split) for face in Manifest.load(tmp_path)}
    assert found == {
        "a.png": (0, "train"),
        "b.png": (0, "test"),
        "c.png": (1, "train"),
        "d.png": (1, "test"),
    }
