"""An attack in units writes what an attack in one process writes."""

import numpy as np
import pytest
from PIL import Image

from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadConfigError
from demagnify.laundering.attack import attack
from demagnify.laundering.config import AttackConfig
from demagnify.transforms.resize import Bicubic

CONFIG = AttackConfig(attack="bicubic-x2", content="crops", device="cpu")


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        path = tmp_path / "faces" / ("real", "fake")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    (tmp_path / "faces/real/broken.png").write_bytes(b"broken")
    return tmp_path / "faces"


def content(folder):
    files = [path for path in folder.rglob("*.png") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files} | {
        path.name: path.read_text() for path in folder.glob("*.csv")
    }


def test_copies_and_tables_are_the_same_and_damage_is_mended(source, tmp_path):
    alone = attack(source, tmp_path / "alone", CONFIG)
    options = EngineOptions(workers=0, unit=2)
    shared = attack(source, tmp_path / "shared", CONFIG, options=options)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert (shared.photos, shared.skipped) == (alone.photos, alone.skipped)
    assert shared.quality == alone.quality
    (tmp_path / "shared/fake/1.png").write_bytes(b"")  # after the workers wrote it
    said: list[str] = []
    attack(source, tmp_path / "shared", CONFIG, options=options, log=said.append)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert len(said) == 1


def test_objects_are_not_sent_to_workers(source, tmp_path):
    with pytest.raises(BadConfigError, match="objects cannot be sent"):
        attack(source, tmp_path / "out", transform=Bicubic(2), options=EngineOptions())
