"""Attacking whole photographs: faces cut out, attacked, pasted back, saved as an attacker would."""

import csv
import io
import signal
import textwrap
import threading

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadOutputError
from demagnify.data.face_finding import Face
from demagnify.data.manifest import Manifest
from demagnify.data.records import Record
from demagnify.laundering.attack import attack as attack_files
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.journal import claimed
from demagnify.laundering.photographs import Reader
from demagnify.laundering.sources import Source
from demagnify.transforms.base import Identity
from demagnify.transforms.resize import Bicubic
from fresh_process import ended, start

ATTACK = Bicubic(2)


def noise(height=120, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def finder(*boxes):
    """Finds faces in the same places of every photograph."""
    found = [Face(box, np.zeros((5, 2), dtype=np.float32), 0.9) for box in boxes]
    return lambda pixels: found


def no_finder(pixels):
    raise AssertionError("nothing was to be looked for")


def attack(source, output, transform=ATTACK, *, find=no_finder, **settings):
    config = AttackConfig(**{"content": "photos", "margin": 0.0, **settings})
    return attack_files(source, output, config, transform=transform, find_faces=find)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def attacked_box(pixels, x, y, side):
    crop = images.to_batch([pixels[y : y + side, x : x + side]])
    return images.from_batch(ATTACK(crop))[0]


def openforensics(tmp_path, lines):
    """A manifest with boxes: several faces in a photograph, real and fake."""
    source = tmp_path / "set"
    for seed, name in enumerate(sorted({line.split(",")[0] for line in lines})):
        write(source / name, noise(seed=seed))
    head = "file_name,label,split,group,x,y,width,height,source"
    (source / "metadata.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return source


def test_every_face_is_attacked_and_nothing_else_changes(tmp_path):
    pixels = noise()
    write(tmp_path / "in" / "a.png", pixels)
    find = finder((10, 20, 40, 40), (90, 30, 50, 30))
    summary = attack(tmp_path / "in", tmp_path / "out", find=find)
    expected = pixels.copy()
    expected[20:60, 10:50] = attacked_box(pixels, 10, 20, 40)
    expected[20:70, 90:140] = attacked_box(pixels, 90, 20, 50)
    np.testing.assert_array_equal(images.load(tmp_path / "out" / "a.png"), expected)
    assert (summary.quality.count, summary.photos, summary.unattacked) == (2, 1, 0)
    table = rows(tmp_path / "out" / "faces.csv")
    assert [
        [row[key] for key in ("face", "x", "y", "width", "height", "attacked")] for row in table
    ] == [
        ["0", "10", "20", "40", "40", "1"],
        ["1", "90", "20", "50", "50", "1"],
    ]
    (photo,) = rows(tmp_path / "out" / "metadata.csv")
    assert photo["attacked"] == "2"
    mean = np.mean([float(row["psnr"]) for row in table])
    assert float(photo["psnr"]) == pytest.approx(mean, abs=1e-3)


def test_the_margin_is_attacked_with_the_face(tmp_path):
    write(tmp_path / "in" / "a.png", noise())
    attack(tmp_path / "in", tmp_path / "out", find=finder((50, 40, 40, 40)), margin=0.1)
    (face,) = rows(tmp_path / "out" / "faces.csv")
    assert [face[key] for key in ("x", "y", "width", "height")] == ["46", "36", "48", "48"]


def test_a_feathered_face_fades_into_the_photograph(tmp_path):
    pixels = np.full((120, 160, 3), 100, dtype=np.uint8)
    pixels[::2] = 200  # bicubic flattens the stripes to 150
    write(tmp_path / "in" / "a.png", pixels)
    find = finder((40, 30, 60, 60))
    changes = {}
    for paste in ("hard", "feather"):
        attack(tmp_path / "in", tmp_path / paste, find=find, paste=paste)
        copy = images.load(tmp_path / paste / "a.png").astype(int)
        changes[paste] = np.abs(copy - pixels).mean(axis=(0, 2))
    assert changes["hard"][40] > 0.9 * changes["hard"][70]
    ramp = changes["feather"][40:46]
    assert (np.diff(ramp) > 0).all()
    assert ramp[0] < 0.4 * changes["hard"][40]
    for change in changes.values():
        assert not change[:40].any()
        assert not change[100:].any()


def test_smaller_faces_lie_over_larger_ones_that_they_overlap(tmp_path):
    pixels = noise()
    write(tmp_path / "in" / "a.png", pixels)
    attack(tmp_path / "in", tmp_path / "out", find=finder((60, 50, 30, 30), (20, 20, 80, 80)))
    copy = images.load(tmp_path / "out" / "a.png")
    np.testing.assert_array_equal(copy[50:80, 60:90], attacked_box(pixels, 60, 50, 30))
    np.testing.assert_array_equal(copy[20:50, 20:100], attacked_box(pixels, 20, 20, 80)[:30])


def test_faces_at_the_border_and_tiny_ones(tmp_path):
    pixels = noise()
    write(tmp_path / "in" / "a.png", pixels)
    find = finder((-20, 90, 60, 60), (100, 10, 9, 9))
    summary = attack(tmp_path / "in", tmp_path / "out", find=find, strict=True)
    border, tiny = rows(tmp_path / "out" / "faces.csv")
    assert [border[key] for key in ("x", "y", "width")] == ["0", "60", "60"]
    assert (border["attacked"], tiny["attacked"]) == ("1", "0")
    assert "too small" in tiny["note"]
    assert (tiny["psnr"], tiny["ssim"]) == ("", "")
    copy = images.load(tmp_path / "out" / "a.png")
    assert np.array_equal(copy[:60], pixels[:60])
    assert summary.quality.count == 1


def test_faces_of_many_photographs_go_through_the_network_together(tmp_path):
    shapes = []

    class Noting(Bicubic):
        def apply(self, images, rngs=()):
            shapes.append(tuple(images.shape))
            return super().apply(images)

    for seed in range(6):
        write(tmp_path / "in" / f"{seed}.png", noise(120, 140 + seed, seed))
    attack(tmp_path / "in", tmp_path / "out", Noting(2), find=finder((9, 9, 40, 40)))
    assert shapes == [(6, 3, 40, 40)]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_copies_in_the_original_format_keep_tables_camera_and_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", orientation
    smooth = np.mgrid[0:120, 0:160].sum(axis=0).astype(np.uint8)
    options = {"quality": 77, "subsampling": 0, "exif": exif.tobytes()}
    for name in ("face.jpg", "landscape.jpg"):
        write(tmp_path / "in" / name, np.stack([smooth] * 3, -1), **options)
    found = threading.Semaphore(1)  # in one of both
    find = finder((30, 30, 60, 60))
    attack(
        *(tmp_path / "in", tmp_path / "out"),
        find=lambda pixels: find(pixels) if found.acquire(blocking=False) else [],
        save_as="original",
    )
    for name in ("face.jpg", "landscape.jpg"):
        before, after = Image.open(tmp_path / "in" / name), Image.open(tmp_path / "out" / name)
        assert after.format == "JPEG"
        assert after.quantization == before.quantization
        assert after.getexif()[0x010F] == "Camera"
        original, copy = (images.load(tmp_path / place / name) for place in ("in", "out"))
        assert np.array(after).shape == copy.shape == original.shape
        assert np.abs(copy.astype(int) - original).mean() < 6
        assert (tmp_path / "in" / name).read_bytes() != (tmp_path / "out" / name).read_bytes()


def test_photographs_without_a_face_are_written_too(tmp_path):
    for seed in range(2):
        write(tmp_path / "in" / f"{seed}.jpg", noise(height=120 + seed, seed=seed))
    find = finder((30, 30, 40, 40))
    summary = attack(
        tmp_path / "in", tmp_path / "out", find=lambda pixels: find(pixels)[len(pixels) - 120 :]
    )
    assert (summary.photos, summary.unattacked, summary.skipped) == (2, 1, ())
    table = rows(tmp_path / "out" / "metadata.csv")
    assert [row["attacked"] for row in table] == ["1", "0"]
    copy = images.load(tmp_path / "out" / "1.png")
    assert np.array_equal(copy, images.load(tmp_path / "in" / "1.jpg"))


def test_boxes_of_the_manifest_are_used_and_labels_chosen_face_by_face(tmp_path):
    source = openforensics(
        tmp_path,
        [
            "Zoë.png,real,test,g1,10,10,40,40,s1",
            "Zoë.png,fake,test,g1,80,50,40,50,s2",
            "real.png,real,test,g2,20,20,40,40,s3",
        ],
    )
    summary = attack(source, tmp_path / "out", faces="fakes")
    assert (summary.quality.count, summary.photos, summary.unattacked) == (1, 2, 1)
    pixels = images.load(source / "Zoë.png")
    expected = pixels.copy()
    expected[50:100, 75:125] = attacked_box(pixels, 75, 50, 50)
    np.testing.assert_array_equal(images.load(tmp_path / "out" / "Zoë.png"), expected)

    table = rows(tmp_path / "out" / "metadata.csv")
    assert [row["attacked"] for row in table] == ["0", "1", "0"]
    assert [row["label"] for row in table] == ["real", "fake", "real"]
    assert [row["source"] for row in table] == ["s1", "s2", "s3"]
    boxes = [record.box for record in Manifest.load(tmp_path / "out")]
    assert boxes == [record.box for record in Manifest.load(source)]
    notes = [row["note"] for row in rows(tmp_path / "out" / "faces.csv")]
    assert notes == ["not chosen", "", "not chosen"]


def test_faces_of_a_photograph_may_be_listed_apart(tmp_path):
    source = openforensics(
        tmp_path,
        [
            "a.png,real,test,g1,10,10,40,40,s1",
            "b.png,fake,test,g2,80,50,40,50,s2",
            "a.png,fake,test,g1,70,10,40,40,s3",
        ],
    )
    summary = attack(source, tmp_path / "out")
    assert (summary.quality.count, summary.photos) == (3, 2)
    table = rows(tmp_path / "out" / "metadata.csv")
    assert [(row["file_name"], row["source"]) for row in table] == [
        ("a.png", "s1"),
        ("a.png", "s3"),
        ("b.png", "s2"),
    ]


def test_a_box_beside_the_photograph_is_noted_and_costs_nothing_else(tmp_path):
    source = openforensics(
        tmp_path,
        ["a.png,real,test,g1,500,500,40,40,s1", "a.png,fake,test,g1,80,50,40,50,s2"],
    )
    attack(source, tmp_path / "out")
    outside, inside = rows(tmp_path / "out" / "faces.csv")
    assert (outside["attacked"], outside["x"], inside["attacked"]) == ("0", "", "1")
    assert "outside" in outside["note"]


def test_photographs_of_the_other_label_are_not_even_searched(tmp_path):
    for seed, label in enumerate(("real", "fake")):
        write(tmp_path / "in" / label / "a.png", noise(seed=seed))
    find = finder((30, 30, 40, 40))
    searched = []

    def noting(pixels):
        searched.append(pixels)
        return find(pixels)

    summary = attack(tmp_path / "in", tmp_path / "out", find=noting, faces="reals")
    assert len(searched) == 1
    assert np.array_equal(searched[0], noise(seed=0))
    assert (summary.quality.count, summary.unattacked) == (1, 1)


def test_a_video_is_refused_with_the_hint_to_give_images(tmp_path):
    video = Record(tmp_path / "v.mp4", 1, "all", "v", frame=3)
    source = Source(video.path, "v.mp4", "v.png", (video,))
    config = AttackConfig()
    with claimed(tmp_path / "out", ATTACK, config) as journal:
        outcome = Reader(config, no_finder, tmp_path / "out", journal, print)(source)
    assert "demagnify data prepare" in str(outcome.error)


def test_a_single_photograph_is_attacked(tmp_path):
    write(tmp_path / "a.jpg", noise())
    summary = attack(tmp_path / "a.jpg", tmp_path / "out", find=finder((30, 30, 40, 40)))
    assert summary.photos == 1
    assert (tmp_path / "out" / "a.png").is_file()
    with pytest.raises(BadOutputError, match="in one another"):
        attack(tmp_path / "a.jpg", tmp_path, find=finder((30, 30, 40, 40)))


def test_a_set_without_any_face_is_an_error(tmp_path):
    write(tmp_path / "in" / "a.png", noise())
    with pytest.raises(BadImageError, match="no face could be attacked; the first: no face was"):
        attack(tmp_path / "in", tmp_path / "out", find=lambda _: [])


def test_a_format_that_cannot_be_written_is_skipped(tmp_path):
    write(tmp_path / "in" / "a.png", noise())
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "PPM")
    (tmp_path / "in" / "b.bmp").write_bytes(buffer.getvalue())
    find = finder((30, 30, 40, 40))
    summary = attack(tmp_path / "in", tmp_path / "out", find=find, save_as="original")
    assert [line.where for line in summary.skipped] == ["b.bmp"]
    assert attack(tmp_path / "in", tmp_path / "png", find=find).skipped == ()


def test_no_attack_publishes_the_same_pixels(tmp_path):
    write(tmp_path / "in" / "a.jpg", noise())
    summary = attack(tmp_path / "in", tmp_path / "out", Identity(), find=finder((0, 0, 5, 5)))
    assert summary.quality.unchanged == 1
    assert np.array_equal(
        images.load(tmp_path / "out" / "a.png"), images.load(tmp_path / "in" / "a.jpg")
    )


def test_a_killed_run_continues_without_doing_anything_twice(tmp_path):
    for seed in range(6):
        write(tmp_path / "in" / f"{seed}.png", noise(48, 48, seed))
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from demagnify.transforms.resize import Bicubic
        from demagnify.laundering.attack import attack
        from demagnify.laundering.config import AttackConfig

        class Killed(Bicubic):
            calls = 0
            def apply(self, images, rngs=()):
                Killed.calls += 1
                if Killed.calls == 4:
                    finished = Path(sys.argv[2], "finished.jsonl")
                    while len(finished.read_text().splitlines()) < 2:
                        pass
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().apply(images)

        config = AttackConfig(content="crops", batch_size=1)
        attack(Path(sys.argv[1]), Path(sys.argv[2]), config, transform=Killed(2))
    """)
    output = tmp_path / "out"
    assert ended(start(script, tmp_path / "in", output)) == -signal.SIGKILL
    assert not (output / "metadata.csv").exists()
    stamps = {path: path.stat().st_mtime_ns for path in output.glob("*.png")}
    attacked = []

    class Noting(Bicubic):
        def apply(self, images, rngs=()):
            attacked.append(len(images))
            return super().apply(images)

    config = AttackConfig(content="crops", batch_size=1)
    summary = attack_files(tmp_path / "in", output, config, transform=Noting(2))
    assert summary.quality.count == 6
    assert sum(attacked) <= 4
    untouched = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns == stamp]
    assert len(untouched) >= 6 - sum(attacked)
    assert len(rows(output / "metadata.csv")) == 6
    assert not list(output.glob(".*"))
