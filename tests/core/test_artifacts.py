import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError, BadOutputError
from demagnify.core.sealed import write_sealed

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "count": torch.tensor(7)}


@pytest.fixture
def folder(tmp_path) -> Path:
    artifacts.save(tmp_path / "thing", "detector", TENSORS, {"note": "größer"})
    return tmp_path / "thing"


def refuses(folder: Path, says: str, kind: str = "detector") -> None:
    with pytest.raises(BadArtifactError, match=says) as caught:
        artifacts.load(folder, kind)
    assert "\n" not in str(caught.value)


def test_what_is_saved_is_loaded(folder):
    loaded = artifacts.load(folder, "detector")
    assert loaded.kind == "detector"
    assert loaded.card["note"] == "größer"
    assert loaded.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(loaded.tensors[key], value) for key, value in TENSORS.items())


def test_shared_and_strided_tensors_are_saved_too(tmp_path):
    base = torch.arange(12.0).view(3, 4)
    artifacts.save(tmp_path / "t", "detector", {"a": base, "b": base, "c": base.t()}, {})
    loaded = artifacts.load(tmp_path / "t", "detector").tensors
    assert torch.equal(loaded["b"], base)
    assert torch.equal(loaded["c"], base.t())


def test_saving_again_replaces_all_of_it(folder):
    (folder / "old.txt").write_text("left over")
    artifacts.save(folder, "detector", {"other": torch.zeros(1)}, {})
    assert list(artifacts.load(folder, "detector").tensors) == ["other"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [artifacts.CARD, artifacts.WEIGHTS]
    )
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


def test_a_failing_save_leaves_the_old_one(folder):
    with pytest.raises(TypeError):
        artifacts.save(folder, "detector", TENSORS, {"not": {"json"}})
    assert artifacts.load(folder, "detector").card["note"] == "größer"
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


def test_a_card_cannot_pretend_to_be_another_kind(tmp_path):
    card = {"kind": "defense", "weights_sha256": "0", "schema_version": 9}
    artifacts.save(tmp_path / "t", "detector", TENSORS, card)
    assert artifacts.load(tmp_path / "t", "detector").kind == "detector"


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadOutputError):
        artifacts.save(tmp_path / "file" / "thing", "detector", TENSORS, {})


def test_missing_things_are_told(folder, tmp_path):
    refuses(tmp_path / "nothing", "there is no such file")
    (folder / artifacts.WEIGHTS).unlink()
    refuses(folder, r"weights.safetensors: there is no such file")


def test_another_kind_is_told(folder):
    refuses(folder, "holds a detector, not a defense", kind="defense")


def edit(folder: Path, **changes: object) -> None:
    card = json.loads((folder / artifacts.CARD).read_text())
    write_sealed(folder / artifacts.CARD, {**card, **changes})


def test_another_version_is_told(folder):
    edit(folder, schema_version=3)
    refuses(folder, "schema version 3; this demagnify reads 2")


def test_a_mixed_pair_is_told(folder, tmp_path):
    artifacts.save(tmp_path / "other", "detector", {"weight": torch.ones(2, 3)}, {})
    (tmp_path / "other" / artifacts.WEIGHTS).replace(folder / artifacts.WEIGHTS)
    refuses(folder, "SHA-256 differs")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"kind": "detector"}', "\xff"])
def test_a_card_that_is_none_is_told(folder, text):
    (folder / artifacts.CARD).write_bytes(text.encode("latin-1"))
    refuses(folder, "card.json")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.9, 0.999])
def test_a_cut_off_file_is_told(folder, share):
    data = (folder / artifacts.WEIGHTS).read_bytes()
    (folder / artifacts.WEIGHTS).write_bytes(data[: int(len(data) * share)])
    refuses(folder, "damaged or cut off")


@settings(max_examples=40)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_wrong_byte_is_noticed(tmp_path_factory, position, value):
    folder = tmp_path_factory.mktemp("a") / "thing"
    artifacts.save(folder, "detector", TENSORS, {})
    weights = folder / artifacts.WEIGHTS
    data = bytearray(weights.read_bytes())
    position %= len(data)
    data[position] = value if data[position] != value else value ^ 1
    weights.write_bytes(bytes(data))
    refuses(folder, "damaged|SHA-256|pickle")


class Trap:
    opened = False

    def __reduce__(self):
        return setattr, (Trap, "opened", True)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_is_never_opened(folder, protocol):
    trap = pickle.dumps({"w": Trap()}, protocol)
    (folder / artifacts.WEIGHTS).write_bytes(trap)
    refuses(folder, "pickle" if protocol >= 2 else "damaged")
    assert not Trap.opened


def test_a_torch_file_is_told_to_be_a_pickle(folder, tmp_path):
    torch.save(TENSORS, folder / artifacts.WEIGHTS)
    refuses(folder, "pickle")
    torch.save(TENSORS, tmp_path / "model.pth")
    refuses(tmp_path / "model.pth", "pickle")
    save_file(TENSORS, tmp_path / "model.safetensors")
    refuses(tmp_path / "model.safetensors", "is a file, not a folder")


def test_a_state_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "deep" / "state.safetensors"
    state = {"step": 3, "losses": [0.1, 1e-300, 2 / 3], "name": "größer"}
    artifacts.save_state(path, TENSORS, state)
    tensors, again = artifacts.load_state(path)
    assert again == state
    assert torch.equal(tensors["weight"], TENSORS["weight"])
    assert [file.name for file in path.parent.iterdir()] == ["state.safetensors"]


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_state_is_noticed(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("state") / "s"
    artifacts.save_state(path, TENSORS, {"step": 7})
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        tensors, state = artifacts.load_state(path)
    except BadArtifactError:
        return
    # White space of the header may change without a consequence.
    assert state == {"step": 7}
    assert all(torch.equal(tensors[key], value) for key, value in TENSORS.items())


def test_the_same_state_has_the_same_bytes(tmp_path):
    for number in range(8):
        artifacts.save_state(tmp_path / f"{number}", TENSORS, {"step": 7})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_a_state_without_tensors_is_one(tmp_path):
    artifacts.save_state(tmp_path / "s", {}, {"step": 0})
    assert artifacts.load_state(tmp_path / "s") == ({}, {"step": 0})


def test_bad_states_are_told_in_one_line(tmp_path):
    path = tmp_path / "state.safetensors"

    def refused(says: str) -> None:
        with pytest.raises(BadArtifactError, match=says) as caught:
            artifacts.load_state(path)
        assert "\n" not in str(caught.value)

    refused("there is no such file")
    save_file(TENSORS, path)
    refused("no training state")
    save_file(TENSORS, path, metadata={"state": "{}", "schema_version": "2"})
    refused("schema version 2")
    save_file(TENSORS, path, metadata={"state": "{oops", "schema_version": "1"})
    refused("damaged")
    torch.save(TENSORS, path)
    refused("pickle")
    path.write_bytes(b"short")
    refused("damaged")


@pytest.mark.parametrize("length", [0x0280, 0x0480, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path, length):
    """The first bytes of a safetensors file are a number, and every number occurs."""
    path = tmp_path / "state.safetensors"
    artifacts.save_state(path, {"w": torch.ones(2)}, {"pad": ""})
    content = path.read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")].rstrip()
    path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + content[-2 * 4 :])
    tensors, _ = artifacts.load_state(path)
    assert torch.equal(tensors["w"], torch.ones(2))
