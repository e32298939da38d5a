"""What the shell sees: 3 where something was left out, 0 where nothing was, whatever the names."""

import subprocess
import sys

import pytest
from PIL import Image

from demagnify.data import Manifest

VERBS = {
    "describe": ("data", "describe", "{set}"),
    "prepare": ("data", "prepare", "{set}", "{out}", "--crops"),
    "attack": ("attack", "{set}", "{out}", "--model", "jpeg-75", "--crops"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_bad_file_gives_3_and_a_line_break_in_a_name_does_no_harm(
    verb, run, tmp_path, monkeypatch
):
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(2):
            level = 40 * number + 100 * (label == "fake")
            name = f"{number}\n{number}.png"
            Image.new("RGB", (48, 48), (level, 9, 9)).save(tmp_path / "set" / label / name)
    bad = tmp_path / "set" / "real" / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    places = {"set": tmp_path / "set", "out": tmp_path / "out"}
    words = [word.format(**places) for word in VERBS[verb]]
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    ended = run(*words)
    assert ended.code == 3, ended.err
    assert "bad.png" in ended.out + ended.err
    assert "Traceback" not in ended.err
    if (tmp_path / "out").exists():
        manifest = Manifest.load(tmp_path / "out", strict=True)
        assert sorted(manifest.labels.tolist()) == [0, 0, 1, 1]
        assert all("\n" in record.path.name and record.path.is_file() for record in manifest)
    if verb == "describe":
        command = [sys.executable, "-m", "demagnify", *words]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 3
        bad.unlink()
        assert run(*words).code == 0
