"""Attacking folders of face crops: what is written, skipped, refused and resumed."""

import csv
import json
import math
import os

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import (
    BadConfigError,
    BadImageError,
    BadManifestError,
    BadOutputError,
    ImageContractError,
)
from demagnify.data.manifest import Manifest
from demagnify.laundering import photographs
from demagnify.laundering.attack import attack as attack_files
from demagnify.laundering.config import AttackConfig
from demagnify.transforms.base import Identity, Transform
from demagnify.transforms.resize import Bicubic

CROPS = AttackConfig(content="crops")


class Counting(Bicubic):
    """Notes the batches that it is given."""

    def __init__(self) -> None:
        super().__init__(2)
        self.shapes: list[tuple[int, ...]] = []

    def apply(self, images, rngs=()):
        self.shapes.append(tuple(images.shape))
        return super().apply(images)


def attack_crops(source, output, transform, *, config=CROPS, log=None, **settings):
    config = config.model_copy(update=settings)
    return attack_files(source, output, config, transform=transform, log=log)


def write_photograph(path, height=40, width=48, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def labelled(tmp_path):
    source = tmp_path / "faces"
    for seed, name in enumerate(("train/real/1.png", "train/fake/1.png", "test/fake/2.png")):
        write_photograph(source / name, seed=seed)
    (source / "metadata.csv").write_text(
        "file_name,label,split,group,camera\n"
        "train/real/1.png,real,train,p1,A\n"
        "train/fake/1.png,1,train,p1,B\n"
        "test/fake/2.png,fake,test,p2,\n"
    )
    return source


def test_a_manifest_is_carried_along(labelled, tmp_path):
    output = tmp_path / "out"
    summary = attack_crops(labelled, output, Bicubic(2))
    table = rows(output / "metadata.csv")
    assert [row["file_name"] for row in table] == [
        "train/real/1.png",
        "train/fake/1.png",
        "test/fake/2.png",
    ]
    assert [row["label"] for row in table] == ["real", "fake", "fake"]
    assert [row["camera"] for row in table] == ["A", "B", ""]
    assert [row["original"] for row in table] == [row["file_name"] for row in table]

    attacked = Manifest.load(output)
    assert [record.group for record in attacked] == ["p1", "p1", "p2"]
    original = images.to_batch([images.load(labelled / "train/real/1.png")])
    expected = images.from_batch(Bicubic(2)(original))[0]
    np.testing.assert_array_equal(images.load(output / "train/real/1.png"), expected)

    assert (summary.quality.count, summary.photos, summary.unattacked) == (3, 3, 0)
    mean = np.mean([float(row["psnr"]) for row in table])
    assert summary.quality.psnr == pytest.approx(mean, abs=1e-3)
    assert summary.skipped == ()
    assert rows(output / "skipped.csv") == []
    assert not (output / "faces.csv").exists()


def test_an_attacked_folder_can_be_attacked_again(labelled, tmp_path):
    attack_crops(labelled, tmp_path / "once", Bicubic(2))
    attack_crops(tmp_path / "once", tmp_path / "twice", Bicubic(3))
    first, second = (rows(tmp_path / name / "metadata.csv") for name in ("once", "twice"))
    assert list(first[0]) == list(second[0])
    assert first[0]["psnr"] != second[0]["psnr"]
    assert [row["camera"] for row in second] == ["A", "B", ""]


def test_a_folder_without_labels_is_attacked_too(tmp_path):
    for name in ("b/photo.jpg", "b/photo.png", "a.webp"):
        write_photograph(tmp_path / "in" / name)
    attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))
    table = rows(tmp_path / "out" / "metadata.csv")
    assert {row["original"]: row["file_name"] for row in table} == {
        "a.webp": "a.png",
        "b/photo.jpg": "b/photo.jpg.png",
        "b/photo.png": "b/photo.png",
    }
    assert list(table[0]) == ["file_name", "original", "attacked", "psnr", "ssim"]
    assert all((tmp_path / "out" / row["file_name"]).is_file() for row in table)


def test_the_longest_names_without_a_suffix_are_attacked_too(tmp_path):
    names = [letter * count for count in range(250, 256) for letter in "ab"] + ["ä" * 127]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "in" / name, "PNG")
    attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))
    table = rows(tmp_path / "out" / "metadata.csv")
    assert {row["original"] for row in table} == set(names)
    assert all((tmp_path / "out" / row["file_name"]).is_file() for row in table)
    assert len({row["file_name"] for row in table}) == len(names)


def test_images_of_one_size_are_attacked_together(tmp_path, monkeypatch):
    for number in range(5):
        write_photograph(tmp_path / "in" / f"{number}.png", width=48 if number % 2 else 32)
    attack = Counting()
    attack_crops(tmp_path / "in", tmp_path / "out", attack, batch_size=2)
    assert attack.shapes == [(2, 3, 40, 32), (2, 3, 40, 48), (1, 3, 40, 32)]

    monkeypatch.setattr(photographs, "BYTES_WAITING", 12_000)
    attack = Counting()
    attack_crops(tmp_path / "in", tmp_path / "tight", attack, batch_size=4)
    cut_short = [(2, 3, 40, 32), (2, 3, 40, 48), (1, 3, 40, 32)]
    assert attack.shapes == cut_short, "where too much would wait"
    assert rows(tmp_path / "out" / "metadata.csv") == rows(tmp_path / "tight" / "metadata.csv")


