"""The report: made from the run folder alone, stands by itself, tells what the figures say."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from demagnify.agents.predictors import Predictions, Predictor
from demagnify.cli.console import plain_console, show_figures
from demagnify.core.errors import BadArtifactError
from demagnify.core.printing import listed
from demagnify.evaluation import Context, Settings, evaluate_tables
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report import all_tables, figures, markup, story, tables, write_report
from demagnify.evaluation.report.figures import recovered_shares
from demagnify.evaluation.report.page import render, residual
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.summary import recovery_table
from demagnify.evaluation.report.tables import Entry, Table
from demagnify.evaluation.words import (
    mean_and_sd,
    p_value,
    percent,
    points,
    sign,
    with_point_span,
    with_span,
)

VOID = {"meta", "img", "br", "link", "input"}


@pytest.fixture(scope="module")
def evaluation(tables, guided, settings, context):
    return evaluate_tables(tables, [guided], settings=settings, context=context)


@pytest.fixture(scope="module")
def result(evaluation):
    return evaluation.result


@pytest.fixture(scope="module")
def folder(evaluation, tmp_path_factory):
    return evaluation.save(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def files(folder):
    return write_report(folder)


class Page(HTMLParser):
    """Checks nesting and collects what the tests ask about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.images, self.words, self.tables = [], [], [], [], 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[key] for key in ("src", "href", "srcset", "data") if key in attrs]
        self.tables += tag == "table"
        if tag == "img":
            self.images.append(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(files):
    return Page(files.html.read_text(encoding="utf-8"))


def test_the_page_is_dark_where_wanted_and_as_wide_as_a_phone(files, folder, looked_at):
    seen = {}
    for scheme, page in looked_at((folder / "report.html").as_uri()):
        seen[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        if page.viewport_size["width"] < 500:  # names that stay in sight leave room for figures
            widest = "all => Math.max(...all.map(one => one.getBoundingClientRect().width))"
            rows = page.locator("table:not(.stack) tbody th")
            rows.evaluate_all("all => all.forEach(one => one.prepend('a rather long name, '))")
            assert rows.evaluate_all(widest) < 200
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}


def test_the_page_stands_by_itself(files, page):
    html = files.html.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert all(link.startswith(("data:image/", "#")) for link in page.links)


def test_every_image_says_what_it_shows(page):
    assert len(page.images) >= 8
    assert all(len(image["alt"]) > 15 for image in page.images)


def test_the_page_holds_the_figures(page, result):
    cell = result.cell("test", "srgan-x4", "dqn").metrics["balanced_accuracy"]
    assert percent(cell.value) in page.text
    assert "n = 120 faces (40 real, 80 fake) in 40 groups" in page.text
    assert "demagnify evaluate runs/demo --seed 0" in page.text
    assert "the file is empty" in page.text
    quality = next(attack for attack in result.conditions if attack.name == "edsr-x2")
    assert f"{quality.psnr_mean:.1f} ± {quality.psnr_sd:.1f}" in page.text
    assert page.tables == len(all_tables(result)) + 1


def test_names_are_escaped(tables, guided, settings):
    context = Context(title="<script>alert(1)</script>", command="x && <b>")
    quick = settings.model_copy(update={"fit_baselines": False})
    html = render(evaluate_tables(tables, [guided], settings=quick, context=context).result)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def written(files):
    return files.html, files.markdown, files.latex


def test_the_report_needs_only_results_and_examples(folder, files, tmp_path):
    shutil.copy(folder / "results.json", tmp_path)
    shutil.copytree(folder / "examples", tmp_path / "examples")
    again = write_report(tmp_path)
    for one, other in zip(written(files), written(again), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_without_examples_the_strip_is_left_out(folder, tmp_path):
    shutil.copy(folder / "results.json", tmp_path)
    text = write_report(tmp_path, output=tmp_path / "out").html.read_text(encoding="utf-8")
    assert "<h2>Examples" not in text


def test_a_broken_run_gives_one_line(tmp_path):
    (tmp_path / "results.json").write_text('{"kind": "detector"}')
    with pytest.raises(BadArtifactError, match="not the result of an evaluation"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_latex_is_balanced_and_escaped(files):
    text = files.latex.read_text(encoding="utf-8")
    body = text.partition("\n")[2]
    plain = re.sub(r"\\[{}%&_#$]", "", body)
    assert plain.count("{") == plain.count("}")
    assert not re.search(r"(?<!\\)[%#]", body)
    assert "_" not in re.sub(r"\\_", "", body)
    begun = re.findall(r"\\begin\{(\w+)\}", body)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", body))
    for rows in re.findall(r"\\begin\{(?:tabular|longtable)\}\{([lr]+)\}(.*?)\\end", body, re.S):
        lines = [line for line in rows[1].splitlines() if " & " in line]
        assert lines
        assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {len(rows[0])}
    assert (
        body.count(r"\toprule")
        == body.count(r"\bottomrule")
        == begun.count("tabular") + begun.count("longtable")
    )
    assert body.isascii()


def test_markup_escapes_what_means_something():
    row = (Entry("x~y^z"), Entry("<\\>"))
    odd = Table(name="Odd_1", caption="50 % & more", head=("a_b", "c|d"), rows=(row,))
    latex = markup.latex([odd])
    assert r"50 \% \& more" in latex
    assert r"a\_b & c|d \\" in latex
    assert r"x\textasciitilde{}y\textasciicircum{}z" in latex
    assert r"\textless{}\textbackslash{}\textgreater{}" in latex
    assert r"c\|d" in markup.markdown("Title", [], [odd])


def test_markdown_rows_have_as_many_fields_as_heads(files):
    lines = files.markdown.read_text(encoding="utf-8").splitlines()
    rows = [len(re.split(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")]
    blocks = "".join("|" if line.startswith("|") else "\n" for line in lines).split()
    for block in blocks:
        found, rows = rows[: len(block)], rows[len(block) :]
        assert len(set(found)) == 1


def test_markdown_tells_what_happened(files, result):
    lines = files.markdown.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {story.story_of(result).headline}"
    assert lines[2].startswith("On the 120 faces of the test split")


def test_paired_verdicts_are_those_of_the_learned_defence(result):
    table = tables.paired_table(result)
    against = {(row[0].value, row[2].value) for row in table.rows}
    assert ("clean", "no defence") in against
    assert ("srgan-x4", "re-tuned threshold") in against
    assert {row[1].value for row in table.rows} == {"dqn"}


def test_paper_tables_are_before_after_and_test(result):
    one, two, three = tables.paper_tables(result)
    assert one.caption.startswith("Table 1. Validation, the detector alone: mean over 100 random")
    assert two.caption.startswith("Table 2. Validation, after the defence (dqn)")
    assert three.caption.startswith(
        "Table 3. After the defence (dqn), all faces once, in %, test split"
    )
    assert [row[0].value for row in one.rows[:5]] == ["TPR", "FPR", "TNR", "FNR", "Accuracy"]
    assert one.head == ("Metric", "clean", "srgan-x4", "bicubic-x2")


class Knowing(Predictor):
    """Is always right."""

    name = "knowing"

    def predict(self, table):
        logits = np.where(table.labels == 1, 1.0, -1.0).astype(np.float32)
        return Predictions(logits=logits, actions=None, threshold=0.0)


class Chosen(Predictor):
    """Takes the actions of a function of the table."""

    name = "policy"

    def __init__(self, actions):
        self.actions = actions

    def predict(self, table):
        actions = self.actions(table)
        logits = table.logits[np.arange(len(actions)), actions]
        return Predictions(logits=logits, actions=actions, threshold=table.threshold)


def told(tables, defenses, seen=("srgan-x4",)):
    context = Context(seen_attacks=seen)
    settings = Settings(resamples=200, fit_baselines=False)
    return story.story_of(
        evaluate_tables(tables, defenses, settings=settings, context=context).result
    )


def worst(table):
    return np.where(table.labels[:, None] == 1, table.logits, -table.logits).argmin(axis=1)


def test_a_gain_is_called_a_gain(tables):
    found = told(tables, [Knowing()])
    assert found.tone == "gain"
    assert re.fullmatch(r"The defence gains \d+\.\d points under unseen attacks", found.headline)
    assert "a gain of" in found.sentences[1]
    assert "of the damage undone" in found.sentences[1]


def test_a_gain_that_a_fixed_action_has_too_is_called_so(tables):
    found = told(tables, [Chosen(lambda table: np.full(len(table.labels), 3))])
    assert found.headline.endswith("but no more than a fixed action does")


def test_no_gain_is_called_no_gain(tables):
    found = told(tables, [Chosen(lambda table: np.zeros(len(table.labels), dtype=int))])
    assert found.tone == "even"
    assert found.headline == "The defence brings no clear gain"
    assert "no clear change, 0.0 points (0.0 to 0.0)" in found.sentences[1]


def test_harm_is_called_harm(tables):
    found = told(tables, [Chosen(worst)])
    assert found.tone == "harm"
    assert found.headline.startswith("The defence costs")


def test_unseen_is_not_said_where_nothing_was_seen_or_all_was(tables):
    every = ("srgan-x4", "edsr-x2", "bicubic-x2")
    for seen in ((), every):
        found = told(tables, [Knowing()], seen)
        assert found.headline.endswith("points under attack")


def test_nothing_learned_nothing_claimed(tables):
    found = told(tables, [])
    assert found.tone == "none"
    assert found.headline == "No learned defence was evaluated"


def test_no_attack_nothing_claimed(tables, guided):
    clean = {split: {"none": conditions["none"]} for split, conditions in tables.items()}
    evaluated = evaluate_tables(clean, [guided], settings=Settings(resamples=50))
    assert story.story_of(evaluated.result).headline == "No attack was evaluated"
    assert "No attack was evaluated" in render(evaluated.result)


def test_an_attack_without_damage_is_called_so(tables, guided):
    harmless = {split: {"none": one["none"], "copy": one["none"]} for split, one in tables.items()}
    found = told(harmless, [guided], seen=())
    assert "does no clear damage" in found.sentences[0]


def test_one_class_alone_still_gives_a_page(tables_of, guided):
    tables = tables_of(20)
    labels = np.ones_like(tables["test"]["none"].labels)
    for table in tables["test"].values():
        table.faces = table.faces.relabelled(labels)
    html = render(evaluate_tables(tables, [guided], settings=Settings(resamples=50)).result)
    assert "Whether the defence helps cannot be told" in html
    assert "there is no real face" in html


def test_pictures_follow_light_and_dark_and_are_the_same_each_time(result):
    first, again = figures.draw_all(result), figures.draw_all(result)
    assert [plot.title for plot in first] == [
        "Recovered share",
        "Every attack, with intervals",
        "Actions of the agent",
        "ROC curves",
        "Training of the agent",
        "Training of the detector",
    ]
    for one, other in zip(first, again, strict=True):
        assert one.svg == other.svg
        assert "prefers-color-scheme:dark" in one.svg
        assert "#0067a5;" in one.svg


def test_a_residual_is_signed_around_grey_and_eight_times():
    original = np.full((8, 8, 3), 100, dtype=np.uint8)
    attacked = original.copy()
    attacked[0, 0], attacked[0, 1], attacked[0, 2] = 103, 98, 200
    found = residual(original, attacked)
    assert found[0, :4, 0].tolist() == [152, 112, 255, 128]


def test_words():
    assert points(-0.0123) == "\N{MINUS SIGN}1.2"
    assert points(0.5) == "+50.0"
    assert points(-0.0001) == "0.0"
    assert percent(None) == "\N{EN DASH}"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert listed([]) == ""
    assert with_span(Estimate(value=0.5, low=0.4, high=0.6)) == "50.0 (40.0\N{EN DASH}60.0)"
    negative = Estimate(value=0.1, low=-0.2, high=0.5)
    assert with_span(negative) == "10.0 (\N{MINUS SIGN}20.0 to 50.0)"
    assert with_point_span(negative) == "+10.0 (\N{MINUS SIGN}20.0 to +50.0)"
    assert p_value(0.0004) == "<0.001"
    assert p_value(0.0312) == "0.031"
    assert mean_and_sd(None, None, 1) == "\N{EN DASH}"
    assert mean_and_sd(0.94, None, 3) == "0.940"
    assert sign(Estimate(value=0.1, low=-0.1, high=0.2)) == 0
    assert sign(Estimate(value=-0.1, low=-0.2, high=-0.05)) == -1


def test_a_share_of_damage_within_the_noise_is_not_shown(result):
    noise = Estimate(value=-1.1e14, low=None, high=None, reason="not clear of zero")
    recoveries = [one.model_copy(update={"share": noise}) for one in result.recoveries]
    changed = result.model_copy(update={"recoveries": tuple(recoveries)})
    table = recovery_table(changed)
    assert {str(entry) for row in table.rows[1:] for entry in row[1:-1]} == {"\N{EN DASH}"}
    assert table.rows[1][1].reason == "not clear of zero"
    assert "000" not in render(changed).partition("Recovered share")[2][:200]
    assert recovered_shares(Focus(changed)) is None


@pytest.mark.parametrize("width", [60, 80, 400])
def test_a_table_for_a_terminal_is_never_wider_and_cuts_no_name(result, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    table = tables.main_table(result)
    show_figures(plain_console(), table)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    words = {word for text in table.head for word in text.split()}
    words |= {word for row in table.rows for one in row for word in str(one.value).split()}
    assert all(word in shown for word in words)
    assert ("\N{BOX DRAWINGS LIGHT VERTICAL}" in shown) == (width == 400)
