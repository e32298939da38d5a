"""`demagnify attack`: attacked copies of face crops and photographs, with what belongs to them."""

import csv

import pytest
from PIL import Image
from toy_photos import ToyFinder, photograph

from demagnify.core import images
from demagnify.transforms import ATTACKS


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def labelled(photos):
    folder = photos("train/real/a.png", "train/fake/a.png", "test/fake/b.png", folder="faces")
    (folder / "metadata.csv").write_text(
        "file_name,label,split,group,camera\n"
        "train/real/a.png,real,train,a,X\n"
        "train/fake/a.png,fake,train,a,X\n"
        "test/fake/b.png,fake,test,b,Y\n"
    )
    return folder


@pytest.fixture
def attack(run, tmp_path):
    output = tmp_path / "out"
    return lambda *arguments: run(
        "attack",
        "--crops",
        *arguments,
        output,
        "--model",
        "bicubic",
        "--scale",
        2,
        "--device",
        "cpu",
    )


def test_copies_and_labels_are_written_and_summed_up(attack, labelled, tmp_path):
    ended = attack(labelled)
    assert (ended.code, ended.err) == (0, "")
    table = rows(tmp_path / "out" / "metadata.csv")
    kept = [[row[key] for key in ("label", "split", "group", "camera")] for row in table]
    assert kept == [
        ["real", "train", "a", "X"],
        ["fake", "train", "a", "X"],
        ["fake", "test", "b", "Y"],
    ]
    mean = sum(float(row["psnr"]) for row in table) / 3
    assert f"attacked 3 faces: PSNR {mean:.2f} dB" in ended.out
    for row in table:
        original, copy = (
            images.load(folder / row["file_name"]) for folder in (labelled, tmp_path / "out")
        )
        assert copy.shape == original.shape
        assert (copy != original).any()


def test_running_again_attacks_nothing_anew(attack, labelled, tmp_path, monkeypatch):
    first = attack(labelled)
    files = [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".png"]
    stamps = [path.stat().st_mtime_ns for path in files]

    def forbidden(self, batch):
        raise AssertionError("attacked again")

    monkeypatch.setattr("demagnify.transforms.resize.Bicubic.apply", forbidden)
    again = attack(labelled)
    assert (again.code, again.out) == (0, first.out)
    assert [path.stat().st_mtime_ns for path in files] == stamps


def test_a_bad_file_is_skipped_and_told(attack, photos, tmp_path):
    folder = photos("a.png", "b.png")
    (folder / "b.png").write_bytes(b"no photograph")
    ended = attack(folder)
    assert ended.code == 3
    assert len(ended.complaints) == 1
    assert ended.err.startswith("skipped b.png: ")
    assert "attacked 1 face" in ended.out
    assert [row["where"] for row in rows(tmp_path / "out" / "skipped.csv")] == ["b.png"]


def test_strict_stops_at_a_bad_file(attack, photos):
    folder = photos("a.png", "b.png")
    (folder / "a.png").write_bytes(b"")
    ended = attack("--strict", folder)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"demagnify: {folder / 'a.png'}: the file is empty\n"


def test_nothing_but_bad_files_is_an_error(attack, photos):
    folder = photos("a.png")
    (folder / "a.png").write_bytes(b"")
    ended = attack(folder)
    assert (ended.code, ended.out) == (1, "")
    assert "no face could be attacked; the first: a.png: the file is empty" in ended.err


def test_faces_too_small_for_the_scale_are_skipped(attack, photos):
    folder = photos("a.png")
    Image.fromarray(photograph(3, 14, 14)).save(folder / "small.png")
    ended = attack(folder)
    assert ended.code == 3
    assert "small.png" in ended.err
    assert "too small" in ended.err