def test_only_the_chosen_label_is_attacked_and_all_are_written_alike(labelled, tmp_path):
    config = AttackConfig(content="crops", faces="fakes")
    summary = attack_crops(labelled, tmp_path / "out", Bicubic(2), config=config)
    assert (summary.quality.count, summary.photos, summary.unattacked) == (2, 3, 1)
    table = rows(tmp_path / "out" / "metadata.csv")
    assert [row["attacked"] for row in table] == ["0", "1", "1"]
    assert (table[0]["psnr"], table[0]["label"]) == ("", "real")
    same = [
        np.array_equal(images.load(labelled / name), images.load(tmp_path / "out" / name))
        for name in (row["file_name"] for row in table)
    ]
    assert same == [True, False, False]


def test_labels_are_needed_to_choose_by_them(tmp_path):
    write_photograph(tmp_path / "in" / "a.png")
    config = AttackConfig(content="crops", faces="reals")
    with pytest.raises(BadConfigError, match="has no labels"):
        attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2), config=config)


def test_bad_images_are_skipped_with_their_reason(tmp_path):
    write_photograph(tmp_path / "in" / "good.png")
    write_photograph(tmp_path / "in" / "small.png", height=12, width=12)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    summary = attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))
    assert summary.quality.count == 1
    reasons = {line.where: line.reason for line in summary.skipped}
    assert set(reasons) == {"small.png", "broken.jpg"}
    assert "too small" in reasons["small.png"]
    assert {row["where"] for row in rows(tmp_path / "out" / "skipped.csv")} == set(reasons)
    assert not (tmp_path / "out" / "small.png").exists()


@pytest.mark.parametrize("name", ["small.png", "broken.jpg"])
def test_strict_stops_at_a_bad_image_and_continues_when_it_is_mended(tmp_path, name):
    write_photograph(tmp_path / "in" / "a.png")
    bad = tmp_path / "in" / name
    if name == "small.png":
        write_photograph(bad, height=12, width=12)
    else:
        bad.write_bytes(b"no picture")
    with pytest.raises(BadImageError, match=name):
        attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2), strict=True)
    write_photograph(bad)
    summary = attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2), strict=True)
    assert summary.quality.count == 2


def test_nothing_but_bad_images_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(BadImageError, match="broken"):
        attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))


def test_finished_files_are_not_attacked_again(labelled, tmp_path):
    output = tmp_path / "out"
    attack_crops(labelled, output, Bicubic(2))
    table = (output / "metadata.csv").read_bytes()

    attack = Counting()
    attack_crops(labelled, output, attack)
    assert attack.shapes == []
    assert (output / "metadata.csv").read_bytes() == table

    (output / "train/real/1.png").unlink()
    write_photograph(labelled / "test/fake/2.png", height=44, seed=9)
    attack_crops(labelled, output, attack)
    assert sorted(attack.shapes) == [(1, 3, 40, 48), (1, 3, 44, 48)]
    assert images.load(output / "test/fake/2.png").shape == (44, 48, 3)


@pytest.mark.parametrize("damage", ["emptied", "changed", "missing"])
def test_a_damaged_copy_is_made_again_with_a_line(labelled, tmp_path, damage):
    output = tmp_path / "out"
    attack_crops(labelled, output, Bicubic(2))
    copy = output / "train/real/1.png"
    whole = copy.read_bytes()
    if damage == "missing":
        copy.unlink()
    else:
        copy.write_bytes(b"" if damage == "emptied" else whole[:-20] + bytes(20))
    attack, lines = Counting(), []
    attack_crops(labelled, output, attack, log=lines.append)
    assert attack.shapes == [(1, 3, 40, 48)]
    assert copy.read_bytes() == whole
    what = "is missing" if damage == "missing" else "was changed"
    assert lines == [f"{copy} {what}; it is made again"]


def test_half_a_line_of_a_killed_run_is_done_again(labelled, tmp_path):
    output = tmp_path / "out"
    attack_crops(labelled, output, Bicubic(2), batch_size=1)
    journal = output / "finished.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    for remade in (1, 0):
        attack = Counting()
        assert attack_crops(labelled, output, attack).quality.count == 3
        assert len(attack.shapes) == remade


def test_a_file_that_was_only_touched_is_known_by_its_content(labelled, tmp_path):
    attack_crops(labelled, tmp_path / "out", Bicubic(2))
    for path in labelled.rglob("*.png"):
        os.utime(path, (1, 1))
    attack = Counting()
    summary = attack_crops(labelled, tmp_path / "out", attack)
    assert (attack.shapes, summary.photos) == ([], 3)


