"""The hint that names an extra is a command that works where it is read."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from demagnify.core import extras
from demagnify.core.errors import BadConfigError

ROOT = Path(__file__).parents[2]


def test_every_extra_is_one_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*get_args(extras.Extra)} == {*project["optional-dependencies"]} - {"dev"}


@pytest.mark.parametrize("folder", [".", "src", "/"])
def test_a_checkout_is_named_by_a_path_that_leads_to_it(folder, monkeypatch):
    monkeypatch.chdir(ROOT / folder)
    place = re.fullmatch(r"pip install -e '(.+)\[ray\]'", extras.install("ray"))[1]
    assert Path(place).samefile(ROOT)


def test_an_installed_package_is_named_as_such(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "site" / "a" / "b" / "c.py"))
    assert extras.install("ray") == "pip install 'demagnify[ray]'"


def test_the_first_module_that_is_missing_is_named():
    with pytest.raises(BadConfigError, match="export needs no_such_one, which is not installed"):
        extras.need("research", "torch", "no_such_one", what="export needs")
