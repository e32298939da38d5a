"""Tables as others write them: separators, encodings, headings, folders, pictures inside."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from demagnify.core.errors import BadManifestError
from demagnify.data import formats
from demagnify.data.dataset import FaceDataset
from demagnify.data.describe import describe
from demagnify.data.manifest import Manifest
from demagnify.data.tables import delimited


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "set"
    place.mkdir()
    for name in ("a.png", "b, c.png", "d\ne.png", "é.png"):
        (place / name).touch()
    return place


def names(manifest):
    return [record.path.relative_to(manifest.root).as_posix() for record in manifest]


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_encodings(folder, mark, encoding, end):
    lines = ("file_name,label,note", "a.png,real,1", '"b, c.png",fake,"x', 'y"', "é.png,1,")
    text = end.join(line.replace("b, c", "b~ c").replace(",", mark) for line in lines) + end
    (folder / "metadata.csv").write_bytes(text.replace("b~ c", "b, c").encode(encoding))
    manifest = Manifest.load(folder, strict=True)
    assert names(manifest) == ["a.png", "b, c.png", "é.png"]
    assert manifest.labels.tolist() == [0, 1, 1]
    assert manifest[1].extra == {"note": f"x{end}y"}


def test_excel_may_say_what_separates_and_tables_of_tabs_have_their_suffix(folder):
    (folder / "a.csv").write_text("sep=;\nfile_name;label\na.png;real\nx.png;real\n")
    manifest = Manifest.load(folder / "a.csv")
    assert (names(manifest), manifest.skipped[0].where) == (["a.png"], "a.csv, line 4")
    (folder / "metadata.tsv").write_text("Path\tClass\nb, c.png\tfake\n")
    assert names(Manifest.load(folder)) == ["b, c.png"]


def test_a_mark_that_is_not_closed_costs_its_line_only(folder):
    text = (
        'file_name,label\n"a.png,real\n"d\ne.png",fake\na.png,"real\n"b, c.png",real\né.png,fake\n'
    )
    (folder / "metadata.csv").write_text(text)
    manifest = Manifest.load(folder)
    assert names(manifest) == ["d\ne.png", "b, c.png", "é.png"]
    assert [one.where[-1] for one in manifest.skipped] == ["2", "5"]


def test_a_record_may_lie_across_two_blocks(folder, monkeypatch):
    monkeypatch.setattr(delimited, "_BYTES", 4)
    rows = "".join(f'a{number}.png,real,"{"x" * number}\n\n{number}"\n' for number in range(30))
    (folder / "t.csv").write_text("file_name,label,note\n" + rows + 'b,"')
    manifest = Manifest.load(folder / "t.csv", check_files=False)
    assert [record.extra["note"] for record in manifest] == [
        f"{'x' * number}\n\n{number}" for number in range(30)
    ]
    assert manifest.skipped[0].where == "t.csv, line 92"


def test_file_names_may_be_relative_to_a_folder_beside_the_table(folder):
    (folder / "images" / "faces").mkdir(parents=True)
    (folder / "images" / "faces" / "1.png").touch()
    (folder / "labels.csv").write_text("image;category\n1.png;Fake\n2.png;Real\n")
    manifest = Manifest.load(folder / "labels.csv")
    assert names(manifest) == ["images/faces/1.png"]
    assert "no such file" in manifest.skipped[0].reason
    (folder / "images" / "masks").mkdir()
    (folder / "images" / "masks" / "1.png").touch()
    with pytest.raises(BadManifestError, match="could be in several folders"):
        Manifest.load(folder / "labels.csv")


def kaggle(folder, numbers):
    for split in ("train", "valid"):
        home = folder / "real_vs_fake" / "real-vs-fake" / split
        rows = []
        for number, word in enumerate(("real", "fake")):
            (home / word).mkdir(parents=True)
            Image.new("RGB", (16, 16), word and (number * 200,) * 3).save(home / word / "7.jpg")
            rows.append(f"{number},/kaggle/x/7.jpg,7,{numbers[word]},{word},{split}/{word}/7.jpg\n")
        (folder / f"{split}.csv").write_text(
            ",original_path,id,label,label_str,path\n" + "".join(rows)
        )


@pytest.mark.parametrize("numbers", [{"real": 1, "fake": 0}, {"real": 0, "fake": 1}])
def test_kaggles_140k_is_read_by_its_words(folder, numbers):
    kaggle(folder, numbers)
    assert formats.recognise(folder).name == "kaggle-140k"
    manifest = Manifest.load(folder, strict=True)
    assert names(manifest)[:2] == [f"real_vs_fake/real-vs-fake/train/{w}/7.jpg" for w in numbers]
    assert manifest.labels.tolist() == [0, 1, 0, 1]
    assert [one.split for one in manifest.describe()] == ["train", "val"]
    assert Manifest.load(folder / "valid.csv").labels.tolist() == [0, 1]
    manifest.save(folder / "metadata.csv")
    assert list(Manifest.load(folder / "metadata.csv")) == list(manifest)


def test_other_tables_with_numbers_against_words_are_refused(folder):
    (folder / "t.csv").write_text("path,label,label_str\na.png,1,real\n")
    with pytest.raises(BadManifestError, match=r"label is '1'.*label_str is 'real'"):
        Manifest.load(folder / "t.csv")


def picture(level, kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (level,) * 3).save(buffer, kind)
    return buffer.getvalue()


def parquet(path, pictures, labels, column="label", classes=("fake", "real")):
    path.parent.mkdir(exist_ok=True)
    table = pa.table({"image": pictures, column: labels})
    features = {column: {"names": classes, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(about), path)


@pytest.mark.parametrize("column", ["label", "labels"])
def test_pictures_inside_of_parquet_are_read(folder, column):
    first = [
        {"bytes": picture(9), "path": "real/x.png"},
        {"bytes": picture(8, "JPEG"), "path": None},
    ]
    parquet(folder / "data" / "train-00000-of-00002-ab.parquet", first, [1, 0], column)
    second = [{"bytes": picture(7), "path": "../../x.png"}, {"bytes": None, "path": "gone.png"}]
    parquet(folder / "data" / "train-00001-of-00002-ab.parquet", second, [0, 1], column)
    parquet(folder / "data" / "validation-00000-of-00001.parquet", [picture(6)], [1], column)
    manifest = Manifest.load(folder)
    assert names(manifest) == [
        "data/train-00000-of-00002-ab/real/0000001-x.png",
        "data/train-00000-of-00002-ab/0000002.jpg",
        "data/train-00001-of-00002-ab/0000001.png",
        "data/validation-00000-of-00001/0000001.png",
    ]
    assert manifest.labels.tolist() == [0, 1, 1, 0]
    assert [one.split for one in manifest] == ["train"] * 3 + ["val"]
    assert "holds no image" in manifest.skipped[0].reason
    faces = FaceDataset.open(manifest, size=16)
    assert np.asarray(faces.images)[:, 0, 0, 0].tolist() == [9, 8, 7, 6]


def test_unpacked_pictures_that_are_damaged_are_written_again(folder):
    parquet(folder / "p.parquet", [picture(9), picture(3)], [1, 0])
    manifest = Manifest.load(folder / "p.parquet")
    path = manifest[0].path
    path.write_bytes(path.read_bytes()[::-1])
    again = Manifest.load(folder / "p.parquet")
    assert list(again) == list(manifest)
    assert path.read_bytes() == picture(9)
    assert describe(again).images == 2


def test_several_columns_with_pictures_are_a_riddle(folder):
    table = pa.table({"before": [picture(1)], "after": [picture(2)], "label": ["fake"]})
    pq.write_table(table, folder / "p.parquet")
    with pytest.raises(BadManifestError, match="several columns hold images: before, after"):
        Manifest.load(folder / "p.parquet")


def test_tables_called_like_splits_are_read(folder):
    (folder / "train.csv").write_text("file_name,label\na.png,real\n")
    (folder / "test.csv").write_text("file_name,label\né.png,fake\n")
    (folder / "val.csv").write_text("epoch,loss\n1,2\n")
    assert [(one.path.name, one.split) for one in Manifest.load(folder)] == [
        ("é.png", "test"),
        ("a.png", "train"),
    ]
