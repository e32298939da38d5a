"""The script that makes the calibration of the shipped default, on small sets."""

import sys

import scripts
from demagnify.core.files import sha256
from demagnify.inference.calibration import FILE, Calibration
from demagnify.inference.conditions import ConditionTable
from demagnify.inference.enhancement import EnhancementRecognizer
from tiny_faces import write_faces


def test_one_command_makes_the_whole_calibration(monkeypatch, tmp_path, capsys):
    script = scripts.load("calibrate_default")
    monkeypatch.setattr(script, "ATTACKS", ("bicubic-x2",))
    for seed, name in enumerate((*script.IN_SCOPE, *script.OUTSIDE)):
        write_faces(tmp_path / name, seed=seed, counts={"val": 6, "test": 4})
    options = ["--defense", "light", "--enhancer", "bicubic-x4", "--target-fpr", "0.2"]
    command = ["calibrate_default.py", str(tmp_path), str(tmp_path / "out"), *options]
    monkeypatch.setattr(sys, "argv", [*command, "--target-fnr", "0.2"])
    script.main()
    said = capsys.readouterr().out
    made = Calibration.read(tmp_path / "out" / "calibration.json")
    assert made.parts["any"].real_groups == 4 * 6
    assert made.parts["any"].fake_groups == 2 * 6  # fakes of the other two are of other kinds
    assert made.conditions["bicubic-x4"] == made.conditions["bicubic-x4+jpeg-75"] == 36
    assert made.recognizer == EnhancementRecognizer.load().sha256
    digest = sha256(tmp_path / "out" / FILE)
    table = ConditionTable.beside(tmp_path / "out", made.fingerprint, digest)
    assert {one.enhancement for one in table.conditions} <= set(made.parts)
    assert "| composite | laundered |" in said
    assert "| by answer |" in said
    script.main()  # from the kept logits
    assert sha256(tmp_path / "out" / FILE) == digest
