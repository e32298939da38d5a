"""`demagnify detect` on every kind of file that people have, good and bad."""

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_photos import photograph

from demagnify.inference.answers import SCOPE

SCOPE_LINE = f"scope of the default: {SCOPE}"
EXACT = ("--device", "cpu", "--precision", "float32")


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colour():
    return Image.fromarray(photograph())


def grey():
    return colour().convert("L")


def turned():
    """Lies on its side, and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(colour().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def animated():
    return encoded(
        colour(), "GIF", save_all=True, append_images=[Image.fromarray(photograph(1))], duration=99
    )


def with_alpha():
    image = colour().convert("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 20, 60))
    return image


def on_white():
    image = colour()
    image.paste((255, 255, 255), (0, 0, 20, 60))
    return image


def sixteen_bit():
    return Image.fromarray(np.asarray(grey()).astype(np.uint16) * 257)


def as_read(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


PALETTE = encoded(colour().quantize(64), "PNG")
CMYK = encoded(colour().convert("CMYK"), "TIFF")

TWINS = {
    "cmyk.tif": (CMYK, as_read(CMYK)),
    "grey.png": (encoded(grey(), "PNG"), grey().convert("RGB")),
    "alpha.png": (encoded(with_alpha(), "PNG"), on_white()),
    "deep.png": (encoded(sixteen_bit(), "PNG"), grey().convert("RGB")),
    "palette.png": (PALETTE, as_read(PALETTE)),
    "turned.png": (turned(), colour()),
    "animated.gif": (animated(), as_read(animated())),
    "webp.webp": (encoded(colour(), "WEBP", lossless=True), colour()),
}


def declared_png(width, height):
    """A small file that declares many pixels."""

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


WHOLE = encoded(colour(), "JPEG")

BAD = {
    "bomb.png": (declared_png(50_000, 50_000), "too many pixels"),
    "empty.jpg": (b"", "the file is empty"),
    "even.png": (encoded(Image.new("RGB", (64, 64), "teal"), "PNG"), "no face was found"),
    "one.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "1x1 pixels are too few"),
    "text.jpg": (b"Dear all,\nthe photograph is attached.\n", "not an image"),
    "truncated.jpg": (WHOLE[: len(WHOLE) // 2], "the image is damaged"),
    "truncated.png": (encoded(colour(), "PNG")[:3000], "the image is damaged"),
}


@pytest.fixture
def detect(run, finder, defense):
    return lambda *arguments: run("detect", "--defense", defense, *EXACT, *arguments)


@pytest.fixture
def bad(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def mixed(bad, photos):
    photos("a.png", "more/z.jpg")
    return bad


@pytest.mark.parametrize("name", TWINS)
def test_a_kind_of_file_is_judged_as_its_plain_twin(detect, tmp_path, name):
    data, twin = TWINS[name]
    (tmp_path / name).write_bytes(data)
    twin.save(tmp_path / "twin.bmp")
    ended = detect("--json", tmp_path / name, tmp_path / "twin.bmp")
    assert (ended.code, ended.err) == (0, "")
    one, other = map(json.loads, ended.lines)
    assert len(one["faces"]) == 2
    for face, its_twin in zip(one["faces"], other["faces"], strict=True):
        assert face["box"] == its_twin["box"]
        assert face["action"] == its_twin["action"]
        assert face["logit"] == pytest.approx(its_twin["logit"], abs=1e-5)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_alone_is_told_in_one_line_and_ends_with_1(detect, bad, name):
    ended = detect(bad / name)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.complaints) == 1
    assert ended.err.startswith(f"{bad / name}: ")
    assert BAD[name][1] in ended.err


def test_bad_files_among_good_ones_are_skipped_and_the_others_judged(detect, mixed):
    ended = detect(mixed)
    assert ended.code == 3
    named = [line.split(":")[0] for line in ended.complaints]
    assert named == [*(str(mixed / name) for name in BAD), "scope of the default"]
    judged = [str(mixed / "a.png")] * 2 + [str(mixed / "more" / "z.jpg")] * 2
    assert [line.split(":")[0] for line in ended.lines if line[0] != " "] == judged


def test_nothing_but_bad_files_ends_with_1(detect, bad):
    ended = detect(bad)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.complaints) == len(BAD)


def test_strict_stops_at_the_first_bad_file(detect, mixed):
    ended = detect("--strict", mixed)
    assert ended.code == 1
    assert {line.split(":")[0] for line in ended.lines if line[0] != " "} == {str(mixed / "a.png")}
    assert ended.complaints == [
        f"demagnify: {mixed / 'bomb.png'}: {BAD['bomb.png'][1]} to decode safely"
    ]


def test_strict_changes_nothing_where_all_is_well(detect, photos):
    folder = photos("a.png", "b.png")
    assert detect("--strict", folder) == detect(folder)


def test_json_tells_of_bad_files_in_the_same_stream(detect, mixed):
    ended = detect("--json", mixed)
    assert (ended.code, ended.err) == (3, "")
    told = {Path(one["file"]).name: one for one in map(json.loads, ended.lines)}
    assert set(told) == {*BAD, "a.png", "z.jpg"}
    for name, (_, reason) in BAD.items():
        assert reason in told[name]["problem"]
        assert told[name]["faces"] == []
    assert told["a.png"]["problem"] is None


def test_a_missing_file_is_told(detect, photos, tmp_path):
    ended = detect(tmp_path / "none.jpg")
    assert (ended.code, ended.err) == (1, f"{tmp_path / 'none.jpg'}: there is no such file\n")
    assert detect(tmp_path / "none.jpg", photos("a.png")).code == 3


def test_a_folder_without_photographs_is_told(detect, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    ended = detect(tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"demagnify: {tmp_path}: the folder holds no photograph or clip\n"


def refusing(method, refused):
    def guarded(self, *arguments):
        if self == refused:
            raise PermissionError(13, "Permission denied")
        return method(self, *arguments)

    return guarded


def test_an_unreadable_folder_is_told(detect, photos, monkeypatch):
    folder = photos("a.png")
    # Whoever runs the tests as root may read everything.
    monkeypatch.setattr(Path, "iterdir", refusing(Path.iterdir, folder))
    ended = detect(folder)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"demagnify: {folder}: cannot be read: Permission denied\n"


@pytest.fixture
def half_locked(photos, monkeypatch):
    folder = photos("a.png", "one/two/three/locked/b.png")
    scan = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return folder


def test_an_unreadable_folder_deeper_down_is_skipped(detect, half_locked):
    line = f"{half_locked / 'one/two/three/locked'}: cannot be read: Permission denied"
    ended = detect(half_locked)
    assert (ended.code, ended.complaints) == (3, [line, SCOPE_LINE])
    assert "face 1" in ended.out
    ended = detect("--strict", half_locked)
    assert (ended.code, ended.out, ended.err) == (1, "", f"demagnify: {line}\n")


def test_an_unreadable_folder_deeper_down_is_skipped_by_attacks(run, half_locked, tmp_path):
    how = ("--model", "bicubic", "--scale", 2, "--crops", "--device", "cpu")
    ended = run("attack", half_locked, tmp_path / "out", *how)
    assert ended.code == 3
    assert "skipped one/two/three/locked: cannot be read: Permission denied\n" in ended.err
    assert "locked" in (tmp_path / "out/skipped.csv").read_text()
    ended = run("attack", half_locked, tmp_path / "other", *how, "--strict")
    assert ended.code == 1


def test_an_unreadable_file_is_skipped(detect, photos, monkeypatch):
    folder = photos("a.png", "b.png")
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes, folder / "a.png"))
    ended = detect(folder)
    assert ended.code == 3
    refusal = f"{folder / 'a.png'}: cannot be read: Permission denied"
    assert ended.complaints == [refusal, SCOPE_LINE]


def test_the_face_finder_out_of_reach_is_one_line(run, defense, photos, monkeypatch):
    from demagnify.core import assets

    def unreachable(name):
        raise assets.UnreachableError(f"{name} is not in the cache", hint="connect once")

    monkeypatch.setattr(assets, "fetch", unreachable)
    ended = run("detect", "--defense", defense, photos("a.png"))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "demagnify: yunet is not in the cache (connect once)\n"


def test_the_longest_names_are_drawn(detect, tmp_path, photos):
    names = [letter * 251 + ".png" for letter in "ab"]
    photos(*names)
    ended = detect("--save", tmp_path / "drawn", *(tmp_path / "photos" / name for name in names))
    assert (ended.code, len(list((tmp_path / "drawn").iterdir()))) == (0, 2)
