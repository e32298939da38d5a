"""Names of files that are too long for the system are cut, and stay apart."""

import pytest

from demagnify.core.files import short_name


@pytest.mark.parametrize("letter", ["x", "é", "顔"])
def test_long_names_are_cut_and_stay_apart(letter):
    one, other = (letter * 200 + end for end in ("a", "b"))
    cut = {short_name(name, 200) for name in (one, other)}
    assert len(cut) == 2
    assert all(len(name.encode()) <= 213 for name in cut)
    assert short_name("a.png", 200) == "a.png"
