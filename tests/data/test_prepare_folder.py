"""Faces cut out of photographs and videos into a folder: crops, manifest, what is left out."""

import csv
import errno
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError, BadOutputError, DemagnifyWarning
from demagnify.data import Manifest
from demagnify.data.face_finding import Face, square_around
from demagnify.data.manifest import ManifestBuilder
from demagnify.data.prepare import PrepareConfig, prepare
from demagnify.data.records import Box
from field_sets import coco, face_forensics, grey, open_forensics, picture, write_json


class NumberedFinder:
    """Finds so many faces in every photograph, the first at 10, 12 with 16 pixels."""

    def __init__(self, faces=1):
        self.faces = faces
        self.asked = 0

    def find(self, pixels):
        self.asked += 1
        box = (10.0, 12.0, 16.0, 14.0)
        marks = np.zeros((5, 2), dtype=np.float32)
        return [Face((box[0] + 20 * n, *box[1:]), marks, 0.9 - n / 10) for n in range(self.faces)]


class NoFinder:
    def find(self, pixels):
        raise AssertionError("the data set says where the faces are")


@pytest.fixture
def root(tmp_path):
    return open_forensics(tmp_path / "OpenForensics")


def photos(tmp_path, count=3):
    """A manifest of photographs without boxes, half of them fake."""
    builder = ManifestBuilder(tmp_path / "photos")
    for number in range(count):
        images.save_png(tmp_path / f"photos/{number}.png", picture(number))
        builder.add_row(f"{number}.png", number % 2, "train", f"g{number}")
    return builder.build()


def test_boxes_of_the_data_set_are_cut_out_with_a_margin(root, tmp_path):
    manifest = Manifest.load(root)
    summary = prepare(manifest, tmp_path / "out", finder=NoFinder())
    assert summary.ways == {"given": 12}
    assert summary.without_face == 0
    crops = Manifest.load(tmp_path / "out")
    assert crops.prepared
    assert crops.labels.tolist() == manifest.labels.tolist()
    assert crops.groups.tolist() == manifest.groups.tolist()
    for face, crop in zip(manifest, crops, strict=True):
        photo = images.load(face.path)
        x, y, side = square_around(face.box, photo.shape)
        assert side == round(24 * 1.2)
        assert np.array_equal(images.load(crop.path), photo[y : y + side, x : x + side])


def test_the_manifest_says_where_each_face_comes_from(root, tmp_path):
    prepare(Manifest.load(root), tmp_path / "out", PrepareConfig(no_face="whole"))
    extra = Manifest.load(tmp_path / "out")[1].extra
    assert extra["photo"] == "Images/Train/photo-0.png"
    assert extra["photo_box"] == "32.0 10.0 20.0 24.0"
    assert (extra["face"], extra["no_face"], extra["annotation"]) == ("given", "whole", "1")


def test_each_photograph_is_decoded_once(root, tmp_path, monkeypatch):
    decoded = []
    load = images.load_oriented
    monkeypatch.setattr(images, "load_oriented", lambda path: decoded.append(path) or load(path))
    prepare(Manifest.load(root), tmp_path / "out")
    assert len(decoded) == len(set(decoded)) == 4


def test_crops_can_have_one_size(root, tmp_path):
    summary = prepare(Manifest.load(root), tmp_path / "out", PrepareConfig(size=48))
    shapes = {images.load(record.path).shape for record in summary.manifest}
    assert shapes == {(48, 48, 3)}


@pytest.mark.parametrize(("all_faces", "count"), [(False, 3), (True, 6)])
def test_faces_are_found_where_the_data_set_gives_none(tmp_path, all_faces, count):
    finder = NumberedFinder(2)
    settings = PrepareConfig(all_faces=all_faces)
    summary = prepare(photos(tmp_path), tmp_path / "out", settings, finder=finder)
    assert summary.ways == {"found": count}
    assert finder.asked == 3
    first = summary.manifest[0]
    assert first.path.name == "0-0.png"
    assert (first.extra["face_score"], first.group) == ("0.900", "g0")


