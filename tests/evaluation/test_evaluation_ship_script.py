"""`benchmarks/ship.py`: what it writes beside the package, and the tables that it prints."""

import json

import pytest
import torch

import scripts
from demagnify import detectors
from demagnify.detectors import Detector
from demagnify.evaluation import evaluate_tables


@pytest.fixture(scope="module")
def script():
    return scripts.load("ship")


def test_a_detector_is_shipped_with_words_and_figures(
    script, tables, guided, settings, context, tmp_path, monkeypatch, capsys
):
    evaluate_tables(tables, [guided], settings=settings, context=context).save(
        tmp_path / "evaluated"
    )
    made = detectors.create("test_efficientnet", input_size=32, device="cpu", seed=1)
    made.threshold = 0.25
    made.save(tmp_path / "made", {"training": {"epochs": 3}})
    (tmp_path / "words.json").write_text(json.dumps({"summary": "tiny"}))
    monkeypatch.setattr(script, "WEIGHTS", tmp_path / "weights")
    arguments = [tmp_path / "made", "tiny", "--words", tmp_path / "words.json", "--row", "dqn"]
    arguments += ["--evaluation", f"toys={tmp_path / 'evaluated'}", "--columns", "dqn"]
    scripts.run(script, monkeypatch, *arguments)

    folder = tmp_path / "weights" / "detectors" / "tiny"
    shipped = Detector.load(folder, device="cpu", precision="float32")
    assert (shipped.name, shipped.threshold) == ("tiny", 0.25)
    for before, after in zip(
        made.network.state_dict().values(), shipped.network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(after, before.half().to(before.dtype))
    card = json.loads((folder / "card.json").read_text())
    assert (card["summary"], card["training"]) == ("tiny", {"epochs": 3})
    rows = {row["attack"]: row for row in card["test"]["figures"]}
    assert list(rows) == ["none", "srgan-x4", "edsr-x2", "bicubic-x2"]
    assert {row["data"] for row in rows.values()} == {"toys"}
    printed = capsys.readouterr().out
    figure = rows["edsr-x2"]["balanced_accuracy"]
    said = f"{figure['value']} ({figure['low']}–{figure['high']})"  # noqa: RUF001
    assert f"| toys | edsr-x2 | {rows['edsr-x2']['faces']:,} in 40 | {said} | " in printed
    assert "| attack | undefended | dqn |" in printed
    assert "dqn − undefended, mean of " in printed  # noqa: RUF001
    (line,) = [line for line in printed.splitlines() if line.startswith("| edsr-x2 | ")]
    assert line.count(" / ") == 1  # the defence's recovered share, not the base's
    assert said in line
