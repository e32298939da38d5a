"""docs/formats.md says what the registered readers say."""

import importlib.util
from pathlib import Path

from demagnify.data.formats import FORMATS, create

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_formats_is_current_and_names_every_format():
    spec = importlib.util.spec_from_file_location("formats_page", DOCS / "formats_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert written == module.page(), "run python docs/formats_page.py"
    for kind in map(create, FORMATS):
        if type(kind).__module__.startswith("demagnify."):
            assert f"\n## {kind.name}\n" in written
            assert kind.refused in written
    assert "formats.md" in (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
