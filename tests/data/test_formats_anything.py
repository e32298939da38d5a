"""Whatever stands in an annotation file, it is read, left out or refused; nothing else happens."""

import json
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demagnify.core.errors import DemagnifyError
from demagnify.data import Manifest
from field_sets import FF_SPLITS, coco, deepfake_bench, face_forensics, open_forensics, write_json

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, 10**400, 1e308]),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(["real", "fake", "..", "/", "\\", "a\0", "Images/Train/photo-0.png", "c23"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
QUICK = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value, place=()):
    """Yields the way to every value inside a JSON value, itself included."""
    yield place
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        yield from places(inner, (*place, key))


def with_value(content, place, value):
    """Returns a copy of a JSON value with another value at a place."""
    if not place:
        return value
    changed = json.loads(json.dumps(content))
    node = changed
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


def read(path, format_name):
    """Reads the manifest, in every way that a user may."""
    for strict in (False, True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                manifest = Manifest.load(path, format=format_name, strict=strict)
        except DemagnifyError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert len(manifest) > 0
            assert all(record.path.is_file() for record in manifest)
            assert all(record.label in (0, 1) for record in manifest)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("field")


CONTENT = coco(photos=2, faces=2)


@QUICK
@given(place=st.sampled_from(list(places(CONTENT))), value=VALUES)
def test_any_value_anywhere_in_a_coco_file(root, place, value):
    folder = root / "of"
    if not folder.exists():
        open_forensics(folder, photos=2)
    write_json(folder / "Train_poly.json", with_value(CONTENT, place, value))
    read(folder, "openforensics")


@QUICK
@given(data=st.data(), value=VALUES)
def test_any_value_anywhere_in_a_file_of_deepfakebench(root, data, value):
    folder = root / "bench"
    if not folder.exists():
        deepfake_bench(folder)
        (folder / "dataset_json/FF-DF.json").rename(folder / "whole.json")
    content = json.loads((folder / "whole.json").read_text())
    place = data.draw(st.sampled_from(list(places(content))))
    read(write_json(folder / "x.json", with_value(content, place, value)), "deepfakebench")


@QUICK
@given(place=st.sampled_from(list(places(FF_SPLITS["train"]))), value=VALUES)
def test_any_value_anywhere_in_a_split_file(root, place, value):
    folder = root / "ff"
    if not folder.exists():
        face_forensics(folder, methods=("FaceSwap",), frames=2)
    write_json(folder / "splits/train.json", with_value(FF_SPLITS["train"], place, value))
    read(folder, "faceforensics")


@QUICK
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_any_bytes_as_a_json_file(root, content):
    path = root / "any_poly.json"
    path.write_bytes(content)
    for name in (None, "deepfakebench"):
        read(path, name)


@QUICK
@given(cut=st.integers(0, 2000))
def test_a_file_cut_off_anywhere(root, cut):
    folder = root / "cut"
    if not folder.exists():
        open_forensics(folder, photos=2)
        (folder / "Train_poly.json").rename(folder / "whole.json")
    whole = (folder / "whole.json").read_bytes()
    (folder / "Train_poly.json").write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(DemagnifyError, match=r"cut off|empty"):
        Manifest.load(folder)
