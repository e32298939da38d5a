"""Manifests: what is read, what is left out and why, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demagnify.core.errors import BadManifestError, UnknownNameError
from demagnify.data import columns
from demagnify.data.labels import FAKE, REAL, label_name, parse_label
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import Box, Record

GOOD = "file_name,label,split,group\na.png,real,train,g1\nb.png,fake,train,g1\nc.png,fake,test,g2\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png", "deep/d.png", "Zoë 顔.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def load(folder, text, *, strict=False):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "metadata.csv").write_bytes(data)
    return Manifest.load(folder, strict=strict)


def test_a_manifest_tells_path_label_split_group_and_the_rest(folder):
    manifest = load(folder, "file_name,label,split,group,method\ndeep/d.png,fake,val,g,swap\n")
    extra = {"method": "swap"}
    assert list(manifest) == [Record(folder / "deep" / "d.png", FAKE, "val", "g", extra)]
    assert manifest.skipped == ()


def test_file_and_folder_give_the_same(folder):
    manifest = load(folder, GOOD)
    assert list(Manifest.load(folder / "metadata.csv")) == list(manifest)
    assert manifest.root == Manifest.load(folder / "metadata.csv").root == folder
    assert list(Manifest.load(str(folder))) == list(manifest)


def test_columns_may_come_in_any_order_and_case(folder):
    manifest = load(folder, " Label ,GROUP,file_name\n 1 ,g,a.png\n")
    assert (manifest[0].label, manifest[0].group, manifest[0].path.name) == (FAKE, "g", "a.png")


def test_without_split_and_group_each_file_is_its_own_group_of_all(folder):
    manifest = load(folder, "file_name,label\na.png,real\ndeep/d.png,fake\n")
    assert [record.split for record in manifest] == ["all", "all"]
    assert [record.group for record in manifest] == ["a.png", "deep/d.png"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffile_name,label\nZoë 顔.png,real\n",
        "file_name,label\r\nZoë 顔.png,real\r\n\r\n",
        'file_name,label\n"Zoë 顔.png",real',
    ],
    ids=["byte order mark", "windows lines", "quoted"],
)
def test_variants_of_csv_are_read(folder, text):
    assert [record.path.name for record in load(folder, text)] == ["Zoë 顔.png"]


def test_windows_separators_are_read(folder):
    assert load(folder, "file_name,label\ndeep\\d.png,real\n")[0].path == folder / "deep" / "d.png"


def test_the_long_names_of_splits_mean_the_short_ones(folder):
    manifest = load(folder, "file_name,label,split\na.png,0,Validation\nb.png,1,Training\n")
    assert [record.split for record in manifest] == ["val", "train"]


BROKEN = {
    "b.png,real,train": "3 values for 4 columns",
    "b.png,real,train,g,h": "5 values for 4 columns",
    "b.png,maybe,train,g": "unknown label 'maybe'",
    "b.png,2,train,g": "unknown label '2'",
    "none.png,real,train,g": "none.png: there is no such file",
    "deep,real,train,g": "deep: there is no such file",
    ",real,train,g": "the file name is empty",
    "../b.png,real,train,g": "lies outside",
    "/etc/hostname,real,train,g": "lies outside",
    "deep/../../b.png,real,train,g": "lies outside",
    "b.png,real,,g": "the split is empty",
    "b.png,real,train, ": "the group is empty",
    "a.png,fake,test,g2": "a.png is listed twice",
    "deep/../a.png,fake,test,g2": "a.png is listed twice",
    '"b.png,real,train,g': "is not CSV",
    "b\0.png,real,train,g": "there is no such file",
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.items())
def test_a_broken_line_is_left_out_with_number_and_reason(folder, line, reason):
    text = f"file_name,label,split,group\na.png,real,train,g\n{line}\nc.png,fake,train,g\n"
    manifest = load(folder, text)
    assert [record.path.name for record in manifest] == ["a.png", "c.png"]
    assert [skipped.where for skipped in manifest.skipped] == ["metadata.csv, line 3"]
    assert reason in manifest.skipped[0].reason
    with pytest.raises(BadManifestError, match=r"metadata\.csv, line 3: ") as caught:
        load(folder, text, strict=True)
    assert reason in str(caught.value)


def test_a_line_that_is_not_utf8_is_left_out(folder):
    manifest = load(folder, b"file_name,label\ncaf\xe9.png,real\na.png,real\n")
    assert [skipped.reason for skipped in manifest.skipped] == [
        "is not UTF-8 (byte 0xe9, 'é' if it is Windows-1252); save the table as UTF-8"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name the columns"),
        ("file_name,split\na.png,train\n", "must name the columns file_name and label"),
        ("file_name label\na.png real\n", "commas"),
        ("file_name,label,label\na.png,real,fake\n", "names a column twice"),
        ("file_name,label\n", "no image can be used"),
        (
            "file_name,label\nx.png,real\ny.png,real\n",
            "the first of 2: metadata.csv, line 2: x.png",
        ),
        (GOOD.encode("utf-16")[:-1], "begins as UTF-16, but is not"),
    ],
)
def test_a_manifest_without_any_use_is_refused(folder, text, message):
    with pytest.raises(BadManifestError, match=message):
        load(folder, text)


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadManifestError, match="none: there is no such file or folder"):
        Manifest.load(tmp_path / "none")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_in_one_line(folder, data):
    manifest = load(folder, b"file_name,label,split,group\na.png,real,train,g\n" + data)
    assert len(manifest) >= 1
    assert all("\n" not in str(skipped) for skipped in manifest.skipped)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=8)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_what_is_saved_comes_back(folder, data):
    groups = WORDS.filter(lambda word: word == word.strip())
    records = [
        Record(
            folder / name, data.draw(st.sampled_from([REAL, FAKE])), split, group, {"note": note}
        )
        for name, split, group, note in zip(
            ("a.png", "Zoë 顔.png", "deep/d.png"),
            ("train", "val", "test"),
            data.draw(st.lists(groups, min_size=3, max_size=3)),
            data.draw(st.lists(WORDS, min_size=3, max_size=3)),
            strict=True,
        )
    ]
    Manifest(records, root=folder).save(folder / "metadata.csv")
    assert list(Manifest.load(folder, strict=True)) == records


def test_images_outside_the_manifests_folder_are_not_saved(folder):
    manifest = load(folder, GOOD)
    with pytest.raises(BadManifestError, match="lies outside"):
        manifest.save(folder / "deep" / "metadata.csv")


def test_names_with_line_breaks_come_back(folder):
    records = []
    for number, name in enumerate(("n\nm.png", "r\rs.png", 'q"\r\n".png', "a.png")):
        (folder / name).touch()
        records.append(Record(folder / name, number % 2, "all", f"g\n{number}", {"note": name}))
    for kind in ("csv", "jsonl", "parquet"):
        Manifest(records, root=folder).save(folder / f"table.{kind}")
        assert list(Manifest.load(folder / f"table.{kind}", strict=True)) == records


def test_a_split_holds_its_images_only(folder):
    test = load(folder, GOOD).split("test")
    assert [record.path.name for record in test] == ["c.png"]
    with pytest.raises(BadManifestError, match=r"split 'val' \(there are: train, test"):
        load(folder, GOOD).split("val")


def test_groups_in_two_splits_are_found(folder):
    load(folder, GOOD).check_groups()
    with pytest.raises(BadManifestError, match="1 group in more than one split, such as 'g1'"):
        load(folder, GOOD.replace("c.png,fake,test,g2", "c.png,fake,test,g1")).check_groups()


def test_counts_and_imbalance(folder):
    train, test = load(folder, GOOD).describe()
    assert (train.split, train.real, train.fake, train.imbalance) == ("train", 1, 1, 1.0)
    assert (test.split, test.real, test.fake, test.imbalance) == ("test", 0, 1, math.inf)


def test_new_splits_keep_groups_together(folder):
    manifest = load(folder, GOOD).with_splits()
    manifest.check_groups()
    assert manifest[0].split == manifest[1].split


def test_slices_are_manifests(folder):
    manifest = load(folder, GOOD)
    assert isinstance(manifest[1:], Manifest)
    assert list(manifest[1:]) == [manifest[1], manifest[2]]


@pytest.mark.parametrize("text", ["real", "REAL", " Real ", "0"])
def test_real_is_zero(text):
    assert parse_label(text) == REAL == 0
    assert label_name(REAL) == "real"


@pytest.mark.parametrize("text", ["fake", "FAKE", "1"])
def test_fake_is_one(text):
    assert parse_label(text) == FAKE == 1
    assert label_name(FAKE) == "fake"


@pytest.mark.parametrize("text", ["", "2", "-1", "true", "cat"])
def test_other_labels_are_refused(text):
    with pytest.raises(BadManifestError, match="unknown label"):
        parse_label(text)


def test_records_are_made_when_they_are_asked_for(folder):
    records = [
        Record(folder / "a.png", REAL, "train", "g1", {"method": "none"}),
        Record(folder / "b.png", FAKE, "test", "g2", {}, Box(1.5, -2.0, 30.0, 40.0)),
        Record(folder / "v.mp4", FAKE, "test", "g3", {}, None, 12),
    ]
    manifest = Manifest(records, root=folder)
    assert list(manifest) == [manifest[0], manifest[1], manifest[-1]] == records
    assert list(manifest[::-1]) == records[::-1]
    assert list(manifest[np.array([2, 0])]) == [records[2], records[0]]
    assert list(manifest.split("test")) == records[1:]
    assert (manifest.labels.tolist(), manifest.names) == ([0, 1, 1], ["a.png", "b.png", "v.mp4"])
    with pytest.raises(IndexError):
        manifest[3]


def test_a_builder_makes_what_records_make(folder):
    records = [
        Record(folder / f"{number:06d}.png", number % 2, "train", f"g{number // 3}")
        for number in range(columns.CHUNK + 10)
    ]
    builder = ManifestBuilder(folder)
    for record in records[:-10]:
        builder.add(record)
    for record in records[-10:]:
        builder.add_row(record.path.name, record.label, record.split, record.group)
    builder.skip("x.png", "is odd")
    manifest = builder.build()
    assert list(manifest) == records
    assert [str(skipped) for skipped in manifest.skipped] == ["x.png: is odd"]
    with pytest.raises(BadManifestError, match=r"x\.png: is odd"):
        ManifestBuilder(folder, strict=True).skip("x.png", "is odd")


def test_a_record_takes_little_more_than_its_letters(folder):
    builder = ManifestBuilder(folder)
    for number in range(20_000):
        name = f"train/{number:010d}.png"
        builder.add_row(name, 1, "train", f"group-{number // 20:06d}")
    letters = len("train/0123456789.png") + len("group-000000")
    assert builder.build().table.nbytes / 20_000 < letters + 20


def test_text_that_cannot_be_written_down_is_refused(folder):
    with pytest.raises(BadManifestError, match="not UTF-8"):
        Manifest([Record(folder / "a\udce9.png", REAL, "all", "g")], root=folder)


def test_a_format_that_does_not_exist_is_named(folder):
    load(folder, GOOD)
    assert len(Manifest.load(folder, format="metadata")) == 3
    with pytest.raises(UnknownNameError, match="did you mean metadata"):
        Manifest.load(folder, format="metadat")


def test_a_file_under_both_labels_is_told_from_one_that_is_only_listed_twice(folder):
    text = "file_name,label\na.png,real\nb.png,fake\na.png,fake\nb.png,fake\n"
    manifest = load(folder, text)
    assert [str(skipped) for skipped in manifest.skipped] == [
        "metadata.csv, line 4: a.png is listed twice, under both labels; the first counts",
        "metadata.csv, line 5: b.png is listed twice",
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("where,label", "not 'where', 'label' "),
        ("file_name label", "not 'file_name label' "),
        ("", "not nothing "),
    ],
)
def test_a_header_that_lacks_a_column_is_shown(folder, header, told):
    with pytest.raises(
        BadManifestError, match="must name the columns file_name and label"
    ) as found:
        load(folder, f"{header}\na.png,real\n")
    assert told in str(found.value)


def test_messages_name_the_table_that_was_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = "file_name,label,split\na.png,real,train\nb.png,fake,train\n"
    (folder / "mine.csv").write_text(lines, encoding="utf-8")
    manifest = Manifest.load("mine.csv")
    with pytest.raises(BadManifestError, match=r"^mine\.csv: no image is in the split 'val'"):
        manifest.split("val")
    assert str(manifest[:1].source) == str(manifest.with_splits().source) == "mine.csv"
