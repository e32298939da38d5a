"""What a description of a data set says."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.data import Box, Manifest, Record
from demagnify.data.describe import DescribeConfig, Description, describe
from demagnify.data.describe.crossings import hamming, like_crossings, near_pairs
from demagnify.data.describe.figure import save_figure
from demagnify.data.describe.statistics import appearance, read_size, read_statistics


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def photo(seed, height=96, width=64):
    """Smooth patterns, as photographs are: noise has no low frequencies to tell it by."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    resized = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(resized, dtype=np.uint8)


@pytest.fixture
def leaky(tmp_path):
    """Train and test share a photograph, a JPEG copy of another, and a group."""
    folder = tmp_path / "set"
    rows = []

    def add(name, label, split, group):
        rows.append(f"{name},{label},{split},{group}")

    for number in range(4):
        images.save_png(folder / f"{number}.png", photo(number))
        add(f"{number}.png", number % 2, "train", f"g{number}")
    images.save_png(folder / "same.png", photo(0))
    add("same.png", 1, "test", "g9")
    (folder / "like.jpg").write_bytes(images.encode_jpeg(photo(1), quality=60))
    add("like.jpg", 1, "test", "g1")
    images.save_png(folder / "other.png", photo(7, 200, 300))
    add("other.png", 0, "test", "g8")
    (folder / "bad.png").write_bytes(b"no image")
    add("bad.png", 0, "test", "g7")
    add("none.png", 0, "test", "g6")
    (folder / "metadata.csv").write_text("\n".join(["file_name,label,split,group", *rows]))
    return Manifest.load(folder)


def crossings(found):
    return {(one.split, one.other): (one.count, one.examples) for one in found}


def test_a_description_says_what_is_in_a_set_and_what_is_wrong_with_it(leaky):
    found = describe(leaky)
    train, test = found.splits
    assert (train.name, train.real, train.fake, train.imbalance, train.groups) == (
        *("train", 2, 2, 1.0),
        4,
    )
    assert (test.name, test.real, test.fake, test.groups) == ("test", 2, 2, 4)
    assert (test.sizes.images, test.sizes.smallest, test.sizes.largest) == (3, 64, 200)
    assert sum(test.sizes.histogram) == 3
    assert crossings(found.shared_groups) == {("train", "test"): (1, (("g1", "g1"),))}
    assert crossings(found.identical) == {
        ("train", "test"): (1, (("0.png", "same.png"),)),
        ("test", "train"): (1, (("same.png", "0.png"),)),
    }
    assert crossings(found.near)["train", "test"] == (
        2,
        (("0.png", "same.png"), ("1.png", "like.jpg")),
    )
    (conflict,) = found.conflicts
    assert (conflict.kind, conflict.inputs, conflict.images) == ("pixels", 1, 2)
    assert [one.where for one in found.left_out] == ["metadata.csv, line 10", "bad.png"]
    assert found.hashed == 7


def test_without_hashes_only_headers_are_read(leaky, monkeypatch):
    with_hashes = describe(leaky)
    monkeypatch.setattr(images, "load_oriented", lambda *_, **__: pytest.fail("decoded"))
    found = describe(leaky, DescribeConfig(hashes=False))
    assert (found.hashed, found.near, found.identical) == (0, (), ())
    assert found.splits == with_hashes.splits
    assert found.shared_groups == with_hashes.shared_groups


def test_a_look_that_was_interrupted_goes_on(leaky, monkeypatch):
    load = images.load_oriented
    with monkeypatch.context() as patch:

        def interrupted(path):
            if path.name.endswith("like.jpg"):
                raise KeyboardInterrupt
            return load(path)

        patch.setattr(images, "load_oriented", interrupted)
        with pytest.raises(KeyboardInterrupt):
            describe(leaky, workers=1)
    seen = []
    monkeypatch.setattr(
        images, "load_oriented", lambda path: seen.append(str(path)[-8:]) or load(path)
    )
    found = describe(leaky)
    assert sorted(seen) == ["/bad.png", "like.jpg", "ther.png"]
    monkeypatch.setattr(images, "load_oriented", lambda *_, **__: pytest.fail("decoded again"))
    assert describe(leaky) == found