def test_images_with_another_label_are_chosen_anew(labelled, tmp_path):
    config = AttackConfig(content="crops", faces="fakes")
    attack_crops(labelled, tmp_path / "out", Bicubic(2), config=config)
    table = labelled / "metadata.csv"
    table.write_text(table.read_text().replace("1.png,real", "1.png,fake"))
    attack = Counting()
    summary = attack_crops(labelled, tmp_path / "out", attack, config=config)
    assert attack.shapes == [(1, 3, 40, 48)]
    assert summary.quality.count == 3


def test_a_run_that_stops_half_way_continues(labelled, tmp_path):
    class Dying(Counting):
        def apply(self, images, rngs=()):
            if self.shapes:
                raise KeyboardInterrupt
            return super().apply(images)

    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        attack_crops(labelled, output, Dying(), batch_size=1)
    attack = Counting()
    summary = attack_crops(labelled, output, attack, batch_size=1)
    assert len(attack.shapes) == 2
    assert summary.quality.count == 3


def test_an_output_of_another_attack_or_other_settings_is_refused(labelled, tmp_path):
    output = tmp_path / "out"
    attack_crops(labelled, output, Bicubic(2))
    assert json.loads((output / "run.json").read_text())["attack"] == "bicubic-x2"
    with pytest.raises(BadOutputError, match="another attack"):
        attack_crops(labelled, output, Bicubic(3))
    for config in (AttackConfig(content="crops", faces="fakes"), AttackConfig(content="photos")):
        with pytest.raises(BadOutputError, match="with another"):
            attack_crops(labelled, output, Bicubic(2), config=config)


def test_an_output_with_other_things_is_refused(labelled, tmp_path):
    write_photograph(tmp_path / "out" / "holiday.png")
    with pytest.raises(BadOutputError, match="not empty"):
        attack_crops(labelled, tmp_path / "out", Bicubic(2))


def test_two_runs_at_once_do_not_write_to_one_folder(labelled, tmp_path):
    class Nested(Counting):
        def apply(self, images, rngs=()):
            with pytest.raises(BadOutputError, match="wait for the other run"):
                attack_crops(labelled, tmp_path / "out", Bicubic(2))
            return super().apply(images)

    assert attack_crops(labelled, tmp_path / "out", Nested()).quality.count == 3


@pytest.mark.parametrize("output", [".", "attacked", ".."])
def test_an_output_inside_the_source_or_around_it_is_refused(labelled, output):
    with pytest.raises(BadOutputError, match="in one another"):
        attack_crops(labelled, labelled / output, Bicubic(2))


def test_a_source_without_images_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(BadManifestError, match="no image"):
        attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))
    with pytest.raises(BadManifestError):
        attack_crops(tmp_path / "nowhere", tmp_path / "out", Bicubic(2))
    assert not (tmp_path / "out").exists()


def test_no_attack_gives_equal_pixels(tmp_path):
    pixels = write_photograph(tmp_path / "in" / "a.png")
    summary = attack_crops(tmp_path / "in", tmp_path / "out", Identity())
    np.testing.assert_array_equal(images.load(tmp_path / "out" / "a.png"), pixels)
    assert summary.quality.unchanged == 1
    assert math.isnan(summary.quality.psnr)
    assert rows(tmp_path / "out" / "metadata.csv")[0]["psnr"] == "inf"


def test_an_attack_that_breaks_its_contract_is_not_passed_over(tmp_path):
    class Broken(Transform):
        def apply(self, images, rngs=()):
            return images[..., 1:]

        family = "broken"

    write_photograph(tmp_path / "in" / "a.png")
    with pytest.raises((BadImageError, ImageContractError), match="turned"):
        attack_crops(tmp_path / "in", tmp_path / "out", Broken())


@pytest.mark.parametrize(
    ("height", "width", "content"), [(64, 64, "crops"), (64, 48, "photos"), (600, 600, "photos")]
)
def test_small_squares_are_taken_for_crops(tmp_path, height, width, content):
    write_photograph(tmp_path / "in" / "a.png", 64, 64)
    write_photograph(tmp_path / "in" / "b.png", height, width)
    config = AttackConfig()
    if content == "crops":
        summary = attack_crops(tmp_path / "in", tmp_path / "out", Identity(), config=config)
        assert summary.content == "crops"
    else:
        with pytest.raises(BadImageError, match="no face was found"):
            attack_files(
                tmp_path / "in", tmp_path / "out", transform=Identity(), find_faces=lambda _: []
            )
    assert json.loads((tmp_path / "out" / "run.json").read_text())["content"] == content


def test_a_figure_of_the_first_images_stands_beside_the_folder(tmp_path):
    for seed, width in enumerate((48, 64, 48)):
        write_photograph(tmp_path / "in" / f"{seed}.png", width=width, seed=seed)
    summary = attack_crops(tmp_path / "in", tmp_path / "out", Bicubic(2))
    assert summary.figure == tmp_path / "out.png"
    assert images.load(summary.figure).shape[2] == 3
