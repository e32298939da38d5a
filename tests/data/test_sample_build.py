"""The whole sample set: repeatable, resumable, without leaks between splits or classes."""

import os

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_faces import draw_face

from demagnify.cli.app import app
from demagnify.core import files, images
from demagnify.core.errors import BadImageError, BadManifestError, BadOutputError
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import Manifest
from demagnify.data.sample import SampleConfig, build, build_sample
from demagnify.data.sample.portraits import METHODS
from demagnify.data.splits import split_of


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def make(tmp_path, photos, finder):
    def made(name="out", *, workers=None, finder=finder, **settings):
        config = SampleConfig(**{"photos": photos, **settings})
        return build_sample(tmp_path / name, config, workers=workers, finder=finder)

    return made


def test_each_photograph_gives_a_real_face_and_a_fake(make, tmp_path):
    manifest = make()
    assert len(manifest) == 32
    assert manifest.skipped == ()
    assert list(Manifest.load(tmp_path / "out", strict=True)) == list(manifest)
    assert all(images.load(record.path).shape == (224, 224, 3) for record in manifest)
    assert images.load(tmp_path / "out" / "contact_sheet.png").shape[1] > 1000
    real, fake = manifest[0], manifest[1]
    assert (real.label, fake.label, real.group) == (0, 1, fake.group)
    assert real.extra == {"method": "", "donor": ""}
    assert fake.extra["method"] in METHODS


def test_groups_and_donors_stay_in_their_split(make):
    manifest = make()
    manifest.check_groups()
    assert {record.group for record in manifest} >= {"00", "14", "more/15"}
    for record in manifest:
        assert record.split == split_of(record.group)
        if record.extra["donor"]:
            assert split_of(record.extra["donor"]) == record.split
            assert record.extra["donor"] != record.group
    assert any(record.extra["donor"] for record in manifest)


def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(make, tmp_path):
    make("one", workers=1)
    make("two", workers=4)
    make("other", seed=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    one, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    fakes = [name for name in one if "/fake/" in name]
    assert all(one[name] != other[name] for name in fakes)
    assert all(one[name] == other[name] for name in one if "/real/" in name)


def test_a_build_that_was_stopped_goes_on(make, tmp_path, monkeypatch):
    make("whole")
    written = 0
    save_png = images.save_png

    def stopping(path, pixels):
        nonlocal written
        written += 1
        if written > 15:
            raise KeyboardInterrupt
        save_png(path, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(images, "save_png", stopping)
        with pytest.raises(KeyboardInterrupt):
            make("stopped", workers=1)
    assert not (tmp_path / "stopped" / "metadata.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped").rglob("*/real/*.png")}
    assert kept
    make("stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    finished = [path for path in kept if path.parent.parent.joinpath("fake", path.name).exists()]
    assert sum(path.stat().st_mtime_ns == kept[path] for path in finished) >= 7


def test_what_a_killed_build_left_is_swept_by_one_that_renders_nothing(make, monkeypatch):
    first = make()
    left = first.root / "train/real/.000001.png.tmp-abcd1234"
    left.write_text("half")
    os.utime(left, (0, 0))
    monkeypatch.setattr(files, "_swept", set())  # as in another process
    make()
    assert not left.exists()


def test_a_second_build_renders_nothing(make, monkeypatch):
    first = make()
    monkeypatch.setattr(build, "make_fake", lambda *_, **__: pytest.fail("made a second time"))
    assert list(make()) == list(first)


def test_a_folder_with_another_sample_set_is_left_alone(make, tmp_path, photos):
    make()
    before = contents(tmp_path / "out")
    with pytest.raises(BadOutputError, match="another seed"):
        make(seed=1)
    (photos / "00.png").unlink()
    with pytest.raises(BadOutputError, match="another photographs"):
        make()
    assert contents(tmp_path / "out") == before


def test_both_classes_go_the_same_way(make):
    """Away from the blended region a fake shows what the real face shows."""
    manifest = make()
    reals = {record.group: record for record in manifest if record.label == 0}
    for fake in (record for record in manifest if record.label == 1):
        ours, theirs = (images.load(r.path).astype(int) for r in (fake, reals[fake.group]))
        difference = np.abs(ours - theirs).max(axis=2)
        for rows in (slice(24), slice(-24, None)):
            for columns in (slice(24), slice(-24, None)):
                assert difference[rows, columns].max() <= 3  # another codec path: more than 10
        assert difference[60:160, 60:160].max() > 12


def test_a_real_face_is_its_photograph_after_one_jpeg(make, photos, finder):
    manifest = make()
    real = next(record for record in manifest if record.group == "00")
    portrait = build.find_portrait(photos / "00.png", "00", finder)
    jpeg = images.decode(images.encode_jpeg(portrait.pixels(), quality=build.JPEG_QUALITY))
    assert np.array_equal(images.load(real.path), portrait.crop(jpeg, 224))


def test_photographs_without_a_face_are_left_out_with_the_reason(make, photos):
    images.save_png(photos / "landscape.png", draw_face(99)[0])
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (photos / "00.jpg").write_bytes((photos / "01.png").read_bytes())
    manifest = make()
    reasons = {s.where.rsplit("/", 1)[-1]: s.reason for s in manifest.skipped}
    assert reasons.keys() == {"landscape.png", "broken.jpg", "00.png"}
    assert reasons["landscape.png"] == "no face was found"
    assert "another file" in reasons["00.png"]
    assert len(manifest) == 32


def test_a_count_takes_the_first_by_name(make):
    assert {record.group for record in make(count=5)} == {f"{number:02d}" for number in range(5)}


def test_output_inside_the_photographs_is_not_read_as_photographs(make, photos):
    first = make(photos / "sample")
    assert list(make(photos / "sample")) == list(first)


def test_folders_without_use_are_refused(make, tmp_path):
    with pytest.raises(BadImageError, match="there is no such folder"):
        make(photos=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadManifestError, match="no photograph can be used"):
        make(photos=tmp_path / "empty")


@pytest.mark.assets
def test_swaps_of_photographs_still_are_faces(asset, tmp_path):
    asset("yunet")
    asset("celeba-999")
    manifest = build_sample(tmp_path / "out", SampleConfig(count=24))
    again = build_sample(tmp_path / "again", SampleConfig(count=24))
    faces = FaceDataset.open(manifest, strict=True)
    assert faces.fingerprint() == FaceDataset.open(again).fingerprint()
    assert len(faces) >= 46
    finder = build.FaceFinder()
    found = [finder.find(pixels) for pixels in images.from_batch(faces.batch(range(len(faces))))]
    assert np.mean([bool(f) for f in found]) > 0.95


def test_the_command_says_what_few_pairs_are_no_good_for(photos, finder, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "FaceFinder", lambda: finder)
    result = CliRunner().invoke(app, ["sample", str(tmp_path / "out"), "--photos", str(photos)])
    assert result.exit_code == 0
    assert "pairs: training needs val" in result.output
