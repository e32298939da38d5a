"""`benchmarks/attack_table.py` from the command line, on a few tiny faces."""

import csv

import pytest
import torch
from spandrel.architectures.Compact import Compact

import scripts
from demagnify import detectors
from tiny_faces import SIZE, write_faces


@pytest.fixture(scope="module")
def script():
    return scripts.load("attack_table")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("script")
    write_faces(folder / "faces", counts={"test": 6})
    for seed in (1, 2):
        detector = detectors.create("test_efficientnet", input_size=SIZE, device="cpu", seed=seed)
        detector.save(folder / f"detector{seed}", {})
    return folder


@pytest.fixture
def run(script, place, monkeypatch, capsys):
    def call(*options, attacks=("bicubic-x2",)):
        rows = [f"--attack={attack}" for attack in attacks]
        how = ["--resamples=20", "--device=cpu", "--precision=float32", f"--data={place}/faces=64"]
        arguments = [str(place / "out"), *how, *rows, *map(str, options)]
        capsys.readouterr()
        scripts.run(script, monkeypatch, *arguments)
        with (place / "out" / "attack-table.csv").open(newline="") as file:
            return list(csv.DictReader(file)), capsys.readouterr()

    return call


def test_it_writes_continues_and_extends_the_table(run, place):
    one = f"--detector={place}/detector1"
    rows, said = run(one)
    assert [row["attack"] for row in rows] == ["none", "bicubic-x2", "adaptive"]
    assert {(row["n"], row["size"], row["detector"]) for row in rows} == {("12", "64", "detector1")}
    assert "[1/3] faces: clean" in said.err
    assert "detector1 on faces, bicubic: " in said.out
    again, _ = run(one)
    assert again == rows
    more, _ = run(one, f"--detector=two={place}/detector2", attacks=("bicubic-x2", "bicubic-x4"))
    assert len(more) == 2 * 4
    assert {row["detector"] for row in more} == {"detector1", "two"}
    kept = [row for row in more if row["detector"] == "detector1" and row["attack"] != "adaptive"]
    assert kept[:2] == rows[:2]


def test_only_networks_in_bfloat16_are_marked(run, place):
    network = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=1, upscale=2)
    torch.save(network.state_dict(), place / "net.pth")
    attacks = ("bicubic-x2", f"{place}/net.pth")
    rows, _ = run(f"--detector={place}/detector1", "--bfloat16=*", attacks=attacks)
    marked = {row["attack"]: row["precision"] for row in rows}
    assert marked == {"none": "", "bicubic-x2": "", "net": "bfloat16", "adaptive": ""}
    assert "| net † |" in (place / "out" / "attack-table.md").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--detector=nobody"], "nobody"),
        (["--detector={place}/detector1", "--detector={place}/detector1"], "two detectors"),
        (["--detector={place}/detector1", "--split=trial"], "trial"),
        (["--detector={place}/detector1", "--attack=srgan-x3"], "srgan-x3"),
    ],
)
def test_bad_input_is_one_clear_line(run, place, options, told):
    with pytest.raises(SystemExit) as ended:
        run(*(option.format(place=place) for option in options))
    assert told in ended.value.code
    assert ended.value.code.startswith("attack_table: ")
    assert "\n" not in ended.value.code
