"""Names, plug-ins and misspelt names."""

from importlib.metadata import EntryPoint

import pytest

from demagnify.core import registry as module
from demagnify.core.errors import BadConfigError, DemagnifyWarning, UnknownNameError
from demagnify.core.registry import Registry


def plugins(monkeypatch, *points):
    monkeypatch.setattr(
        module, "entry_points", lambda group: [p for p in points if p.group == group]
    )


def test_a_name_is_given_once():
    names = Registry[int]("number")
    names.add("one", 1)
    with pytest.raises(ValueError, match="registered already"):
        names.add("one", 2)
    assert "one" in names
    assert "two" not in names


def test_a_misspelt_name_gets_the_closest():
    names = Registry[int]("number")
    names.add("seven", 7)
    with pytest.raises(UnknownNameError, match="did you mean seven"):
        names.get("sevem")


def test_modules_of_the_package_register_themselves(tmp_path, monkeypatch):
    package = tmp_path / "toy_numbers"
    package.mkdir()
    package.joinpath("__init__.py").write_text(
        "from demagnify.core.registry import Registry\n"
        "NUMBERS = Registry('number', package='toy_numbers')\n"
    )
    package.joinpath("three.py").write_text(
        "from toy_numbers import NUMBERS\nNUMBERS.add('three', 3)\n"
    )
    package.joinpath("_hidden.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    from toy_numbers import NUMBERS

    assert list(NUMBERS) == ["three"]
    assert NUMBERS.get("three") == 3


def test_entry_points_and_python_names_are_found(monkeypatch):
    names = Registry[object]("number", group="toy.numbers")
    plugins(
        monkeypatch,
        EntryPoint("pi", "math:pi", "toy.numbers"),
        EntryPoint("other", "math:e", "toy.others"),
    )
    assert list(names) == ["pi"]
    assert names.get("pi") == pytest.approx(3.14159, abs=1e-5)
    assert names.get("math:e") == pytest.approx(2.71828, abs=1e-5)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (EntryPoint("broken", "no_such_module:x", "toy.numbers"), "cannot be imported"),
        (EntryPoint("one", "math:pi", "toy.numbers"), "takes the name"),
    ],
)
def test_a_broken_plug_in_is_one_line(monkeypatch, point, said):
    names = Registry[object]("number", group="toy.numbers")
    names.add("one", 1)
    plugins(monkeypatch, point)
    with pytest.warns(DemagnifyWarning, match=said) as told:
        assert names.get("one") == 1  # all else works without it
    assert "\n" not in str(told[0].message)
    if point.name != "one":
        with pytest.raises(BadConfigError, match=said):
            names.get(point.name)


def test_of_many_names_the_three_nearest_are_told():
    many = Registry[int]("number")
    for number in range(30):
        many.add(f"n{number:02d}", number)
    with pytest.raises(UnknownNameError, match=r"\(known: \w+, \w+, \w+ and 27 more\)"):
        many.get("zzzzzz")


def test_what_is_of_another_kind_is_refused(monkeypatch):
    errors = Registry[type[Exception]]("error", group="toy.errors", base=Exception)
    plugins(monkeypatch, EntryPoint("pi", "math:pi", "toy.errors"))
    assert errors.get("builtins:ValueError") is ValueError
    for name in ("pi", "math:e"):
        said = rf"'{name}' is no error \(it must be a subclass of Exception\)"
        with pytest.raises(BadConfigError, match=said):
            errors.get(name)
