"""Tables on a terminal: nothing is cut, however narrow it is."""

import pytest

from demagnify.cli.console import plain_console, show_table

HEAD = ("attack", "no defence", "realesr-compact-x4 [best]")
ROWS = [
    ("srgan-x4+jpeg-75+srgan-x4", "71.2\n68-74", "80.1\n77-83"),
    ("realesrgan-x4plus", "60.5\n57-64", "70.3\n67-74"),
]


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_no_name_is_cut(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    show_table(plain_console(), HEAD, ROWS, title="Balanced accuracy")
    shown = capsys.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert max(map(len, shown.splitlines())) <= width
    whole = "".join(shown.split())
    for name in (*HEAD[1:2], *(row[0] for row in ROWS), "71.2", "67-74"):
        assert "".join(name.split()) in whole


def test_a_narrow_table_becomes_a_list_for_each_row(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    show_table(plain_console(), HEAD, ROWS)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "attack: srgan-x4+jpeg-75+srgan-x4"
    assert lines[1].split() == ["no", "defence", "71.2", "68-74"]


def test_no_word_is_broken_where_a_table_fits(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    rows = [("realesr-compact-x4", "-2.0 (-10.0 to +6.0)", "+1.2 (-3.4 to +5.5)", "3 / 4")]
    head = ("condition", "balanced accuracy", "area under the curve", "first / second right")
    show_table(plain_console(), head, rows)
    shown = capsys.readouterr().out
    for word in " ".join((*head, *rows[0])).split():
        assert word in shown


def test_a_comparison_of_rows_stays_within_eighty_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    interval = "-14.0 (-24.0 to -10.0)"
    rows = [("realesr-compact-x4+jpeg-75", *[interval] * 3, "14 / 15", "0.0017")]
    head = ("condition", "balanced accuracy", "AUC", "FPR", "only first / second right", "p (Holm)")
    show_table(plain_console(), head, rows)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "0.0017" in shown


def test_cells_get_what_is_left_before_headings(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    rows = [("a", "-14.0 (-24.0 to -10.0)", "1")]
    show_table(plain_console(), ("condition", "accuracy", "a heading of many words here"), rows)
    shown = capsys.readouterr().out
    assert rows[0][1] in shown
    assert "├" not in shown  # nothing is broken, so that no lines between rows are needed
