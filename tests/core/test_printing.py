"""Names reach a terminal and a spreadsheet as text alone."""

import pytest

from demagnify.core.printing import cell, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred.png", r"a\x1b[31mred.png"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("fake\u202egnp.exe", r"fake\u202egnp.exe"),
        ("\u2066real\u2069", r"\u2066real\u2069"),
        ("two\nlines\rthree", r"two\nlines\rthree"),
        ("byte \udcff", r"byte \xff"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("é 网 👨‍👩‍👧 fine", "é 网 👨‍👩‍👧 fine"),
    ],
)
def test_what_is_no_letter_is_escaped(text, shown):
    assert printable(text) == shown


def test_lines_of_a_page_stay():
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", " =x"])
def test_a_formula_is_text_in_a_table_for_people(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5", "+3", "1e-5", "-1.5e+10", "a=b", "", 5, None, "-inf"])
def test_numbers_and_words_stay_as_they_are(value):
    assert cell(value) == value
