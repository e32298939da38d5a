"""What a picky user would find on a page in a browser."""

from typing import Any


def too_wide(page: Any) -> bool:
    """Returns whether a page is wider than its window."""
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def faults_for_axe(page: Any) -> list[str]:
    """Returns what axe-core finds on a page; nothing where it is not installed."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        return []
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