def test_files_under_both_labels_are_counted(tmp_path):
    images.save_png(tmp_path / "a.png", photo(0))
    records = [Record(tmp_path / "a.png", label, "all", "g") for label in (0, 1, 1)]
    (by_name, by_pixels) = describe(Manifest(records, root=tmp_path)).conflicts
    assert (by_name.kind, by_name.inputs, by_name.images) == ("name", 1, 3)
    assert (by_pixels.kind, by_pixels.examples) == ("pixels", ("a.png",))


def test_faces_of_one_photograph_are_told_apart_by_their_boxes(tmp_path):
    pixels = np.concatenate([photo(0), photo(1)], axis=1)
    images.save_png(tmp_path / "two.png", pixels)
    images.save_png(tmp_path / "one.png", photo(1))
    records = [
        Record(tmp_path / "two.png", 0, "train", "g", {}, Box(0, 0, 64, 96)),
        Record(tmp_path / "two.png", 1, "train", "g", {}, Box(64, 0, 64, 96)),
        Record(tmp_path / "one.png", 1, "test", "h"),
        Record(tmp_path / "v.mp4", 1, "test", "v", {}, Box(0, 0, 50, 40), 7),
        Record(tmp_path / "w.mp4", 1, "test", "w", {}, None, 7),
    ]
    for hashes in (True, False):
        found = describe(Manifest(records, root=tmp_path), DescribeConfig(hashes=hashes))
        assert (found.conflicts, found.unprepared, found.left_out) == ((), 4, ())
        assert found.splits[0].sizes.median == 64
        assert (found.splits[1].sizes.images, found.splits[1].sizes.smallest) == (2, 40)
        assert len(found.identical) == (2 if hashes else 0)


