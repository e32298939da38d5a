"""`demagnify detect --defense` with folders that hold no sound defence."""

import json
import pickle
import shutil

import pytest
import torch

from demagnify.core import artifacts
from demagnify.core.sealed import write_sealed


@pytest.fixture
def folder(defense, tmp_path):
    return shutil.copytree(defense, tmp_path / "defense")


@pytest.fixture
def told(run, finder, photos):
    """Judges a photograph with a defence that must be refused, and returns the one line."""

    def judge(defense):
        ended = run("detect", photos("a.png"), "--defense", defense, "--device", "cpu")
        assert (ended.code, ended.out) == (1, "")
        assert len(ended.complaints) == 1
        assert ended.err.startswith("demagnify: ")
        return ended.err

    return judge


def change_card(folder, **values):
    path = folder / artifacts.CARD
    write_sealed(path, {**json.loads(path.read_text()), **values})


def test_the_sound_one_is_taken(run, finder, photos, folder):
    assert run("detect", photos("a.png"), "--defense", folder, "--device", "cpu").code == 0


def test_a_missing_one(told, tmp_path):
    assert "neither a folder nor a shipped one" in told(tmp_path / "none")


def test_a_folder_with_other_things(told, tmp_path):
    assert "card.json: there is no such file" in told(tmp_path)


@pytest.mark.parametrize("save", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_is_not_opened(told, tmp_path, save):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was opened",))

    path = tmp_path / "defense.pth"
    with path.open("wb") as file:
        save({"weights": Trap()}, file)
    assert "nothing says which network it belongs to" in told(path)


@pytest.mark.parametrize("part", [".", "detector"])
def test_weights_that_are_a_pickle_are_not_opened(told, folder, part):
    torch.save({"a": torch.zeros(3)}, folder / part / artifacts.WEIGHTS)
    assert "is a pickle" in told(folder)


@pytest.mark.parametrize("part", [".", "detector"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(told, folder, part, share):
    path = folder / part / artifacts.WEIGHTS
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "is damaged or cut off" in told(folder)


def test_weights_of_another_checkpoint(told, folder):
    path = folder / "detector" / artifacts.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "SHA-256 differs" in told(folder)


def test_a_truncated_card(told, folder):
    path = folder / artifacts.CARD
    path.write_text(path.read_text()[:40])
    assert "cannot be read as JSON" in told(folder)


@pytest.mark.parametrize("part", [".", "detector"])
def test_another_version(told, folder, part):
    change_card(folder / part, schema_version=99)
    said = told(folder)
    assert "has schema version 99" in said
    assert "train again" in said


def test_another_kind(told, folder):
    change_card(folder, kind="sculpture")
    assert "holds a sculpture, not a" in told(folder)


def test_a_defence_without_its_detector(told, folder):
    shutil.rmtree(folder / "detector")
    assert "an agent without its detector" in told(folder)


def test_an_action_that_this_version_does_not_know(told, folder):
    card = json.loads((folder / artifacts.CARD).read_text())
    text = json.dumps(card).replace("mask-center", "mask-centre")
    write_sealed(folder / artifacts.CARD, text)
    assert "no transform is called 'mask-centre-" in told(folder)
