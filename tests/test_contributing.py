"""CONTRIBUTING.md shows the files of the plug-in package that the tests install."""

import re
import tomllib

import pytest

from pages import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TOYS = ROOT / "tests" / "plugins" / "demagnify_toys"
FILES = sorted(
    path for path in (TOYS / "src" / "demagnify_toys").glob("*.py") if path.name != "__init__.py"
)


@pytest.mark.parametrize("path", [TOYS / "pyproject.toml", *FILES], ids=lambda path: path.name)
def test_each_file_stands_in_contributing(path):
    assert f"\n{path.read_text(encoding='utf-8')}```\n" in PAGE


def test_contributing_shows_no_other_code():
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert sorted(shown) == sorted(path.read_text(encoding="utf-8") for path in FILES)


def test_the_site_shows_contributing():
    assert (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8") == PAGE


def test_pages_list_the_rooms_in_their_order():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    rooms = [layer.removeprefix("demagnify.") for layer in reversed(contract["layers"])]
    order = PAGE[PAGE.index("## Order of the rooms") : PAGE.index("## Words")]
    assert re.findall(r"`(\w+)`[,.]", order) == rooms
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", architecture, re.MULTILINE)
    assert listed == [*rooms, "weights"]
