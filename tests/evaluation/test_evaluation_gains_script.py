"""`benchmarks/gains.py`: the picture of what attacks cost and what a defence wins back."""

import cv2
import pytest
from matplotlib.figure import Figure

import scripts
from demagnify.evaluation import evaluate_tables


@pytest.fixture(scope="module")
def script():
    return scripts.load("gains")


@pytest.fixture
def evaluated(tables, guided, settings, context, tmp_path):
    evaluate_tables(tables, [guided], settings=settings, context=context).save(
        tmp_path / "evaluated"
    )
    return tmp_path / "evaluated"


def test_a_panel_per_data_set_shows_every_attack_hardest_first(
    script, evaluated, tmp_path, monkeypatch
):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *args, **more: (drawn.append(self), save(self, *args, **more)),
    )
    sets = [f"--evaluation={name}={evaluated}" for name in ("toys", "dolls")]
    words = [tmp_path / "gains.png", "--defense=dqn", "--base=bare", *sets]
    scripts.run(script, monkeypatch, *words)
    assert cv2.imread(str(tmp_path / "gains.png")).shape[1] > 1000
    (figure,) = drawn
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes] == ["toys", "dolls"]
    axes = figure.axes[0]
    assert len(axes.get_yticklabels()) == 3
    bare = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert bare == sorted(bare)
    assert [one.get_text() for one in figure.legends[0].get_texts()] == [
        *("bare", "dqn", "untouched faces"),
    ]