@pytest.mark.parametrize("policy", ["skip", "whole"])
def test_photographs_without_a_face_are_counted_and_the_policy_named(tmp_path, policy):
    manifest = photos(tmp_path)

    class Half(NumberedFinder):
        def find(self, pixels):
            found = super().find(pixels)
            return [] if np.array_equal(pixels, picture(1)) else found

    settings = PrepareConfig(no_face=policy)
    summary = prepare(manifest, tmp_path / "out", settings, finder=Half())
    assert (summary.without_face, summary.no_face) == (1, policy)
    assert {record.extra["no_face"] for record in Manifest.load(tmp_path / "out")} == {policy}
    if policy == "whole":
        assert summary.ways == {"found": 2, "whole": 1}
        assert np.array_equal(images.load(summary.manifest[1].path), picture(1))
        assert summary.manifest[1].extra["face"] == "whole"
    else:
        assert [str(line) for line in summary.skipped] == [
            "1.png: no face was found, and no_face is skip"
        ]


def test_a_photograph_without_a_face_can_end_the_work(tmp_path):
    settings = PrepareConfig(no_face="fail")
    with pytest.raises(BadImageError, match=r"\.png: no face was found"):
        prepare(photos(tmp_path), tmp_path / "out", settings, finder=NumberedFinder(0))


def test_crops_that_are_faces_already_can_be_kept(tmp_path):
    settings = PrepareConfig(crops=True)
    summary = prepare(photos(tmp_path), tmp_path / "out", settings, finder=NoFinder())
    assert summary.ways == {"kept": 3}
    assert np.array_equal(images.load(summary.manifest[2].path), picture(2))


def test_frames_of_videos_are_cut_in_one_pass(tmp_path):
    root = face_forensics(tmp_path / "ff", methods=("Deepfakes",))
    manifest = Manifest.load(root, frames=3)
    summary = prepare(manifest, tmp_path / "out", finder=NumberedFinder())
    assert len(summary.manifest) == len(manifest) == 36
    for record in summary.manifest:
        number = int(record.extra["photo_frame"])
        assert abs(float(images.load(record.path).mean()) - grey(number)) < 6
        assert record.path.name == f"{record.extra['video']}-{number:06d}-0.png"
    summary.manifest.check_groups()


def test_a_frame_that_is_not_there_is_listed(tmp_path):
    root = face_forensics(tmp_path / "ff", methods=(), frames=2)
    builder = ManifestBuilder(root)
    for number in (1, 40):
        name = "original_sequences/youtube/c23/videos/000.mp4"
        builder.add_row(name, 0, "train", "g", frame=number, box=Box(1, 1, 20, 20))
    summary = prepare(builder.build(), tmp_path / "out")
    assert len(summary.manifest) == 1
    assert [line.where.rsplit("/")[-1] for line in summary.skipped] == ["000.mp4, frame 40"]


def test_bad_files_cost_nothing_else(root, tmp_path):
    damaged = root / "Images/Train/photo-1.png"
    damaged.write_bytes(damaged.read_bytes()[:400])
    images.save_png(root / "Images/Train/photo-2.png", picture(2, 64, 96))
    manifest = Manifest.load(root)
    summary = prepare(manifest, tmp_path / "out")
    assert len(summary.manifest) == 6
    with (tmp_path / "out/skipped.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["where"] for row in rows][:2] == [
        "Images/Train/photo-1.png",
        "Images/Train/photo-2.png, face at 2,10 (20x24)",
    ]
    assert rows[0]["reason"].startswith("the image is damaged")
    assert rows[1]["reason"] == (
        "the photograph has 64x96 pixels, but its boxes are meant for 96x64"
    )
    with pytest.raises(BadImageError, match=r"photo-1\.png: the image is damaged"):
        prepare(manifest, tmp_path / "strict", strict=True)


