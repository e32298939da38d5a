"""`demagnify data prepare`: what it says, and how it ends."""

import pytest
from click.testing import CliRunner

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.app import app
from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError, DemagnifyError
from demagnify.data import Manifest
from field_sets import deepfake_bench, face_forensics, open_forensics, picture


@pytest.fixture
def root(tmp_path):
    return open_forensics(tmp_path / "OpenForensics")


def run(*words):
    """Runs the command; errors that `main` makes one line of come up as they are."""
    result = CliRunner().invoke(app, ["data", "prepare", *map(str, words)])
    if isinstance(result.exception, DemagnifyError):
        raise result.exception
    return result


def test_it_says_what_it_found_and_made(root, tmp_path):
    result = run(root, tmp_path / "out")
    assert result.exit_code == 0
    assert "openforensics, 12 labelled faces" in result.output
    assert "train: 8 real, 4 fake" in result.output
    assert "12 crops: 12 by the data set's boxes" in result.output
    assert len(Manifest.load(tmp_path / "out")) == 12


def test_the_scene_view_counts_what_contradicts_itself(root, tmp_path):
    result = run(root, tmp_path / "out", "--view", "scene", "--fraction", "0.5")
    assert "6 labels for 2 different images; 6 of the labels stand beside" in result.output
    made = Manifest.load(tmp_path / "out")
    assert len(made) == 6
    assert {images.load(record.path).shape for record in made} == {(64, 96, 3)}
    made.check_groups()


def test_what_was_left_out_is_told(root, tmp_path):
    (root / "Images/Train/photo-1.png").write_bytes(b"no image")
    result = run(root, tmp_path / "out")
    assert result.exit_code == EXIT_SOME_SKIPPED
    assert "skipped Images/Train/photo-1.png: not an image" in result.output


def test_settings_reach_the_format(tmp_path):
    root = face_forensics(tmp_path / "ff", methods=("Deepfakes",), frames=3)
    options = ("--no-face", "whole", "--frames", 2, "--method", "Deepfakes", "--size", 32)

    class Blind:
        def find(self, pixels):
            return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demagnify.data.prepare.folder.FaceFinder", Blind)
        result = run(root, tmp_path / "out", *options)
    assert result.exit_code == 0
    assert "no face in 24 photographs or frames: whole" in result.output
    assert "24 crops: 24 whole photographs without a face" in result.output


def test_a_setting_that_the_format_lacks_is_named(root, tmp_path):
    with pytest.raises(
        BadConfigError, match=r"^--frames or --set frames=.*frames is no known setting"
    ):
        run(root, tmp_path / "out", "--frames", 3)


def test_the_crops_of_deepfakebench_are_taken_as_they_are(tmp_path):
    source = deepfake_bench(tmp_path / "bench")
    result = run(source, tmp_path / "out")
    assert result.exit_code == 0
    made = Manifest.load(tmp_path / "out")
    assert {record.extra["face"] for record in made} == {"kept"}
    assert len(made) == len(Manifest.load(source))


def test_folders_without_splits_become_a_set_to_train_on(tmp_path):
    for label in ("real", "fake"):
        for number in range(30):
            name = f"mine/{label}/{label}-{number}.png"
            images.save_png(tmp_path / name, picture(number, 16, 16))
    with pytest.raises(BadManifestError, match="data prepare --new-splits makes some"):
        Manifest.load(tmp_path / "mine").split("train")
    for _ in range(2):
        result = run(tmp_path / "mine", tmp_path / "out", "--crops", "--new-splits")
        assert result.exit_code == 0
        assert "60 crops: 60 taken as they are" in result.output
        assert "note: no groups are known" in result.output
    made = Manifest.load(tmp_path / "out")
    made.check_groups()
    assert {counts.split for counts in made.describe()} == {"train", "val", "test"}
    assert set(made.split("train").labels) == {0, 1}
    assert len(made.split("train")) > 30


def test_new_splits_by_known_groups_need_no_note(tmp_path):
    lines = ["file_name,label,group"]
    for number in range(12):
        images.save_png(tmp_path / f"mine/{number}.png", picture(number, 16, 16))
        lines.append(f"{number}.png,{('real', 'fake')[number % 2]},clip-{number // 2}")
    (tmp_path / "mine/metadata.csv").write_text("\n".join(lines))
    result = run(tmp_path / "mine", tmp_path / "out", "--crops", "--new-splits")
    assert result.exit_code == 0
    assert "no groups are known" not in result.output
