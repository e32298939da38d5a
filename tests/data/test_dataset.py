"""Decoded faces: pixels, labels, what is left out, and the file that large sets go into."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError, ImageContractError
from demagnify.data import storage
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import Manifest
from demagnify.data.records import Skipped


def pixels(seed, size=32):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.fixture
def manifest(tmp_path):
    """Six faces; the second is damaged, and the fourth is larger than the others."""
    lines = ["file_name,label,split,group"]
    for number in range(6):
        images.save_png(tmp_path / f"{number}.png", pixels(number, 48 if number == 3 else 32))
        lines.append(f"{number}.png,{number % 2},train,g{number // 2}")
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:500])
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    return Manifest.load(tmp_path)


def check_opened(faces):
    assert faces.names == ["0.png", "2.png", "3.png", "4.png", "5.png"]
    assert faces.labels.tolist() == [0, 0, 1, 0, 1]
    assert faces.labels.dtype == np.int64
    assert faces.groups.tolist() == ["g0", "g1", "g1", "g2", "g2"]
    assert (len(faces), faces.size) == (5, 32)
    assert [skipped.where for skipped in faces.skipped] == ["1.png"]
    assert faces.skipped[0].reason.startswith("the image is damaged")
    for row, number in enumerate((0, 2, 3, 4, 5)):
        expected = images.fit(pixels(number, 48 if number == 3 else 32), 32)
        assert np.array_equal(faces.images[row], expected.transpose(2, 0, 1))


@pytest.mark.parametrize("workers", [1, 4])
def test_every_good_file_is_decoded_in_order(manifest, workers):
    check_opened(FaceDataset.open(manifest, size=32, workers=workers))


def test_a_folder_may_be_named_in_a_roundabout_way(manifest, monkeypatch):
    monkeypatch.chdir(manifest.root)
    for root in (Path(), Path("..") / manifest.root.name, manifest.root / "x" / ".."):
        (manifest.root / "x").mkdir(exist_ok=True)
        check_opened(FaceDataset.open(Manifest.load(root), size=32))


def test_a_bad_file_stops_a_strict_reading(manifest):
    with pytest.raises(BadImageError, match=r"1\.png: the image is damaged"):
        FaceDataset.open(manifest, size=32, strict=True)


def test_only_bad_files_are_refused(manifest):
    with pytest.raises(BadManifestError, match=r"no image can be read; the first: 1\.png"):
        FaceDataset.open(manifest[1:2], size=32)


@pytest.fixture
def small_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "MEMORY_LIMIT", 1000)
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "faces"


def test_large_sets_go_into_a_file_that_is_used_again(manifest, small_memory, monkeypatch):
    check_opened(FaceDataset.open(manifest, size=32))
    assert [path.suffix for path in sorted(small_memory.glob("*.npy"))] == [".npy"]
    monkeypatch.setattr(images, "decode", lambda *_, **__: pytest.fail("decoded a second time"))
    again = FaceDataset.open(manifest, size=32)
    check_opened(again)
    assert isinstance(again.images, np.memmap)
    assert again.batch([4, 0]).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_reading_goes_on_where_it_was(manifest, small_memory, monkeypatch, stop):
    decode, read = images.decode, []

    def interrupted(data, *, name, **settings):
        if name.endswith("4.png"):
            raise stop
        read.append(name)
        return decode(data, name=name, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(images, "decode", interrupted)
        with pytest.raises(stop):
            FaceDataset.open(manifest, size=32, workers=1)
    assert {path[-5:] for path in read} >= {"0.png", "1.png", "2.png", "3.png"}
    again = []
    monkeypatch.setattr(
        images, "decode", lambda data, *, name, **kw: again.append(name) or decode(data, name=name)
    )
    check_opened(FaceDataset.open(manifest, size=32))
    assert sorted(name[-5:] for name in again) == ["4.png", "5.png"]


def test_pixels_that_were_lost_are_decoded_again(manifest, small_memory):
    FaceDataset.open(manifest, size=32)
    (rows,) = small_memory.glob("*.npy")
    rows.write_bytes(rows.read_bytes()[:5000])
    check_opened(FaceDataset.open(manifest, size=32))


def test_a_file_that_is_gone_by_now_is_listed(manifest, small_memory):
    manifest[0].path.unlink()
    faces = FaceDataset.open(manifest, size=32)
    assert str(faces.skipped[0]) == "0.png: there is no such file"
    assert len(faces) == 4


def test_a_changed_photograph_is_decoded_again(manifest, small_memory):
    before = FaceDataset.open(manifest, size=32).fingerprint()
    images.save_png(manifest[1].path, pixels(1))
    after = FaceDataset.open(manifest, size=32)
    assert len(after) == 6
    assert after.fingerprint() != before


def test_a_batch_is_a_copy_in_the_order_asked_for():
    faces = FaceDataset.from_arrays(
        np.stack([pixels(n).transpose(2, 0, 1) for n in range(4)]), [0, 1, 0, 1]
    )
    batch = faces.batch(torch.tensor([2, 0, 2]))
    images.check_batch(batch)
    assert np.array_equal(batch.numpy(), faces.images[[2, 0, 2]])
    batch.zero_()
    assert faces.images[2].any()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_batches_cover_all_in_order(size):
    faces = FaceDataset.from_arrays(np.zeros((7, 3, 8, 8), dtype=np.uint8), [0] * 7)
    parts = list(faces.batches(size))
    assert np.concatenate([indices for indices, _ in parts]).tolist() == list(range(7))
    assert [len(batch) for _, batch in parts] == [len(indices) for indices, _ in parts]
    assert all(len(batch) == size for _, batch in parts[:-1])


def test_subsets_keep_what_belongs_together():
    faces = FaceDataset.from_arrays(
        np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 8, 8), dtype=np.uint8),
        [0, 1, 1, 0],
        groups=["a", "b", "b", "a"],
        names=["w", "x", "y", "z"],
    )
    subset = faces.subset([3, 1])
    assert subset.images[:, 0, 0, 0].tolist() == [3, 1]
    assert subset.labels.tolist() == [0, 1]
    assert (subset.groups.tolist(), subset.names) == (["a", "b"], ["z", "x"])


def test_other_pixels_keep_labels_groups_and_names():
    faces = FaceDataset.from_arrays(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), [0, 1], ["g", "g"])
    attacked = faces.with_images(torch.full((2, 3, 8, 8), 9, dtype=torch.uint8))
    assert attacked.images.max() == 9
    assert attacked.labels is faces.labels
    assert attacked.names == faces.names
    with pytest.raises(ImageContractError, match="the old ones"):
        faces.with_images(torch.zeros(3, 3, 8, 8, dtype=torch.uint8))


def test_the_fingerprint_is_of_the_pixels_alone():
    zeros = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    first = FaceDataset.from_arrays(zeros, [0, 1])
    assert first.fingerprint() == FaceDataset.from_arrays(zeros.copy(), [1, 1]).fingerprint()
    changed = zeros.copy()
    changed[1, 2, 7, 7] = 1
    assert first.fingerprint() != FaceDataset.from_arrays(changed, [0, 1]).fingerprint()
    assert first.fingerprint() != first.subset([0]).fingerprint()


@pytest.mark.parametrize(
    ("shape", "dtype", "labels", "message"),
    [
        ((2, 8, 8, 3), np.uint8, [0, 1], "shape"),
        ((2, 3, 8, 8), np.float32, [0, 1], "float32"),
        ((2, 3, 8, 9), np.uint8, [0, 1], "square"),
        ((2, 3, 8, 8), np.uint8, [0], "2 faces with 1 labels"),
        ((2, 3, 8, 8), np.uint8, [0, 2], "labels are"),
    ],
)
def test_what_does_not_fit_together_is_refused(shape, dtype, labels, message):
    with pytest.raises(ImageContractError, match=message):
        FaceDataset.from_arrays(np.zeros(shape, dtype=dtype), labels)


def numbered_faces(count):
    ones = np.ones((1, 3, 8, 8), dtype=np.uint8)
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * ones
    return FaceDataset.from_arrays(pixels, np.arange(count) % 2)


def test_an_item_is_an_image_with_its_label():
    faces = numbered_faces(5)
    assert isinstance(faces, torch.utils.data.Dataset)
    image, label = faces[3]
    assert image.dtype == torch.uint8
    assert image.shape == (3, 8, 8)
    assert (image == 3).all()
    assert (label, type(label)) == (1, int)
    assert faces[-1][1] == 0
    with pytest.raises(IndexError):
        faces[5]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("joined", [False, True])
def test_a_data_loader_takes_the_faces(workers, joined):
    faces = numbered_faces(10)
    if joined:
        faces = FaceDataset.concatenate([faces.subset(range(4)), faces.subset(range(4, 10))])
    loader = DataLoader(faces, batch_size=4, shuffle=True, num_workers=workers)
    batches = list(loader)
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    images = torch.cat([images for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    assert sorted(images[:, 0, 0, 0].tolist()) == list(range(10))
    assert torch.equal(images[:, 0, 0, 0] % 2, labels)


def test_a_data_loader_reads_a_memory_map(manifest, small_memory):
    faces = FaceDataset.open(manifest, size=32)
    assert isinstance(faces.images, np.memmap)
    loader = DataLoader(faces, batch_size=2, num_workers=2)
    assert torch.equal(torch.cat([images for images, _ in loader]), faces.batch(range(5)))


def test_damaged_pixels_in_the_cache_are_decoded_again(manifest, small_memory):
    FaceDataset.open(manifest, size=32)
    (rows,) = small_memory.glob("*.npy")
    content = bytearray(rows.read_bytes())
    content[-100] ^= 1
    rows.write_bytes(content)
    check_opened(FaceDataset.open(manifest, size=32))


def test_rows_that_were_damaged_belong_to_the_right_files(monkeypatch, small_memory):
    """Files without a row stand before and after the damage."""
    files = [str(number) for number in range(1200)]
    made = []

    def make(first):
        for number in range(first, len(files)):
            made.append(number)
            yield Skipped(str(number), "odd") if number % 3 == 1 else np.array([number])

    spec = storage.RowSpec("faces", (1,), np.dtype(np.int64), 0, version="1")
    whole = storage.filled(spec, files, len(files), make)
    (path,) = small_memory.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    made.clear()
    again = storage.filled(spec, files, len(files), make)
    assert 0 < len(made) < len(files)
    assert again.rows.ravel().tolist() == again.kept.tolist() == whole.kept.tolist()
    assert again.skipped == whole.skipped
