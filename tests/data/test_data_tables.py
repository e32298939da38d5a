"""Tables of images as CSV, JSON lines and Parquet: one meaning, whatever the file."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data.labels import parse_truth
from demagnify.data.manifest import Manifest
from demagnify.data.records import Box, Record
from demagnify.data.tables import delimited

KINDS = ("csv", "jsonl", "parquet")


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png", "deep/d.png", "Zoë 顔.png", "v.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def write(folder, kind, rows):
    """Writes rows of texts as a table of a kind; a missing key is nothing in each of them."""
    path = folder / f"metadata.{kind}"
    if kind == "csv":
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
        path.write_text("\n".join(",".join(line) for line in lines))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def names(manifest):
    return [record.path.relative_to(manifest.root).as_posix() for record in manifest]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_the_same(folder, kind):
    rows = [
        {"file_name": "a.png", "label": "REAL", "split": "train", "group": "g", "method": "none"},
        {"file_name": "Zoë 顔.png", "label": "1", "split": "Test", "group": "h", "method": "swap"},
    ]
    expected = [
        Record(folder / "a.png", 0, "train", "g", {"method": "none"}),
        Record(folder / "Zoë 顔.png", 1, "test", "h", {"method": "swap"}),
    ]
    path = write(folder, kind, rows)
    assert list(Manifest.load(path)) == list(Manifest.load(folder)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_bad_rows_are_left_out_one_by_one(folder, kind):
    rows = [
        {"file_name": "a.png", "label": "real"},
        {"file_name": "b.png", "label": "neither"},
        {"file_name": "none.png", "label": "fake"},
        {"file_name": "a.png", "label": "fake"},
        {"file_name": "../x.png", "label": "fake"},
        {"file_name": "deep\\d.png", "label": "fake"},
    ]
    write(folder, kind, rows)
    manifest = Manifest.load(folder)
    assert names(manifest) == ["a.png", "deep/d.png"]
    assert manifest[1].group == "deep/d.png"
    first = {"csv": 2, "jsonl": 1, "parquet": 1}[kind]
    unit = "row" if kind == "parquet" else "line"
    reasons = ("unknown label 'neither'", "no such file", "listed twice", "outside")
    assert len(manifest.skipped) == len(reasons)
    for place, (skipped, reason) in enumerate(zip(manifest.skipped, reasons, strict=True), first):
        assert skipped.where == f"metadata.{kind}, {unit} {place + 1}"
        assert reason in skipped.reason
    with pytest.raises(BadManifestError, match=f"{unit} {first + 1}: unknown label"):
        Manifest.load(folder, strict=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file_name": "b.png"', "is not JSON"),
        ('["b.png", "real"]', "is not a JSON object"),
        ('{"file_name": "b.png", "label": true}', "unknown label 'true'"),
        ('{"file_name": "b.png", "label": null}', "there is no label"),
        ('{"label": "real"}', "there is no file_name"),
        ('{"file_name": "b.png", "label": 0, "label": 1}', "names a key twice"),
        ('{"file_name": "b.png", "label": 0, "Label": 1}', "names a key twice"),
        ('{"file_name": "b.png", "label": 0, "note": "\\ud800"}', "half a character"),
        ("[" * 100_000, "is not JSON that can be read"),
        ('{"file_name": "b.png", "label": 0, "box": [1, 2, 3]}', "the box is a list"),
        ('{"file_name": "b.png", "label": 0, "box": [1, 2, 0, 4]}', "has no area"),
        ('{"file_name": "b.png", "label": 0, "box": [-9, 0, 4, 4]}', "lies outside of the photo"),
        ('{"file_name": "b.png", "label": 0, "box": [1, 2, NaN, 4]}', "made of numbers"),
        ('{"file_name": "v.mp4", "label": 0, "frame": -1}', "a frame is a whole number"),
    ],
)
def test_a_broken_line_of_json_is_left_out_with_its_reason(folder, line, reason):
    good = '{"file_name": "a.png", "label": 0}'
    (folder / "metadata.jsonl").write_text(f"{good}\n\n{line}\n")
    manifest = Manifest.load(folder)
    assert names(manifest) == ["a.png"]
    assert manifest.skipped[0].where == "metadata.jsonl, line 3"
    assert reason in manifest.skipped[0].reason


def test_labels_as_numbers_are_read(folder):
    write(
        folder, "parquet", [{"file_name": "a.png", "label": 0}, {"file_name": "b.png", "label": 1}]
    )
    assert Manifest.load(folder).labels.tolist() == [0, 1]


def test_numbers_mean_what_the_schema_says_they_do(folder):
    table = pa.table({"file_name": ["a.png", "b.png", "c.png"], "label": [0, 1, 2]})
    features = {"label": {"names": ["Fake", "Real"], "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(about), folder / "metadata.parquet")
    manifest = Manifest.load(folder)
    assert manifest.labels.tolist() == [1, 0]
    assert "unknown label" in manifest.skipped[0].reason


@pytest.mark.parametrize("kind", KINDS)
def test_truth_is_read_where_it_is_no_riddle(folder, kind):
    write(folder, kind, [{"file_name": "a.png", "is_fake": "true"}])
    assert Manifest.load(folder).labels.tolist() == [1]
    assert (parse_truth("False"), parse_truth("1")) == (0, 1)
    with pytest.raises(BadManifestError, match="is_fake is true or false"):
        parse_truth("real")


def test_pictures_inside_of_parquet_are_left_alone(folder):
    image = pa.array([{"bytes": b"\x89PNG", "path": "a.png"}])
    table = pa.table({"file_name": ["a.png"], "label": ["real"], "image": image})
    pq.write_table(table, folder / "metadata.parquet")
    assert Manifest.load(folder)[0].extra == {}


def test_what_is_no_parquet_is_refused_in_one_line(folder):
    (folder / "metadata.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadManifestError, match="is not Parquet that can be read") as caught:
        Manifest.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_make_several_records_of_one_photograph(folder, kind):
    rows = [
        {
            "file_name": "a.png",
            "label": "real",
            "x": "1",
            "y": "2.5",
            "width": "30",
            "height": "40",
        },
        {"file_name": "a.png", "label": "fake", "x": "-3", "y": "2", "width": "30", "height": "40"},
        {
            "file_name": "a.png",
            "label": "fake",
            "x": "1",
            "y": "2.5",
            "width": "30",
            "height": "40",
        },
        {"file_name": "b.png", "label": "fake"},
        {"file_name": "c.png", "label": "fake", "x": "1"},
    ]
    write(folder, kind, rows)
    manifest = Manifest.load(folder)
    assert [record.box for record in manifest] == [Box(1, 2.5, 30, 40), Box(-3, 2, 30, 40), None]
    assert [record.prepared for record in manifest] == [False, False, True]
    assert [skipped.reason for skipped in manifest.skipped] == [
        "a.png is listed twice, under both labels; the first counts",
        "the box is not complete",
    ]
    assert not manifest.prepared
    assert manifest[2:].prepared
    with pytest.raises(BadManifestError, match="demagnify data prepare"):
        manifest.check_prepared()


def test_a_box_may_be_a_list(folder):
    rows = [{"file_name": "a.png", "label": 1, "box": [1.0, 2.0, 3.0, 4.0]}]
    for kind in ("jsonl", "parquet"):
        path = write(folder, kind, rows)
        assert Manifest.load(path)[0].box == Box(1, 2, 3, 4)


def test_width_and_height_alone_are_notes(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "real", "width": "9", "height": "8"}])
    record = Manifest.load(folder)[0]
    assert (record.box, record.extra) == (None, {"width": "9", "height": "8"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_a_videos(folder, kind):
    rows = [
        {"file_name": "v.mp4", "label": "fake", "frame": "0"},
        {"file_name": "v.mp4", "label": "fake", "frame": "25"},
        {"file_name": "a.png", "label": "fake", "frame": "3"},
    ]
    write(folder, kind, rows)
    manifest = Manifest.load(folder)
    assert [record.frame for record in manifest] == [0, 25, None]
    assert manifest[2].extra == {"frame": "3"}
    assert manifest[2].prepared


def test_split_folders_hold_a_table_each(tmp_path):
    for split, kind in (("train", "csv"), ("Validation", "jsonl"), ("test", "parquet")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").touch()
        write(tmp_path / split, kind, [{"file_name": "a.png", "label": "fake"}])
    (tmp_path / "train" / "metadata.csv").open("a").write("\nb.png,real\n")
    manifest = Manifest.load(tmp_path)
    found = {record.path.relative_to(tmp_path).as_posix(): record.split for record in manifest}
    assert found == {"train/a.png": "train", "Validation/a.png": "val", "test/a.png": "test"}
    assert len({record.group for record in manifest}) == 3
    assert [str(skipped) for skipped in manifest.skipped] == [
        "train/metadata.csv, line 3: train/b.png: there is no such file"
    ]


def test_two_tables_in_one_folder_are_a_riddle(folder):
    for kind in ("csv", "jsonl"):
        write(folder, kind, [{"file_name": "a.png", "label": "fake"}])
    with pytest.raises(BadManifestError, match=r"holds metadata\.csv and metadata\.jsonl"):
        Manifest.load(folder)


def test_files_need_not_be_looked_for(folder):
    write(folder, "csv", [{"file_name": "none.png", "label": "fake"}])
    manifest = Manifest.load(folder, check_files=False)
    assert names(manifest) == ["none.png"]
    with pytest.raises(
        BadConfigError, match=r"check_file is no known setting; did you mean check_files"
    ):
        Manifest.load(folder, check_file=False)


def test_letters_are_found_in_either_way_of_writing_accents(folder):
    (folder / "Zoe\u0308.png").touch()
    write(folder, "csv", [{"file_name": "Zo\u00eb.png", "label": "fake"}])
    assert names(Manifest.load(folder)) == ["Zoe\u0308.png"]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_line_by_line(folder, data):
    good = b'{"file_name": "a.png", "label": 0}\n'
    (folder / "metadata.jsonl").write_bytes(good + data)
    manifest = Manifest.load(folder)
    assert len(manifest) >= 1
    assert all("\n" not in str(skipped) for skipped in manifest.skipped)


CELLS = st.text(st.sampled_from('ab,"\r \té'), max_size=4)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), max_size=6))
def test_whole_blocks_are_read_as_line_by_line(tmp_path, lines):
    text = "\n".join(lines).encode()
    header = delimited.Header(("file_name", "label"))
    fast = delimited._plain_rows(text, 2, header) if text else None
    if fast is not None:
        slow, _ = delimited._odd_rows(text, 2, header)
        assert fast.numbers.tolist() == slow.numbers.tolist()
        assert {name: column.to_pylist() for name, column in fast.columns.items()} == {
            name: column.to_pylist() for name, column in slow.columns.items()
        }
        assert slow.broken == {}


EXTRAS = st.dictionaries(st.sampled_from(["note", "method"]), st.text("xyz,", max_size=3))
BOXES = st.none() | st.builds(
    Box, *[st.floats(-10, 10)] * 2, *[st.floats(10.5, 99, exclude_min=True)] * 2
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["jsonl", "parquet"]),
    st.lists(st.tuples(BOXES, EXTRAS), min_size=1, max_size=3),
)
def test_what_is_saved_as_another_kind_comes_back(folder, kind, rows):
    for old in folder.glob("metadata.*"):
        old.unlink()
    places = zip(("a.png", "Zoë 顔.png", "deep/d.png"), rows, strict=False)
    records = [Record(folder / name, 1, "val", "g\nh", extra, box) for name, (box, extra) in places]
    Manifest(records, root=folder).save(folder / f"metadata.{kind}")
    assert list(Manifest.load(folder, strict=True)) == records


def test_a_manifest_is_not_saved_as_something_else(folder):
    with pytest.raises(BadManifestError, match=r"use one of \.csv, \.jsonl, \.parquet"):
        Manifest([Record(folder / "a.png", 0, "all", "g")], root=folder).save(folder / "a.xlsx")


def test_two_columns_of_one_name_are_not_saved(folder):
    record = Record(folder / "a.png", 0, "all", "g", {"x": "left"}, Box(1, 2, 3, 4))
    with pytest.raises(BadManifestError, match="two columns would be called x"):
        Manifest([record], root=folder).save(folder / "metadata.csv")


CARD = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': {0}
          '1': {1}
---
# Faces
"""


