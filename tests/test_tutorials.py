"""The tutorials run as scripts, and their pages show the code that they have now."""

import importlib.util
import re
import runpy
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import pytest

from pages import ROOT, complaint, environment, leads_somewhere

spec = importlib.util.spec_from_file_location("tutorials_page", ROOT / "docs" / "tutorials_page.py")
tutorials_page = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = tutorials_page
spec.loader.exec_module(tutorials_page)

TUTORIALS = sorted(tutorials_page.FOLDER.glob("*.py"))
APART = ("write-a-plug-in",)
"""It registers a transform. The others run in the tests' own process, which has imported torch."""
ASSETS = ("yunet", "celeba-999", "realesr-compact-x2")


def named(path):
    return path.stem


def test_there_are_five_and_the_site_has_them():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [path for path in TUTORIALS if f": tutorials/{path.stem}.md\n" not in menu] == []
    assert len(TUTORIALS) == 5


@pytest.mark.parametrize("path", TUTORIALS, ids=named)
def test_a_page_shows_the_cells_of_its_tutorial(path):
    text = path.with_suffix(".md").read_text("utf-8")
    place = 0
    for cell in tutorials_page.cells(path):
        found = text.find(cell.markdown(), place)
        assert found >= 0, f"python docs/tutorials_page.py {path.stem}"
        place = found + len(cell.markdown())


@pytest.mark.parametrize("path", TUTORIALS, ids=named)
def test_links_and_pictures_of_a_page_are_there(path):
    page = path.with_suffix(".md")
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text("utf-8"))
    inside = [link for link in links if not re.match(r"\w+://", link[0])]
    assert [link for link in inside if not leads_somewhere(page, *link)] == []
    drawn = {picture.name for picture in page.parent.glob(f"{path.stem}-*.png")}
    assert drawn == {link for link, _ in inside if link.endswith(".png")}


@pytest.mark.parametrize("path", TUTORIALS, ids=named)
def test_commands_in_the_text_exist(path):
    for cell in tutorials_page.cells(path):
        for words in re.findall(r"`demagnify ([^`]*)`", cell.source if cell.is_text else ""):
            assert not complaint(words.split(), whole=False)


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=named)
def test_a_tutorial_runs_as_a_script(path, asset, tmp_path, monkeypatch, capsys):
    for name in ASSETS:
        asset(name)
    folder, shims = tmp_path / "work", tmp_path / "bin"
    folder.mkdir()
    shims.mkdir()
    monkeypatch.chdir(folder)
    if path.stem in APART:
        command, variables = [sys.executable, path], {**environment(shims), "MPLBACKEND": "agg"}
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout
        return
    plt.switch_backend("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        runpy.run_path(str(path), run_name="__main__")
    plt.close("all")
    assert capsys.readouterr().out


def test_cells_are_told_apart(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("# %% [markdown]\n# # Title\n#\n# Text.\n\n# %% tags=['x']\nprint(1)\n")
    text, code = tutorials_page.cells(path)
    assert text.markdown() == "# Title\n\nText."
    assert code.markdown() == "```python\nprint(1)\n```"


def test_a_page_holds_what_is_printed_and_not_what_may_not_be_published(tmp_path):
    path = tmp_path / "a.py"
    draw = "import matplotlib.pyplot as plt\nplt.figure()\n"
    path.write_text(
        f"# %%\nprint(6 * 7)\n\n# %%\n{draw}\n# %% tags=['photographs']\n{draw}", "utf-8"
    )
    tutorials_page.write(path)
    page = path.with_suffix(".md").read_text("utf-8")
    assert "```text\n42\n```" in page
    assert "![What the cell draws](a-2-1.png)" in page
    assert [one.name for one in tmp_path.glob("*.png")] == ["a-2-1.png"]
    assert "not part of this repository" in page
