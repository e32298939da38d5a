"""Sets of faces put together without a copy are as one array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core.errors import ImageContractError
from demagnify.data import FaceDataset
from demagnify.data.dataset import Joined
from demagnify.data.records import Skipped


def pixels(count, seed, size=4):
    shape = (count, 3, size, size)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@st.composite
def parts(draw):
    """One to five sources, some of them empty, at least one image in all."""
    counts = draw(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any))
    return [pixels(count, seed) for seed, count in enumerate(counts)]


bounds = st.none() | st.integers(-40, 40)


@settings(max_examples=200, deadline=None)
@given(parts(), bounds, bounds, st.none() | st.integers(-7, 7).filter(bool))
def test_a_slice_is_that_of_the_concatenation(sources, start, stop, step):
    key = slice(start, stop, step)
    found = Joined(sources)[key]
    np.testing.assert_array_equal(found, np.concatenate(sources)[key])
    assert found.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(parts(), st.data())
def test_indices_in_any_order_are_those_of_the_concatenation(sources, data):
    whole = np.concatenate(sources)
    places = st.integers(-len(whole), len(whole) - 1)
    indices = np.array(data.draw(st.lists(places, max_size=20)), dtype=np.int64)
    np.testing.assert_array_equal(Joined(sources)[indices], whole[indices])


@given(parts())
def test_it_measures_as_the_concatenation(sources):
    joined, whole = Joined(sources), np.concatenate(sources)
    assert len(joined) == len(whole)
    assert joined.shape == whole.shape
    assert (joined.dtype, joined.ndim, joined.nbytes) == (whole.dtype, whole.ndim, whole.nbytes)


@given(parts(), parts())
def test_joined_sources_can_be_joined_again(one, other):
    nested = Joined([Joined(one), Joined(other)])
    np.testing.assert_array_equal(nested[:], np.concatenate([*one, *other]))


@given(parts(), st.integers(0, 9))
def test_what_lies_outside_is_an_error(sources, beyond):
    joined = Joined(sources)
    for index in (len(joined) + beyond, -len(joined) - 1 - beyond):
        with pytest.raises(IndexError):
            joined[np.array([0, index])]


def test_nothing_is_copied_until_it_is_asked_for():
    source = pixels(3, 0)
    joined = Joined([source, pixels(2, 1)])
    source[1] = 77
    assert (joined[np.array([1])] == 77).all()
    joined[:][:] = 0
    assert (source[1] == 77).all()


def test_only_the_sources_in_question_are_read(tmp_path):
    class Forbidden:
        shape = (5, 3, 4, 4)
        nbytes = 240

        def __len__(self):
            return 5

        def __getitem__(self, key):
            raise AssertionError("read")

    source = pixels(3, 0)
    np.save(tmp_path / "faces.npy", source)
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    joined = Joined([Forbidden(), mapped, Forbidden()])
    np.testing.assert_array_equal(joined[5:8], source)


@settings(max_examples=50, deadline=None)
@given(parts(), st.integers(1, 5))
def test_faces_put_together_are_those_of_one_array(sources, batch):
    whole = np.concatenate(sources)
    sets = [
        FaceDataset.from_arrays(
            source,
            np.arange(len(source)) % 2,
            names=[f"{number}/{index}" for index in range(len(source))],
        )
        for number, source in enumerate(sources)
    ]
    labels = [label for source in sources for label in np.arange(len(source)) % 2]
    names = [name for faces in sets for name in faces.names]
    together = FaceDataset.concatenate(sets)
    plain = FaceDataset.from_arrays(whole, labels, names=names)
    assert together.fingerprint() == plain.fingerprint()
    assert together.names == plain.names
    assert together.groups.tolist() == plain.groups.tolist()
    assert together.labels.tolist() == plain.labels.tolist()
    for (one, images), (other, expected) in zip(
        together.batches(batch), plain.batches(batch), strict=True
    ):
        assert one.tolist() == other.tolist()
        assert images.equal(expected)


def test_what_was_left_out_of_each_set_is_kept():
    sets = [FaceDataset.from_arrays(pixels(2, seed), [0, 1]) for seed in (0, 1)]
    for number, faces in enumerate(sets):
        faces.skipped = (Skipped(f"{number}.png", "damaged"),)
    assert [one.where for one in FaceDataset.concatenate(sets).skipped] == ["0.png", "1.png"]


@pytest.mark.parametrize("sizes", [(4, 8), (8, 4, 8), ()])
def test_sets_of_other_sizes_or_none_are_refused(sizes):
    sets = [FaceDataset.from_arrays(pixels(2, 0, size), [0, 1]) for size in sizes]
    with pytest.raises(ImageContractError, match=r"have one size, not \["):
        FaceDataset.concatenate(sets)


def test_a_subset_without_a_copy_reads_the_same_pixels_later():
    images = pixels(6, seed=1)
    faces = FaceDataset.from_arrays(images, [0, 1, 0, 1, 0, 1])
    chosen = [4, 0, 4]
    copied, later = faces.subset(chosen), faces.subset(chosen, copy=False)
    assert later.fingerprint() == copied.fingerprint()
    assert later.names == copied.names
    assert later.labels.tolist() == copied.labels.tolist() == [0, 0, 0]
    images[4] = 7  # read when asked for
    assert later.batch([2]).unique().tolist() == [7]


def test_each_face_comes_from_the_chosen_version():
    versions = [FaceDataset.from_arrays(pixels(5, seed), [0, 1, 0, 1, 1]) for seed in range(3)]
    numbers = np.array([2, 0, 1, 1, 0])
    chosen = FaceDataset.choose(versions, numbers)
    expected = np.stack([versions[n].images[row] for row, n in enumerate(numbers)])
    np.testing.assert_array_equal(chosen.images[:], expected)
    assert chosen.labels.tolist() == [0, 1, 0, 1, 1]
    assert chosen.images.nbytes == versions[0].images.nbytes


def test_faces_can_have_other_labels():
    faces = FaceDataset.from_arrays(pixels(2, seed=0), [0, 1])
    other = faces.relabelled(faces.labels[::-1].copy())
    assert other.labels.tolist() == [1, 0]
    assert other.fingerprint() == faces.fingerprint()