def test_the_list_names_what_can_be_asked_for(run):
    ended = run("attack", "--list")
    assert ended.code == 0
    told = {name: " ".join(what) for name, *what in map(str.split, ended.lines)}
    assert list(told) == list(ATTACKS)
    assert told["srgan-x4"] == "SRGAN super-resolution x4, trained against a discriminator"
    assert told["edsr-liif-x3"].startswith("EDSR-baseline")
    assert told["bicubic-x2"] == "no network, to compare with"


def test_no_faces_are_told_with_a_hint(run):
    ended = run("attack")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "demagnify: no photographs were given (demagnify attack FOLDER OUTPUT)\n"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (["srgan-x3"], "no transform is called 'srgan-x3' (did you mean srgan-x4"),
        (["bicubic-x2", "--scale", "4"], "bicubic-x2 enlarges by 2, not by 4"),
        (["networks/none.pth"], "none.pth"),
        (["srgan-x4", "--device", "abacus"], "the device 'abacus' is not available"),
    ],
)
def test_an_attack_that_there_is_not_is_told(run, labelled, tmp_path, model, told):
    ended = run("attack", "--crops", labelled, tmp_path / "out", "--model", *model)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.complaints) == 1
    assert told in ended.err
    assert not (tmp_path / "out").exists()


def test_an_output_of_another_attack_is_refused(attack, run, labelled, tmp_path):
    attack(labelled)
    ended = run(
        "attack", "--crops", labelled, tmp_path / "out", "--model", "bicubic-x3", "--device", "cpu"
    )
    assert ended.code == 1
    assert "holds the result of an attack with another attack" in ended.err


@pytest.fixture
def attack_photos(run, tmp_path, monkeypatch):
    monkeypatch.setattr("demagnify.laundering.units.FaceFinder", ToyFinder)
    output = tmp_path / "out"
    return lambda *arguments: run("attack", *arguments, output, "--model", "bicubic-x2")


def test_photographs_are_told_from_crops_and_every_face_is_attacked(
    attack_photos, photos, tmp_path
):
    folder = photos("a.png", "b.png")
    Image.new("RGB", (80, 60), (90, 90, 90)).save(folder / "sky.png")
    ended = attack_photos(folder)
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines[0] == "taken for whole photographs; --crops if they are not"
    assert ended.lines[1].startswith("attacked 4 faces in 2 photographs: PSNR ")
    assert ended.sentences[2] == "1 are written unattacked: no face was found or chosen"
    assert max(len(line) for line in ended.lines if str(tmp_path) not in line) <= 80
    assert len(rows(tmp_path / "out" / "faces.csv")) == 4


def test_small_squares_are_taken_for_crops(attack_photos, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(photograph(0, 64, 64)).save(tmp_path / "in" / "a.png")
    ended = attack_photos(tmp_path / "in")
    assert ended.lines[0] == "taken for face crops; --photos if they are not"
    assert ended.lines[1].startswith("attacked 1 face: PSNR ")


def test_copies_keep_the_originals_format_where_asked(attack_photos, tmp_path):
    (tmp_path / "in" / "fake").mkdir(parents=True)
    (tmp_path / "in" / "real").mkdir()
    for label in ("real", "fake"):
        Image.fromarray(photograph(1)).save(tmp_path / "in" / label / "a.jpg", quality=81)
    options = ("--photos", "--save-as", "original", "--paste", "feather", "--faces", "fakes")
    ended = attack_photos(tmp_path / "in", *options)
    assert (ended.code, ended.err) == (0, "")
    assert "attacked 2 faces in 1 photograph" in ended.out
    for label in ("real", "fake"):
        with (
            Image.open(tmp_path / "in" / label / "a.jpg") as before,
            Image.open(tmp_path / "out" / label / "a.jpg") as after,
        ):
            assert after.quantization == before.quantization


def test_variants_are_passed_on(attack_photos, photos):
    ended = attack_photos(photos("a.png"), "--crops", "--variant", "sideways")
    assert ended.code == 2
    assert attack_photos(photos("a.png"), "--crops", "--variant", "fit-224").code == 0
