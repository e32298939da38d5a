"""Sets listed in other formats: read back, and read by the formats' own library."""

import json
import warnings

import pytest

from demagnify import AttackConfig, attack, cli
from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data import Manifest, formats
from demagnify.data.formats import FORMATS
from field_sets import deepfake_bench, picture
from tiny_faces import write_faces

WRITTEN = {"croissant": "croissant.json", "deepfakebench": "mine.json", "metadata": "mine.jsonl"}


@pytest.fixture
def faces(tmp_path):
    return write_faces(tmp_path / "faces")


def export(source, output, to, **stated):
    kind = formats.create(to)
    return kind.write(Manifest.load(source), output, kind.parse_export(stated))


def rows(manifest):
    return sorted((one.path, one.label, one.split) for one in manifest)


def test_every_format_that_writes_is_tested_here():
    assert {name for name in FORMATS if formats.create(name).writes} == set(WRITTEN)


@pytest.mark.parametrize("to", WRITTEN)
def test_what_is_written_is_recognised_and_read_back(faces, to):
    files, _ = export(faces, faces / WRITTEN[to], to)
    assert formats.recognise(files[0]).name == to
    before, after = Manifest.load(faces), Manifest.load(files[0], strict=True)
    assert rows(after) == rows(before)
    together = {frozenset(r.path for r in m if r.group == g) for m in [before] for g in m.groups}
    assert together == {frozenset(r.path for r in after if r.group == g) for g in after.groups}


@pytest.mark.parametrize("to", WRITTEN)
def test_the_same_set_gives_the_same_bytes(faces, to):
    first = [one.read_bytes() for one in export(faces, faces / WRITTEN[to], to).files]
    assert [one.read_bytes() for one in export(faces, faces / WRITTEN[to], to).files] == first


def test_a_format_that_is_only_read_says_which_are_written(faces):
    with pytest.raises(BadConfigError, match="only read"):
        export(faces, faces / "x.json", "openforensics")


@pytest.mark.parametrize("to", ["croissant", "deepfakebench"])
def test_whole_photographs_are_refused(tmp_path, to):
    images.save_png(tmp_path / "a.png", picture(1))
    (tmp_path / "metadata.csv").write_text(
        "file_name,label,x,y,width,height\na.png,real,2,2,20,20\n"
    )
    with pytest.raises(BadManifestError, match="have yet to be cut out"):
        export(tmp_path, tmp_path / WRITTEN[to], to)


def test_croissant_is_read_by_its_own_library(faces):
    mlc = pytest.importorskip("mlcroissant", reason="needs the extra dev")
    stated = {"license": "CC-BY-4.0", "url": "https://example.org", "creator": "Me", "cite": "Me"}
    files, notes = export(
        faces, faces / "croissant.json", "croissant", published="2026-01-31", **stated
    )
    assert files == (faces / "croissant.json",)  # metadata.csv is the table
    assert notes == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mlc.Dataset(jsonld=str(files[0]))
        found = list(dataset.records("faces"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    told = {
        (one["faces/file_name"].decode(), one["faces/label"].decode(), one["faces/split"].decode())
        for one in found
    }
    manifest = Manifest.load(faces)
    assert told == {
        (name, ("real", "fake")[one.label], one.split)
        for name, one in zip(manifest.names, manifest, strict=True)
    }
    assert {one["faces/picture"].size for one in found} == {(64, 64)}


def test_croissant_of_a_set_without_a_table_gets_one(faces):
    (faces / "metadata.csv").unlink()
    table = faces / "croissant-table.csv"
    files, notes = export(faces, faces / "croissant.json", "croissant")
    assert files == (faces / "croissant.json", table)
    assert notes == ("not stated, though Croissant wants it: license, creator, url",)
    assert len(Manifest.load(faces / "croissant.json")) == 48


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"conformsTo": "https://example.org"}, "no version of Croissant"),
        ({"distribution": []}, "names no table"),
        ({"distribution": [{"contentUrl": "https://e.org/t.csv"}]}, "its table is not here"),
        ({"distribution": [{"contentUrl": "../t.csv"}]}, "its table is not here"),
        ({"distribution": 7}, "names no table"),
    ],
)
def test_other_metadata_is_refused_in_one_line(faces, change, complaint):
    path = export(faces, faces / "croissant.json", "croissant").files[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadManifestError, match=complaint) as caught:
        Manifest.load(path)
    assert "\n" not in str(caught.value)


def test_laundered_copies_of_a_deepfakebench_set_become_one(tmp_path):
    source = deepfake_bench(tmp_path / "bench")
    attack(source, tmp_path / "laundered", AttackConfig(attack="bicubic-x2", content="crops"))
    output = tmp_path / "laundered" / "FF-bicubic.json"
    files, (note,) = export(tmp_path / "laundered", output, "deepfakebench")
    before, after = Manifest.load(source), Manifest.load(files[0], strict=True)
    said = [
        sorted((r.label, r.split, r.group, *r.extra.values()) for r in m) for m in (before, after)
    ]
    assert said[0] == said[1]
    content = json.loads(output.read_text())
    assert list(content) == ["FF-bicubic"]
    for label, parts in content["FF-bicubic"].items():
        assert list(parts) == ["train", "val", "test"]
        for videos in parts.values():
            for node in videos.values():
                assert node["label"] == label
                assert all((output.parent / frame).is_file() for frame in node["frames"])
    assert "FF-real: 0" in note
    assert "FF-DF: 1" in note


def test_frames_get_the_prefix_that_deepfakebench_needs(faces, tmp_path):
    output = tmp_path / "json" / "mine.json"
    export(faces, output, "deepfakebench", prefix="./datasets/rgb/mine")
    node = json.loads(output.read_text())["mine"]["mine_Fake"]["test"]["test-00"]
    assert node == {"label": "mine_Fake", "frames": ["./datasets/rgb/mine/test/fake/00.png"]}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("FaceForensics++.json", "compressions in a set called FaceForensics"),
        ("mine.txt", "reads NAME.json"),
    ],
)
def test_names_that_deepfakebench_would_not_open_are_refused(faces, name, complaint):
    with pytest.raises(BadConfigError, match=complaint):
        export(faces, faces / name, "deepfakebench")


def test_a_set_without_splits_is_refused_with_the_way_out(tmp_path):
    for label in ("real", "fake"):
        images.save_png(tmp_path / label / "a.png", picture(1))
    with pytest.raises(BadManifestError, match=r"not 'all' \(demagnify data prepare"):
        export(tmp_path, tmp_path / "mine.json", "deepfakebench")


def test_the_command_line_exports(faces, monkeypatch, capsys):
    words = ["data", "export", faces, faces / "croissant.json", "--to", "croissant"]
    for more, code in ((["--license", "MIT"], 0), (["--license", "MIT", "--prefix", "x"], 1)):
        monkeypatch.setattr("sys.argv", ["demagnify", *map(str, words), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert (end.value.code or 0) == code
    told = capsys.readouterr()
    assert "48 images" in told.out
    assert "prefix is no known setting" in told.err
    assert json.loads((faces / "croissant.json").read_text())["license"] == "MIT"
