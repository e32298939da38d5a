"""Faces on their way to a network, decoded once and kept nowhere."""

import numpy as np
import pytest
import torch

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.data import Box, FaceDataset, FaceStream, Manifest, Record


@pytest.fixture
def manifest(tmp_path):
    """Seven faces, of which the third is damaged."""
    generator = np.random.default_rng(0)
    records = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        images.save_png(path, generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        records.append(Record(path, number % 2, "all", path.name))
    records[2].path.write_bytes(b"no image")
    return Manifest(records, root=tmp_path)


@pytest.mark.parametrize("batch_size", [1, 2, 6, 50])
def test_a_stream_gives_the_faces_that_open_gives(manifest, batch_size):
    faces = FaceDataset.open(manifest, size=32)
    stream = FaceStream(manifest, size=32, batch_size=batch_size, workers=2)
    for _ in range(2):
        indices, batches = zip(*stream, strict=True)
        assert np.concatenate(indices).tolist() == [0, 1, 3, 4, 5, 6]
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert torch.cat(batches).numpy().tolist() == faces.images.tolist()
        assert [skipped.where for skipped in stream.skipped] == ["2.png"]


def test_a_bad_file_stops_a_strict_stream(manifest):
    with pytest.raises(BadImageError, match=r"2\.png"):
        list(FaceStream(manifest, size=32, batch_size=2, strict=True))


def test_faces_that_are_not_cut_out_are_refused(manifest, tmp_path):
    uncut = Manifest(
        [Record(tmp_path / "0.png", 0, "all", "g", {}, Box(1, 1, 9, 9))], root=tmp_path
    )
    for read in (FaceStream, FaceDataset.open):
        with pytest.raises(BadManifestError, match=r"yet to be cut out .*\(demagnify data prepare"):
            read(uncut)
