"""`demagnify reproduce`: the paper's experiment from an unpacked data set to its three tables."""

import json

from demagnify.evaluation import load_result
from demagnify.evaluation.reproduce import METHOD, ReproduceConfig, _preset
from field_sets import open_forensics


def test_the_papers_tables_come_from_an_unpacked_data_set(run, tmp_path):
    source = open_forensics(tmp_path / "set", ("Train", "Val", "Test-Dev"), photos=2)
    output = tmp_path / "paper"
    command = ("reproduce", source, output, "--fraction", "0.5", "--whole", "val,test")
    small = ("--weights", "none", "--epochs", 1, "--episodes", 40, "--device", "cpu")
    ended = run(*command, *small)
    assert ended.code == 0, ended.err
    result = load_result(output)
    assert {split.name: split.n for split in result.splits} == {"val": 6, "test": 6}
    card = json.loads((output / "detector" / "card.json").read_text())
    assert card["data"]["train"]["real"] == 2  # 1 of 2 photographs, with 2 real faces
    assert card["training"]["backbone"] == "resnet50"
    test = result.cell("test", "none", METHOD).metrics
    table = (output / "comparison.md").read_text()
    assert "| TPR | 68.09 |" in table
    assert "| FPR | 35.52 |" in table
    assert f"{100 * test['tpr'].value:.1f}" in table
    assert "87.00" in ended.out
    assert (output / "report.html").exists()

    again = run(*command, *small)
    assert again.code == 0, again.err
    assert (output / "comparison.md").read_text() == table


def test_a_misspelt_split_is_refused(run, tmp_path):
    source = open_forensics(tmp_path / "set", ("Train", "Val", "Test-Dev"), photos=2)
    ended = run("reproduce", source, tmp_path / "out", "--whole", "tset")
    assert ended.code == 1
    assert "train, val and test, not 'tset'" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_data_set_without_a_split_is_refused_before_the_work(run, tmp_path):
    source = open_forensics(tmp_path / "set", ("Train", "Val"), photos=2)
    ended = run("reproduce", source, tmp_path / "out")
    assert ended.code == 1
    assert "split 'test' (there are: train, val" in ended.err
    assert not (tmp_path / "out").exists()


def test_what_is_not_set_stays_as_the_preset_has_it(tmp_path):
    preset = tmp_path / "mine.yaml"
    preset.write_text("detector: {epochs: 3, weights: none.pth}\ndefense: {learner: {episodes: 7}}")
    keys = {"epochs": "epochs", "weights": "weights"}
    config = ReproduceConfig(preset=str(preset), weights=None)
    training = _preset(config, "detector", keys).detector
    assert (training.epochs, training.weights) == (3, None)
    agent = _preset(config, "defense", {"episodes": "learner.episodes"}).defense
    assert agent.learner.episodes == 7