def say(place, how, *names):
    """Writes what the numbers mean into one of the files in which Hugging Face has it."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    text = {
        "README.md": CARD.format(*names),
        "dataset_info.json": json.dumps({"features": features}),
        "dataset_infos.json": json.dumps({"default": {"features": features}}),
    }
    (place / how).write_text(text[how])


@pytest.mark.parametrize("how", ["README.md", "dataset_info.json", "dataset_infos.json"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_mean_what_the_files_beside_them_say(folder, kind, how):
    rows = [{"file_name": f"{name}.png", "label": n} for n, name in enumerate("abc")]
    write(folder, kind, rows)
    say(folder, how, "Fake", "Real faces")
    manifest = Manifest.load(folder)
    assert manifest.labels.tolist() == [1, 0]
    assert "unknown label 'number 2'" in manifest.skipped[0].reason


def test_the_card_of_a_data_set_counts_for_its_split_folders(folder):
    (folder / "data/train").mkdir(parents=True)
    (folder / "a.png").rename(folder / "data/train/a.png")
    write(folder / "data/train", "csv", [{"file_name": "a.png", "label": "0.0"}])
    say(folder, "README.md", "deepfake", "genuine")
    assert Manifest.load(folder / "data").labels.tolist() == [1]


def test_words_as_labels_need_no_card(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "real"}])
    say(folder, "README.md", "cat", "dog")
    assert Manifest.load(folder).labels.tolist() == [0]


def test_names_that_are_the_numbers_say_nothing(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "1"}])
    say(folder, "README.md", "'0'", "'1'")
    assert Manifest.load(folder).labels.tolist() == [1]


def test_names_that_are_neither_are_refused_in_one_line(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "1"}])
    say(folder, "README.md", "cat", "dog")
    with pytest.raises(BadManifestError, match=r"README\.md: no label is called real or fake"):
        Manifest.load(folder)


def test_parts_that_name_numbers_differently_are_refused(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "1"}])
    parts = [{"features": {"label": {"names": names}}} for names in (["real", "fake"], ["f", "r"])]
    (folder / "dataset_infos.json").write_text(json.dumps(dict(enumerate(parts))))
    with pytest.raises(BadManifestError, match="different names in different parts"):
        Manifest.load(folder)


def test_a_card_that_cannot_be_read_is_refused_in_one_line(folder):
    write(folder, "csv", [{"file_name": "a.png", "label": "1"}])
    (folder / "README.md").write_text("---\nclass_label: [\n---\n")
    with pytest.raises(BadManifestError, match="is not YAML that can be read, and may say which"):
        Manifest.load(folder)


@pytest.mark.parametrize(
    "text", [b"---\na: &a [*a]\nb: class_label\n---\n", b"caf\xe9", b"---\n--- : [\n", b""]
)
def test_a_text_beside_the_table_that_is_no_card_is_no_harm(folder, text):
    write(folder, "csv", [{"file_name": "a.png", "label": "1"}])
    (folder / "README.md").write_bytes(text)
    assert Manifest.load(folder).labels.tolist() == [1]


def test_lines_that_end_in_a_lone_carriage_return_are_refused_in_one_line(folder):
    (folder / "metadata.csv").write_bytes(b"file_name,label\ra.png,real\rb.png,fake\r")
    with pytest.raises(BadManifestError, match="lines end in a lone carriage return") as caught:
        Manifest.load(folder)
    assert "\n" not in str(caught.value)
    assert "\r" not in str(caught.value)