def test_files_of_which_a_line_was_left_out_are_counted_too(tmp_path):
    for number in range(2):
        images.save_png(tmp_path / f"{number}.png", photo(number))
    lines = [
        "file_name,label",
        "0.png,real",
        "0.png,fake",
        "0.png,fake",
        "1.png,real",
        "1.png,real",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    (found,) = describe(Manifest.load(tmp_path)).conflicts
    assert (found.kind, found.inputs, found.images) == ("name", 1, 3)
    assert found.examples == ("0.png",)


def test_faces_without_an_appearance_are_like_no_other(tmp_path):
    flat = [np.full((40, 40, 3), grey, dtype=np.uint8) for grey in (30, 200)]
    for number, pixels in enumerate([*flat, photo(1)]):
        images.save_png(tmp_path / f"{number}.png", pixels)
    tiny = [Box(0, 0, 7, 30), Box(30, 50, 30, 7)]
    records = [
        Record(tmp_path / "0.png", 0, "train", "a"),
        Record(tmp_path / "1.png", 1, "test", "b"),
        Record(tmp_path / "2.png", 0, "train", "c", {}, tiny[0]),
        Record(tmp_path / "2.png", 1, "test", "d", {}, tiny[1]),
    ]
    looks = read_statistics(Manifest(records, root=tmp_path))
    assert looks.rows["appearance"].tolist() == [0, 0, 0, 0]
    assert (looks.rows["pixels"] != 0).all()
    assert describe(Manifest(records, root=tmp_path), DescribeConfig(distance=8)).near == ()


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_faces_are_compared_where_their_boxes_were_drawn(tmp_path, orientation):
    """A box drawn on the photograph as it is stored shows the same face as the turned crop."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photo(3, 60, 100)
    Image.fromarray(stored).save(tmp_path / "stored.png", exif=exif)
    Image.fromarray(stored[10:40, 20:60]).save(tmp_path / "face.png", exif=exif)
    records = [
        Record(
            tmp_path / "stored.png", 0, "train", "a", {"photo_size": "100x60"}, Box(20, 10, 40, 30)
        ),
        Record(tmp_path / "face.png", 0, "test", "b"),
    ]
    assert len(describe(Manifest(records, root=tmp_path)).identical) == 2


def test_sizes_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(0)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_size(tmp_path / "turned.jpg") == (96, 64)
    assert images.load(tmp_path / "turned.jpg").shape == (64, 96, 3)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BadImageError, match="not an image"):
        read_size(tmp_path / "bad.jpg")


def test_copies_look_alike_and_others_do_not():
    for seed in range(10):
        copy = images.decode(images.encode_jpeg(photo(seed), quality=50))
        smaller = np.array(Image.fromarray(photo(seed)).resize((32, 48)), dtype=np.uint8)
        mine = np.array([appearance(photo(seed))] * 3, dtype=np.uint64)
        others = [appearance(other) for other in (copy, smaller, photo(seed + 1))]
        near, half, far = hamming(mine, np.array(others, dtype=np.uint64))
        assert max(near, half) <= 4 < far


SMALL = st.lists(st.integers(0, 2**64 - 1), max_size=12, unique=True)
NEAR = st.builds(
    lambda base, flips: list({base} | {base ^ (1 << one) ^ (1 << two) for one, two in flips}),
    st.integers(0, 2**64 - 1),
    st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63)), max_size=12),
)


@settings(deadline=None)
@given(SMALL | NEAR, st.integers(0, 8))
def test_near_pairs_are_those_of_comparing_all(numbers, distance):
    hashes = np.array(numbers, dtype=np.uint64)
    found = {
        frozenset((int(one), int(other)))
        for pairs in near_pairs(hashes, distance)
        for one, other in zip(*pairs, strict=True)
    }
    expected = {
        frozenset((one, other))
        for one, other in itertools.combinations(range(len(numbers)), 2)
        if (numbers[one] ^ numbers[other]).bit_count() <= distance
    }
    assert found == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=14),
    st.integers(0, 2),
)
def test_crossings_are_those_of_comparing_all(images_of, distance):
    hashes, splits = (np.array(column) for column in zip(*images_of, strict=True))
    names = [str(number) for number in range(len(hashes))]
    found = like_crossings(hashes.astype(np.uint64), splits, "abc", distance, names)
    expected = {}
    for one, other in itertools.permutations(range(3), 2):
        count = sum(
            any(
                (int(mine) ^ int(theirs)).bit_count() <= distance
                for theirs in hashes[splits == other]
            )
            for mine in hashes[splits == one]
        )
        if count:
            expected["abc"[one], "abc"[other]] = count
    assert {(one.split, one.other): one.count for one in found} == expected


def test_a_picture_and_the_json_are_written(leaky, tmp_path):
    found = describe(leaky)
    save_figure(found, tmp_path / "out" / "description.png")
    with Image.open(tmp_path / "out" / "description.png") as picture:
        assert min(picture.size) > 400
    assert Description.model_validate_json(found.model_dump_json()) == found
    json.loads(found.model_dump_json())


def test_what_cannot_be_compared_is_refused(leaky, tmp_path):
    with pytest.raises(ValidationError, match=r"less than or equal to 8"):
        DescribeConfig(distance=9)
    many = [Record(tmp_path / f"{n}.png", 0, f"s{n}", "g") for n in range(65)]
    with pytest.raises(BadManifestError, match="65 splits are more than the 64"):
        describe(Manifest(many, root=tmp_path))


def test_a_set_without_any_readable_image_is_described(tmp_path):
    manifest = Manifest([Record(tmp_path / "a.png", 1, "all", "g")], root=tmp_path)
    found = describe(manifest)
    assert (found.splits[0].sizes, found.splits[0].imbalance, found.hashed) == (None, None, 0)
    assert len(read_statistics(manifest).skipped) == 1
    save_figure(found, tmp_path / "description.png")


def test_the_perceptual_hash_is_that_of_the_package_imagehash():
    expected = ["fed818c8f313d4c4", "8ce7f058b83a27ca", "bd4c9b8d075b9524"]
    assert [f"{appearance(photo(seed)):016x}" for seed in range(3)] == expected
