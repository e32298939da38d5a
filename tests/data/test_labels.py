"""One vocabulary of labels for folders, tables, dataset cards and detector heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from demagnify.core.errors import BadManifestError
from demagnify.data import Manifest
from demagnify.data.labels import named_label, parse_label
from demagnify.detectors.heads import make_head

REALS = """
real Reals pristine original Originals genuine authentic bonafide bona-fide 0_real 1_real
training_real test-real nature natural Real_Faces real_images Celeb-real YouTube-real realFace REAL
""".split()  # noqa: SIM905
FAKES = """
fake Fakes manipulated forged forgery deepfake DeepFakes deep_fakes synthetic synthesis ai AI
1_fake 0_fake training_fake Celeb-synthesis ai_generated AI-generated generated synthesized
spoof tampered fake_faces FakeImages
""".split()  # noqa: SIM905
NEITHER = ["real_and_fake", "real_vs_fake_face", "not_real", "unreal", "cat", "", "12", "rail", "s"]


@pytest.mark.parametrize(("words", "label"), [(REALS, 0), (FAKES, 1), (NEITHER, None)])
def test_a_name_stands_for_a_label_in_the_words_of_the_field(
    words: list[str], label: int | None
) -> None:
    assert {word: named_label(word) for word in words} == dict.fromkeys(words, label)


def test_the_label_of_a_table_is_a_word_or_a_number() -> None:
    assert [parse_label(text) for text in ("pristine", "Manipulated", "1_fake", "0", "1.0")] == [
        0,
        1,
        1,
        0,
        1,
    ]
    for text in ("2", "cat", "true"):
        with pytest.raises(BadManifestError, match="unknown label"):
            parse_label(text)


def test_a_head_of_two_outputs_knows_the_same_words() -> None:
    head = make_head("two-logit", labels=("Deepfake", "Original"), detector="theirs")
    assert head.fake_index == 0
    assert make_head("two-logit", labels=("nature", "ai"), detector="theirs").fake_index == 1


def _folders(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff\xe0")
    return root


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("0_real", "1_fake"),
        ("training_real", "training_fake"),
        ("nature", "ai"),
        ("Original", "Manipulated"),
        ("real", "Fakes"),
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_folders_are_named_in_any_of_the_words(
    tmp_path: Path, real: str, fake: str, split: str
) -> None:
    _folders(tmp_path, f"{split}{real}/a.jpg", f"{split}{fake}/b.jpg")
    manifest = Manifest.load(tmp_path)
    assert dict(zip(manifest.names, manifest.labels.tolist(), strict=True)) == {
        f"{split}{real}/a.jpg": 0,
        f"{split}{fake}/b.jpg": 1,
    }


def test_several_folders_of_one_label_are_all_taken(tmp_path: Path) -> None:
    names = ("celeb-reals/a.jpg", "pristine/b.jpg", "celeb-synthesis/c.jpg")
    manifest = Manifest.load(_folders(tmp_path, *names))
    assert manifest.labels.tolist() == [0, 1, 0]


def test_unknown_folders_beside_known_ones_are_named(tmp_path: Path) -> None:
    _folders(tmp_path, "real/a.jpg", "fake/b.jpg", "other/c.jpg", "other/deep/d.jpg", "e.jpg")
    (tmp_path / "landmarks").mkdir()
    (tmp_path / "landmarks" / "a.npy").write_bytes(b"0")
    manifest = Manifest.load(tmp_path)
    assert [str(line) for line in manifest.skipped] == [
        "e.jpg: the image lies beside the folders of the labels, in none of them",
        "other: the folder's name says neither real nor fake; 2 files are left out",
    ]
    with pytest.raises(BadManifestError, match="the image lies beside"):
        Manifest.load(tmp_path, strict=True)


def test_unknown_folders_inside_of_and_beside_splits_are_named(tmp_path: Path) -> None:
    _folders(tmp_path, "train/real/a.jpg", "train/fake/b.jpg", "train/odd/c.jpg", "more/d.jpg")
    assert [line.where for line in Manifest.load(tmp_path).skipped] == ["more", "train/odd"]


def _table(folder: Path, text: str) -> Path:
    _folders(folder, "a.jpg", "b.jpg", "real/a.jpg", "Celeb-synthesis/b.jpg", "YouTube-real/a.jpg")
    (folder / "metadata.csv").write_text(text)
    return folder / "metadata.csv"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file_name,label,label_str\na.jpg,1,real\nb.jpg,0,fake\n", "label.*'1'.*label_str.*real"),
        ("file_name,label,class\na.jpg,0,Manipulated\n", "class.*Manipulated"),
        ("file_name,label,kind\na.jpg,1,original\nb.jpg,1,deepfake\n", "kind.*original"),
        ("file_name,label,is_fake\na.jpg,0,true\n", "is_fake.*true"),
        ("file_name,is_fake,label_name\na.jpg,1,genuine\n", "label_name.*genuine"),
        ("label,file_name\n1,YouTube-real/a.jpg\n0,Celeb-synthesis/b.jpg\n", "YouTube-real"),
        ("file_name,label\na.jpg,0\nreal/a.jpg,1\n", "line 3.*'1'.*real/a.jpg"),
        ("file_name,is_fake\nCeleb-synthesis/b.jpg,false\n", "Celeb-synthesis"),
    ],
)
def test_a_number_that_contradicts_a_word_is_refused_with_both(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(BadManifestError, match=named):
        Manifest.load(_table(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "file_name,label,label_str\na.jpg,0,real\nb.jpg,1,fake\n",
        "file_name,label\nreal/a.jpg,0\nCeleb-synthesis/b.jpg,1\n",
        "file_name,label,quality\na.jpg,0,original\nb.jpg,1,original\n",
        "file_name,label\nYouTube-real/a.jpg,original\nCeleb-synthesis/b.jpg,Deepfake\n",
    ],
)
def test_a_table_without_contradiction_is_read(tmp_path: Path, text: str) -> None:
    assert Manifest.load(_table(tmp_path, text)).labels.tolist() == [0, 1]


def test_names_in_the_dataset_card_may_be_any_of_the_words(tmp_path: Path) -> None:
    _table(tmp_path, "file_name,label\na.jpg,0\nb.jpg,1\n")
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n"
        "        names:\n          '0': ai_generated\n          '1': nature\n---\n"
    )
    assert Manifest.load(tmp_path).labels.tolist() == [1, 0]
