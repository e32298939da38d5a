"""The page of a case on paper: report.pdf, with the extra "pdf"."""

from __future__ import annotations

import logging
from typing import Any, Final

from demagnify.core.errors import BadConfigError
from demagnify.core.extras import need

FILE: Final = "report.pdf"


def check_printer() -> None:
    """Refuses in one line where the printer is not installed, before any work.

    Raises:
        BadConfigError: If WeasyPrint, or the library Pango that it draws text with, is missing.
    """
    _printer()


def print_page(page: str) -> bytes:
    """Returns a PDF of the page of a case. Nothing is fetched: pictures are a part of the page.

    Args:
        page: HTML.

    Raises:
        BadConfigError: If WeasyPrint or Pango is missing.
    """
    # WeasyPrint (BSD-3-Clause) prints the very page that is shown, so that there is one template.
    # reportlab would need a second one, fpdf2 is LGPL, and Chromium is 300 MB that must be trusted.
    printer = _printer()
    inside = printer.urls.URLFetcher(allowed_protocols=["data"])
    printed: bytes = printer.HTML(string=page, url_fetcher=inside).write_pdf()
    return printed


def _printer() -> Any:  # noqa: ANN401  has no types
    need("pdf", "weasyprint", what="--pdf needs")
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # rules for screens that it skips
    try:
        import weasyprint
    except OSError as error:
        raise BadConfigError(
            "--pdf needs the library Pango, which is not installed",
            hint="apt install libpango-1.0-0 libpangoft2-1.0-0, or brew install pango",
        ) from error
    return weasyprint