def test_boxes_outside_and_tiny_faces_are_listed(tmp_path):
    images.save_png(tmp_path / "photos/a.png", picture(0))
    builder = ManifestBuilder(tmp_path / "photos")
    for box in (Box(500, 1, 9, 9), Box(3, 3, 4, 4), Box(3, 3, 30, 30)):
        builder.add_row("a.png", 0, "train", "g", box=box)
    summary = prepare(builder.build(), tmp_path / "out")
    assert len(summary.manifest) == 1
    assert [line.reason for line in summary.skipped] == [
        "the box is outside of the photograph (96x64 pixels)",
        "the face has only 5x5 pixels",
    ]


def test_a_stopped_run_goes_on_where_it_was(root, tmp_path, monkeypatch):
    manifest, output = Manifest.load(root), tmp_path / "out"
    save, written = images.save_png, []

    def save_some(path, pixels):
        if len(written) == 7:
            raise KeyboardInterrupt
        written.append(path)
        save(path, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(images, "save_png", save_some)
        with pytest.raises(KeyboardInterrupt):
            prepare(manifest, output, workers=1)
    assert not (output / "metadata.csv").exists()
    with (output / "prepare.jsonl").open("a") as file:
        file.write('{"name": "cut off')  # as by kill -9
    again = []
    with monkeypatch.context() as patch:
        patch.setattr(
            images, "save_png", lambda path, pixels: again.append(path) or save(path, pixels)
        )
        prepare(manifest, output)
    assert len(again) == 6  # two photographs of four were finished
    whole = prepare(manifest, tmp_path / "whole").manifest
    for one, other in zip(Manifest.load(output), whole, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert (output / "metadata.csv").read_text() == (tmp_path / "whole/metadata.csv").read_text()


def test_what_is_done_is_not_done_again_unless_it_changed(root, tmp_path, monkeypatch):
    manifest, output = Manifest.load(root), tmp_path / "out"
    prepare(manifest, output)
    images.save_png(root / "Images/Train/photo-3.png", picture(77))
    (output / "Images/Train/photo-0-1.png").unlink()
    loaded = []
    load = images.load_oriented
    monkeypatch.setattr(
        images, "load_oriented", lambda path: loaded.append(path.name) or load(path)
    )
    with pytest.warns(DemagnifyWarning, match="photo-0-1.png: is damaged or gone"):
        prepare(manifest, output)
    assert sorted(loaded) == ["photo-0.png", "photo-3.png"]


def test_a_folder_of_something_else_is_left_alone(root, tmp_path):
    manifest = Manifest.load(root)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/note.txt").write_text("mine")
    with pytest.raises(BadOutputError, match="not empty"):
        prepare(manifest, tmp_path / "mine")
    prepare(manifest, tmp_path / "out")
    with pytest.raises(BadOutputError, match="with another"):
        prepare(manifest, tmp_path / "out", PrepareConfig(size=64))
    for place in (root, tmp_path):
        with pytest.raises(BadOutputError, match="holds the data set itself"):
            prepare(manifest, place)


def test_names_do_not_collide(tmp_path):
    builder = ManifestBuilder(tmp_path / "photos")
    for seed, name in enumerate(("a.png", "a.bmp", "ü/a.png", "a.b.png")):
        images.save_png(tmp_path / "photos" / name, picture(seed))
        builder.add_row(name, 0, "train", name, box=Box(3, 3, 30, 30))
    summary = prepare(builder.build(), tmp_path / "out")
    assert summary.manifest.names == ["a.png-0.png", "a.bmp-0.png", "ü/a-0.png", "a.b-0.png"]


def test_long_names_are_cut_short(tmp_path):
    builder = ManifestBuilder(tmp_path / "photos")
    for number in range(2):
        name = f"{'ä' * 120}{number}.png"
        images.save_png(tmp_path / "photos" / name, picture(number))
        builder.add_row(name, 0, "train", name, box=Box(3, 3, 30, 30))
    names = prepare(builder.build(), tmp_path / "out").manifest.names
    assert len(set(names)) == 2
    assert all(len(name.encode()) < 230 for name in names)


def test_a_strict_run_stops_at_what_an_earlier_one_left_out(root, tmp_path):
    (root / "Images/Train/photo-1.png").write_bytes(b"no image")
    prepare(Manifest.load(root), tmp_path / "out")
    with pytest.raises(BadImageError, match=r"photo-1\.png"):
        prepare(Manifest.load(root), tmp_path / "out", strict=True)


def test_nothing_to_cut_is_an_error(tmp_path):
    with pytest.raises(BadManifestError, match=r"no face could be cut out; the first of 3: 0\.png"):
        prepare(photos(tmp_path), tmp_path / "out", finder=NumberedFinder(0))


def test_the_order_is_that_of_the_manifest(root, tmp_path):
    content = coco()
    content["annotations"].reverse()
    write_json(root / "Train_poly.json", content)
    manifest = Manifest.load(root)
    crops = prepare(manifest, tmp_path / "out", workers=3).manifest
    assert [r.extra["annotation"] for r in crops] == [r.extra["annotation"] for r in manifest]
    settings = json.loads((tmp_path / "out/run.json").read_text())
    assert settings["no_face"] == "skip"


def test_crops_never_go_among_the_images_of_a_label(tmp_path):
    images.save_png(tmp_path / "set/real/0.png", picture(0))
    manifest = Manifest.load(tmp_path / "set")
    whole = PrepareConfig(crops=True)
    with pytest.raises(BadOutputError, match="lies among the images of a label"):
        prepare(manifest, tmp_path / "set/real/crops", whole)
    for _ in range(2):
        prepare(Manifest.load(tmp_path / "set"), tmp_path / "set/crops", whole)
    assert len(Manifest.load(tmp_path / "set")) == len(Manifest.load(tmp_path / "set/crops")) == 1


@pytest.mark.parametrize("damage", [b"{broken\n", b"\0\0\xff\n", b'{"name": "a"}\n', b"[]\n"])
def test_a_damaged_line_of_the_log_costs_one_file(root, tmp_path, damage):
    prepare(Manifest.load(root), tmp_path / "out")
    log = tmp_path / "out/prepare.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], damage, *lines[2:]]))
    assert len(prepare(Manifest.load(root), tmp_path / "out").manifest) == 12
    assert len(log.read_bytes().splitlines()) == len(lines) + 1


def test_a_log_that_cannot_be_written_is_said_in_one_line(root, tmp_path, monkeypatch):
    prepare(Manifest.load(root), tmp_path / "out")
    opened = Path.open

    def refuse(path, mode="r", *args, **kwargs):
        if path.name == "prepare.jsonl" and "a" in mode:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadOutputError, match=r"cannot write .*prepare\.jsonl: Permission denied"):
        prepare(Manifest.load(root), tmp_path / "out")


@pytest.mark.parametrize("damage", [(b"train", b"trbin"), (b"g1", b"g2")])
def test_a_table_that_was_changed_since_is_told_where_it_is_read(tmp_path, damage):
    output = tmp_path / "crops"
    prepare(photos(tmp_path), output, PrepareConfig(size=32), finder=NumberedFinder())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Manifest.load(output)) == 3
    table = output / "metadata.csv"
    whole = table.read_bytes()
    table.write_bytes(whole.replace(*damage, 1))
    with pytest.warns(DemagnifyWarning, match=r"metadata\.csv was changed by hand or damaged"):
        Manifest.load(output)
    prepare(photos(tmp_path), output, PrepareConfig(size=32), finder=NumberedFinder())
    assert table.read_bytes() == whole
