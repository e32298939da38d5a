"""Faces cut out in units: the same crops and tables as in one process, whatever dies."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.engine import EngineOptions
from demagnify.core.errors import BadImageError, DemagnifyWarning
from demagnify.data import Manifest
from demagnify.data.face_finding import Face
from demagnify.data.manifest import ManifestBuilder
from demagnify.data.prepare import PrepareConfig, prepare
from field_sets import open_forensics, picture


@dataclass(frozen=True)
class DyingFinder:
    """Finds a face, none in dark photographs, and dies over bright ones: once, or each time."""

    home: Path
    driver: int

    def find(self, pixels):
        level = int(pixels.mean())
        if level > 200 and os.getpid() != self.driver:
            flag = self.home / f"died-{level}"
            if level > 250 or not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        marks = np.zeros((5, 2), dtype=np.float32)
        return [] if level < 20 else [Face((10.0, 12.0, 16.0, 14.0), marks, 0.9)]


@pytest.fixture
def photos(tmp_path):
    """Photographs, of which one is broken, one has no face, and one kills its process once."""
    builder = ManifestBuilder(tmp_path / "photos")
    for number in range(9):
        pixels = picture(number)
        if number in (3, 5):
            pixels = np.full_like(pixels, {3: 210, 5: 5}[number])
        images.save_png(tmp_path / f"photos/{number}.png", pixels)
        builder.add_row(f"{number}.png", number % 2, "train", f"g{number}")
    (tmp_path / "photos/2.png").write_bytes(b"broken")
    return builder.build()


def content(folder):
    files = [path for kind in ("*.png", "*.csv") for path in folder.glob(kind)]
    return {path.name: path.read_bytes() for path in files}


def test_a_data_set_with_boxes_gives_the_same_crops(tmp_path):
    manifest = Manifest.load(open_forensics(tmp_path / "OpenForensics"))
    alone = prepare(manifest, tmp_path / "alone")
    options = EngineOptions(workers=0, unit=2)
    shared = prepare(manifest, tmp_path / "shared", options=options)
    assert shared.ways == alone.ways == {"given": 12}
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    crop = shared.manifest[0].path
    before = crop.read_bytes()
    crop.write_bytes(b"")
    with pytest.warns(DemagnifyWarning, match="is made again"):
        prepare(manifest, tmp_path / "shared", options=options)
    assert crop.read_bytes() == before


@pytest.mark.slow
def test_a_worker_that_dies_loses_no_face(photos, tmp_path):
    finder = DyingFinder(tmp_path, os.getpid())
    alone = prepare(photos, tmp_path / "alone", finder=finder)
    options = EngineOptions(workers=2, unit=2)
    shared = prepare(photos, tmp_path / "shared", finder=finder, options=options)
    assert (tmp_path / "died-210").exists()
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert shared.skipped == alone.skipped
    assert [one.where for one in shared.skipped] == ["2.png", "5.png"]
    # Over this one each process dies: it is listed, and the driver does not try it.
    images.save_png(tmp_path / "photos/3.png", np.full((48, 64, 3), 255, np.uint8))
    listed = prepare(photos, tmp_path / "listed", finder=finder, options=options)
    assert [(one.where, "died" in one.reason) for one in listed.skipped] == [
        ("2.png", False),
        ("3.png", True),
        ("5.png", False),
    ]
    assert len(listed.manifest) == 6


@pytest.mark.parametrize(
    ("config", "strict", "message"),
    [
        (PrepareConfig(), True, "^2.png: .*(cannot|image)"),
        (PrepareConfig(no_face="fail"), False, "no face was found"),
    ],
)
def test_strict_work_ends_at_the_first_bad_file(photos, tmp_path, config, strict, message):
    options = EngineOptions(workers=0, unit=1)
    finder = DyingFinder(tmp_path, os.getpid())
    if not strict:
        (tmp_path / "photos/2.png").unlink()
        images.save_png(tmp_path / "photos/2.png", picture(2))
    with pytest.raises(BadImageError, match=message):
        prepare(photos, tmp_path / "out", config, finder=finder, strict=strict, options=options)
