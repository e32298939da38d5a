"""Every tab of the page, driven in a browser by mouse and by keyboard."""

import re
import threading

import pytest
from toy_service import PairFinder, photo

from browsers import faults_for_axe, too_wide
from demagnify.inference import DetectionConfig, Pipeline
from demagnify.serve.config import PageConfig


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page that is shown; its address."""
    pytest.importorskip("gradio", reason="the extra ui is not installed")
    import uvicorn

    from demagnify.serve import server
    from demagnify.serve.page import create_page

    runs = tmp_path_factory.mktemp("runs")
    (runs / "case").mkdir()
    (runs / "case" / "index.html").write_text("<h1>Case report</h1>")
    config = PageConfig(runs=runs, detection=DetectionConfig(defense="light"))
    app = create_page(config, Pipeline.load(config.detection, finder=PairFinder()))
    listener = server.listen("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield server.address(listener)
    running.should_exit = True
    thread.join()
    listener.close()


def test_every_tab_answers_in_a_browser_that_asks_nobody_else(browser, address, tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(photo(1))
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.set_default_timeout(240_000)
    asked, faults = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("pageerror", lambda one: faults.append(str(one)))
    page.goto(address)
    page.locator("input[type=file]").last.set_input_files(file)
    page.locator(".dm-summary").wait_for()
    assert page.get_by_role("heading", name="Face 1: ").is_visible()
    assert page.get_by_role("img", name="Power spectrum of face 2").count() == 1
    assert not too_wide(page)

    page.get_by_role("tab", name="Detect").focus()  # from here on by keyboard
    page.keyboard.press("ArrowRight")
    if page.get_by_role("button", name="Launder", exact=True).count() == 0:
        page.get_by_role("tab", name="Launder").press("Enter")
    page.locator("input[type=file]").last.set_input_files(file)
    page.get_by_text("photo.png").last.wait_for()
    network = page.get_by_label("Network or filter")
    network.click()
    page.get_by_role("option", name="jpeg-50").click()
    page.get_by_role("button", name="Launder", exact=True).press("Enter")
    table = page.locator(".dm table").first
    table.wait_for()
    assert table.locator("caption").inner_text() == "Verdicts before and after jpeg-50"
    assert re.search(r"Undefended\s+(real|fake|unsure) 0\.\d{3}\s", table.inner_text())

    page.get_by_role("tab", name="Report").press("Enter")
    chosen = page.get_by_label("Report", exact=True).last
    chosen.press("ArrowDown")
    page.get_by_role("option", name="case/index.html").wait_for()
    chosen.press("Enter")
    frame = page.frame_locator("iframe[title='Report case/index.html']")
    frame.get_by_role("heading", name="Case report").wait_for()
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert faults == []
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 390), ("light", 1280)])
def test_axe_finds_no_fault_on_any_tab(browser, address, tmp_path, scheme, width):
    file = tmp_path / "photo.png"
    file.write_bytes(photo(1))
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.set_default_timeout(240_000)
    page.goto(address)
    page.get_by_role("button", name="Click to upload").wait_for()
    assert faults_for_axe(page) == []
    page.locator("input[type=file]").last.set_input_files(file)
    page.locator(".dm-summary").wait_for()
    assert faults_for_axe(page) == []
    page.get_by_role("tab", name="Launder").press("Enter")
    page.locator("input[type=file]").last.set_input_files(file)
    page.get_by_text("photo.png").last.wait_for()
    page.get_by_role("button", name="Launder", exact=True).press("Enter")
    card = page.locator(".dm-card:has(table)").first
    card.wait_for()
    assert not card.evaluate("one => one.scrollWidth > one.clientWidth")
    assert faults_for_axe(page) == []
    page.get_by_role("tab", name="Report").press("Enter")
    page.get_by_role("button", name="Look again for reports").wait_for()
    assert faults_for_axe(page) == []
    context.close()
