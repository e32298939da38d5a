"""One way of reading boxes: data prepare and attack find the same face, or refuse it in a line."""

import csv

import numpy as np
import pytest
from PIL import ExifTags, Image

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.data import Box, Manifest, Record
from demagnify.data.boxes import upright_box
from demagnify.data.prepare import PrepareConfig, prepare
from demagnify.laundering.attack import attack
from demagnify.laundering.config import AttackConfig
from field_sets import coco, write_json

BACK = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Pillow's turns that undo each orientation."""
SHOWN = "8.0 50.0 12.0 20.0"


def photograph(path, orientation, size=(96, 64)):
    """Writes a photograph with a white face at 8, 50 (12x20); returns it as shown and as stored."""
    shown = np.zeros((*size, 3), dtype=np.uint8)
    shown[50:70, 8:20] = 255
    image = Image.fromarray(shown)
    stored = image if orientation == 1 else image.transpose(Image.Transpose(BACK[orientation]))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(path, exif=exif)
    return shown, np.asarray(stored)


def box_of(drawn):
    rows, columns, _ = np.nonzero(drawn)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]


def coco_file(folder, drawn, *, size=True, box=None):
    height, width = drawn.shape[:2]
    stated = {"width": width, "height": height} if size else {}
    content = coco(
        images=[{"id": 0, "file_name": "a.png", **stated}],
        annotations=[{"id": 0, "image_id": 0, "category_id": 1, "bbox": box or box_of(drawn)}],
    )
    return write_json(folder / "Train_poly.json", content)


def table(folder, drawn, **further):
    names = ["file_name", "label", "x", "y", "width", "height", *further]
    with (folder / "metadata.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerows((names, ["a.png", "fake", *box_of(drawn), *further.values()]))
    return folder / "metadata.csv"


def cut(source, output, **options):
    return prepare(Manifest.load(source, **options), output, PrepareConfig(margin=0))


def attacked(source, output):
    """Attacks a photograph; returns where its pixels changed, as a box."""
    settings = {"attack": "bicubic-x2", "content": "photos", "margin": 0.0, "device": "cpu"}
    attack(source, output, AttackConfig(**settings))
    return Manifest.load(output)[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn_on", ["stored", "upright"])
def test_boxes_drawn_either_way_are_found(tmp_path, orientation, drawn_on):
    (tmp_path / "in").mkdir()
    shown, stored = photograph(tmp_path / "in/a.png", orientation)
    drawn = stored if drawn_on == "stored" else shown
    given = {} if orientation in (1, 5, 6, 7, 8) else {"boxes": drawn_on}
    source = coco_file(tmp_path / "in", drawn)
    made = cut(source, tmp_path / "out", **given).manifest
    assert made[0].extra["photo_box"] == SHOWN
    assert np.count_nonzero(images.load(made[0].path)) == 3 * 12 * 20
    if not given:
        record = attacked(tmp_path / "in", tmp_path / "attacked")
        assert record.box == Box(8, 50, 12, 20)
        assert cut(tmp_path / "attacked", tmp_path / "again").manifest[0].extra["photo_box"] == (
            SHOWN
        )


@pytest.mark.parametrize(
    ("orientation", "size", "stated"),
    [(3, (96, 64), True), (6, (80, 80), True), (6, (96, 64), False), (2, (96, 64), False)],
)
def test_boxes_that_could_be_meant_either_way_are_refused(tmp_path, orientation, size, stated):
    (tmp_path / "in").mkdir()
    shown, _ = photograph(tmp_path / "in/a.png", orientation, size)
    other = np.array(shown)
    photograph(tmp_path / "in/b.png", 1, size)
    source = coco_file(tmp_path / "in", other, size=stated)
    with pytest.raises(Exception, match="nothing says if its boxes were drawn on it as shown"):
        cut(source, tmp_path / "out")
    with pytest.raises(Exception, match="nothing says if its boxes were drawn on it as shown"):
        attacked(tmp_path / "in", tmp_path / "attacked")


@pytest.mark.parametrize("orientation", [1, 6])
def test_photographs_resized_since_are_refused(tmp_path, orientation):
    (tmp_path / "in").mkdir()
    _, stored = photograph(tmp_path / "in/a.png", orientation)
    twice = np.repeat(np.repeat(stored, 2, axis=0), 2, axis=1)
    source = coco_file(tmp_path / "in", twice)
    for work in (cut, attacked):
        with pytest.raises(Exception, match="has 64x96 pixels, but its boxes are meant for"):
            work(source, tmp_path / work.__name__)


@pytest.mark.parametrize(
    "said",
    [
        {"photo_size": "96x64"},
        {"image_width": "96", "image_height": "64.0"},
        {"box_orientation": "stored"},
    ],
)
def test_tables_say_what_their_boxes_were_drawn_on(tmp_path, said):
    (tmp_path / "in").mkdir()
    _, stored = photograph(tmp_path / "in/a.png", 6)
    source = table(tmp_path / "in", stored, **said)
    assert cut(source, tmp_path / "out").manifest[0].extra["photo_box"] == SHOWN
    assert attacked(source, tmp_path / "attacked").box == Box(8, 50, 12, 20)


def test_a_table_that_says_nothing_is_refused_for_turned_photographs(tmp_path):
    (tmp_path / "in").mkdir()
    shown, _ = photograph(tmp_path / "in/a.png", 6)
    with pytest.raises(Exception, match="nothing says"):
        cut(table(tmp_path / "in", shown), tmp_path / "out")


def test_a_box_mostly_outside_is_refused():
    record = Record("a.png", 1, "all", "a")
    with pytest.raises(BadImageError, match="outside of the photograph"):
        upright_box(Box(60, 10, 20, 20), record, width=64, height=96)
    kept = upright_box(Box(50, 10, 20, 20), record, width=64, height=96)
    assert kept == Box(50, 10, 20, 20)


def test_boxes_that_do_not_fit_are_counted_by_attack(tmp_path):
    (tmp_path / "in").mkdir()
    photograph(tmp_path / "in/a.png", 1)
    source = tmp_path / "in/metadata.csv"
    source.write_text(
        "file_name,label,x,y,width,height\na.png,fake,8,50,12,20\na.png,fake,900,9,9,9\n"
    )
    config = AttackConfig(attack="bicubic-x2", content="photos", device="cpu")
    summary = attack(source, tmp_path / "out", config)
    assert [str(one) for one in summary.skipped] == [
        "a.png, face 1: the box is outside of the photograph (64x96 pixels)"
    ]
    assert len(Manifest.load(tmp_path / "out")) == 1
