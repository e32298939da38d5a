"""Formats are told by what is in a folder or file, and named where that does not do."""

from importlib.metadata import EntryPoint

import pytest

from demagnify.core import images, registry
from demagnify.core.errors import BadConfigError, BadManifestError, UnknownNameError
from demagnify.data import FAKE, REAL, Manifest
from demagnify.data.formats import FORMATS, Format, FormatOptions, recognise
from demagnify.data.manifest import ManifestBuilder
from field_sets import coco, deepfake_bench, face_forensics, open_forensics, picture, write_json


def kaggle(root, inside="Dataset"):
    for split in ("Train", "Validation", "Test"):
        for label, count in (("Fake", 2), ("Real", 3)):
            for n in range(count):
                name = f"{inside}/{split}/{label}/{label.lower()}_{n}.jpg"
                images.save_png(root / name, picture(n, 32, 32))
    return root


def test_each_format_is_recognised(tmp_path):
    sources = {
        "openforensics": [
            open_forensics(tmp_path / "of"),
            tmp_path / "of/Train_poly.json",
            write_json(tmp_path / "faces.json", coco()),
        ],
        "deepfakebench": [deepfake_bench(tmp_path / "bench")],
        "faceforensics": [face_forensics(tmp_path / "ff", methods=(), frames=1)],
        "kaggle": [
            kaggle(tmp_path / "kaggle"),
            tmp_path / "kaggle/Dataset",
            kaggle(tmp_path / "140k", "a/real-vs-fake"),
        ],
        "folders": [kaggle(tmp_path / "other", "mine") / "mine"],
    }
    for name, places in sources.items():
        assert {recognise(place).name for place in places} == {name}


def test_kaggle_labels_come_from_names_not_from_their_order(tmp_path):
    manifest = Manifest.load(kaggle(tmp_path))
    assert {c.split: (c.real, c.fake) for c in manifest.describe()} == {
        "train": (3, 2),
        "val": (3, 2),
        "test": (3, 2),
    }
    for record in manifest:
        assert record.label == (FAKE if record.path.name.startswith("fake") else REAL)


def test_kaggles_folder_itself_is_read_like_the_one_around_it(tmp_path):
    around = Manifest.load(kaggle(tmp_path))
    itself = Manifest.load(tmp_path / "Dataset")
    assert [record.path for record in itself] == [record.path for record in around]


def test_two_places_with_labels_are_not_guessed_between(tmp_path):
    kaggle(tmp_path, "one")
    kaggle(tmp_path, "two")
    with pytest.raises(BadManifestError):
        Manifest.load(tmp_path)
    with pytest.raises(BadManifestError, match="there is not one folder"):
        Manifest.load(tmp_path, format="kaggle")


def test_a_format_can_be_named(tmp_path):
    path = write_json(tmp_path / "set.json", {"version": 1, **coco()})
    open_forensics(tmp_path)
    with pytest.raises(BadManifestError):
        Manifest.load(path)
    assert len(Manifest.load(path, format="openforensics")) == 12
    with pytest.raises(UnknownNameError, match="did you mean openforensics"):
        Manifest.load(path, format="openforensic")


def test_what_nothing_recognises_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(BadManifestError) as caught:
        Manifest.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert "docs/formats.md shows all formats" in str(caught.value)


def test_a_json_file_that_is_none_says_so(tmp_path):
    (tmp_path / "faces.json").write_text('{"a": 1}')
    with pytest.raises(
        BadManifestError, match=r"no file that demagnify knows \(.*docs/formats\.md"
    ):
        Manifest.load(tmp_path / "faces.json")


def test_files_that_could_be_meant_are_named(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(BadManifestError, match="it holds nothing"):
        Manifest.load(tmp_path / "set")
    (tmp_path / "set/training_real").mkdir()
    with pytest.raises(BadManifestError, match="it holds training_real"):
        Manifest.load(tmp_path / "set")
    (tmp_path / "set/labels.csv").write_text("file_name,label\n")
    (tmp_path / "set/notes.md").write_text("")
    with pytest.raises(BadManifestError, match=r"give the file that is meant: labels\.csv \("):
        Manifest.load(tmp_path / "set")


def test_crops_beside_kaggles_data_set_do_not_hide_it(tmp_path):
    manifest = Manifest.load(kaggle(tmp_path))
    crops = kaggle(tmp_path, "faces") / "faces"
    with pytest.raises(BadManifestError):
        Manifest.load(tmp_path)
    Manifest.load(crops).save(crops / "metadata.csv")
    assert [record.path for record in Manifest.load(tmp_path)] == [r.path for r in manifest]


class Ordered(Format[FormatOptions]):
    """A format from outside the package: one line per file, fakes marked with an asterisk."""

    name = "ordered"
    summary = "a file faces.list"
    options_type = FormatOptions

    def recognises(self, source):
        return (source / "faces.list").is_file()

    def read(self, source, options, *, strict):
        builder = ManifestBuilder(source, strict=strict)
        for line in (source / "faces.list").read_text().split():
            builder.add_row(line.rstrip("*"), int(line.endswith("*")), "all", line.rstrip("*"))
        return builder.build()


def test_a_format_of_ones_own_is_named_by_its_class(tmp_path):
    (tmp_path / "faces.list").write_text("a.png b.png*")
    manifest = Manifest.load(tmp_path, format=f"{__name__}:Ordered")
    assert [(r.path.name, r.label) for r in manifest] == [("a.png", REAL), ("b.png", FAKE)]
    assert len(Manifest.load(tmp_path, format=Ordered())) == 2
    with pytest.raises(BadConfigError, match="is no data format"):
        Manifest.load(tmp_path, format="pathlib:Path")


def test_a_plug_in_is_tried_before_the_formats_of_the_package(tmp_path, monkeypatch):
    point = EntryPoint("ordered", f"{__name__}:Ordered", FORMATS.group)
    monkeypatch.setattr(FORMATS, "_plugins", None)
    monkeypatch.setattr(FORMATS, "_entries", dict(FORMATS._entries))
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    kaggle(tmp_path, ".")
    assert recognise(tmp_path).name == "folders"
    (tmp_path / "faces.list").write_text("a.png")
    assert recognise(tmp_path).name == "ordered"


def test_photographs_without_labels_are_refused_in_a_short_line(tmp_path):
    images.save_png(tmp_path / "holiday.png", picture(1, 16, 16))
    with pytest.raises(BadManifestError, match="labels are missing") as refused:
        recognise(tmp_path)
    assert "real/ and fake/, or a table; docs/formats.md" in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(tmp_path))
