"""The README does what it says, and so do the commands and links of every page."""

import re
import shlex

import pytest

from pages import (
    BLOCK,
    GUIDES,
    PAGES,
    README,
    REASONS,
    ROOT,
    TOUR,
    blocks,
    commands,
    commands_of,
    complaint,
    leads_somewhere,
    names_nothing,
    run,
    runnable,
    steps,
)

EXAMPLES = {"data/test-00000-of-00002.parquet"}
"""Names of a reader's own files that look like ours."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_verbs_and_options_that_exist(page):
    wrong = [
        f"demagnify {shlex.join(words)}: {said}"
        for words, whole in commands(page)
        if (said := complaint(words, whole=whole))
    ]
    assert wrong == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_options_files_and_names_in_code_type_exist(page):
    assert [span for span in names_nothing(page) if span not in EXAMPLES] == []


def test_names_of_nothing_would_be_found(tmp_path):
    wrong = "`--no-such-option` `cli/nowhere.py` `docs/nowhere.md` `demagnify.nowhere`"
    right = "`--kills 1` `cli/app.py` `docs/` `demagnify.evaluate` `demagnify.trackers` `a/b.py`"
    (tmp_path / "page.md").write_text(f"{wrong} {right}")
    assert [f"`{span}`" for span in names_nothing(tmp_path / "page.md")] == wrong.split(" ")


def test_the_tour_shows_the_whole_loop():
    shown = {words[0] for words, whole in commands(TOUR) if whole and words}
    loop = {"sample", "train-detector", "attack", "adaptive-attack", "train-defense", "evaluate"}
    assert loop | {"detect", "harden"} <= shown


def test_the_readme_is_one_page():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
    shown = {words[0] for words, whole in commands(README) if whole and words}
    assert {"sample", "detect"} <= shown


def test_every_page_of_the_site_is_reached():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = [*(page for page in PAGES if page != README), *(ROOT / "docs" / "api").glob("*.md")]
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in shown]
    assert [page for page in pages if f": {page}\n" not in menu] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detekt", "a.jpg"], "no verb 'detekt'"),
        (["detect", "a.jpg", "--sav", "x"], "detect has no option '--sav'"),
        (["attack", "faces", "out", "--scale", "two"], "attack: "),
        (["train-defense", "out"], "train-defense: "),
        (["data", "prepair", "a"], "no verb 'data prepair'"),
        (["data", "prepare", "a", "b", "--viev", "face"], "data prepare has no option '--viev'"),
        (["data", "prepare", "a"], "data prepare: "),
        (["data", "prepare", "a", "b", "--view", "face"], ""),
        (["detect", "a.jpg", "--save", "x"], ""),
        (["VERB", "--help"], ""),
    ],
)
def test_wrong_commands_would_be_found(words, said):
    assert complaint(words, whole=True).startswith(said)
    assert bool(complaint(words, whole=True)) == bool(said)


def test_commands_are_found_in_a_script():
    script = (
        "cd x && demagnify detect a.jpg \\\n  --json | head  # demagnify nothing\ndemagnify demo\n"
    )
    assert list(commands_of(script)) == [["detect", "a.jpg", "--json"], ["demo"]]


def test_plain_commands_run_here_and_others_in_a_shell():
    script = "demagnify detect a.jpg \\\n  --json  # b\n\ndemagnify detect > x\nmkdir 'a b'\n"
    assert list(steps(script)) == [
        ["detect", "a.jpg", "--json"], "demagnify detect > x", "mkdir 'a b'"
    ]  # fmt: skip
    assert list(steps("cd x\ndemagnify demo\n")) == ["cd x\ndemagnify demo\n"]
    many = "demagnify attack a b --workers 2"
    assert list(steps(many)) == [many]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not re.match(r"\w+://|mailto:", link[0])]
    assert [link for link in inside if not leads_somewhere(page, *link)] == []


@pytest.mark.parametrize(
    ("link", "anchor", "leads"),
    [
        ("pages.md", "", True),
        ("pages.md", "a-code-name-and-2--3", True),
        ("", "here", True),
        ("", "there", False),
        ("other.md", "", False),
        ("pages.md", "a-code", False),
    ],
)
def test_links_that_lead_nowhere_would_be_found(link, anchor, leads, tmp_path):
    (tmp_path / "pages.md").write_text("# Pages\n\n## A `code-name`, and 2 + 3\n")
    (tmp_path / "page.md").write_text("# Here\n")
    assert leads_somewhere(tmp_path / "page.md", link, anchor) is leads


@pytest.mark.parametrize("page", [README, *GUIDES], ids=lambda page: page.name)
def test_what_is_not_run_says_why(page):
    reasons = [block.reason for block in blocks(page) if block.reason is not None]
    assert set(reasons) <= REASONS
    assert "not run" not in BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert runnable(page)


@pytest.mark.assets
@pytest.mark.slow
def test_the_readme_runs(asset, tmp_path, monkeypatch):
    for name in ("yunet", "celeba-999"):
        asset(name)
    folder, shims = tmp_path / "readme", tmp_path / "bin"
    folder.mkdir()
    shims.mkdir()
    monkeypatch.chdir(folder)
    run(README, shims)
