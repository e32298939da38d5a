"""What all tests share: third-party assets, or the reason why there are none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from browsers import faults_for_axe, too_wide
from demagnify.core import assets

# A busy machine must not fail a test by its clock.
settings.register_profile("demagnify", deadline=None)
settings.load_profile("demagnify")

_unreachable: list[str] = []


@pytest.fixture(scope="session")
def asset() -> Callable[[str], Path]:
    """Returns the path of an asset, or skips the test if it is neither cached nor within reach."""

    def get(name: str) -> Path:
        if _unreachable and not any(row.present for row in assets.describe() if row.name == name):
            pytest.skip(_unreachable[0])
        try:
            return assets.fetch(name)
        except assets.UnreachableError as error:
            _unreachable.append(str(error))
            pytest.skip(str(error))

    return get


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window, or the reason why there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    switches += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=switches)
        yield started
        started.close()


@pytest.fixture
def looked_at(browser: Any) -> Iterator[Callable[[str], Iterator[tuple[str, Any]]]]:
    """Opens an address bright and dark, as wide as a phone and a desk; yields where, and the page.

    Nothing may be wider than the window. axe-core looks at each page where it is installed, once in
    each colour scheme and once at each width: colours do not depend on the width.
    """
    contexts = []

    def look(address: str) -> Iterator[tuple[str, Any]]:
        for scheme in ("light", "dark"):
            for width in (390, 1280):
                size = {"width": width, "height": 844}
                contexts.append(
                    browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
                )
                page = contexts[-1].new_page()
                page.goto(address)
                page.evaluate(
                    "document.querySelectorAll('details').forEach(one => one.open = true)"
                )
                yield scheme, page
                assert not too_wide(page)
                if (scheme, width) in (("light", 390), ("dark", 1280)):
                    assert faults_for_axe(page) == []

    yield look
    for context in contexts:
        context.close()
