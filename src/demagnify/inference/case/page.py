"""The page of a case: one file, no script, every word of the inputs escaped."""

from __future__ import annotations

import base64
import hashlib
import logging
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, StrictUndefined

from demagnify.core import images
from demagnify.core.errors import BadConfigError
from demagnify.core.extras import need
from demagnify.core.printing import printable
from demagnify.inference.case.document import LIMITS, PROPOSITIONS, CaseDocument, FaceRecord
from demagnify.inference.conditions import Condition
from demagnify.inference.explanation import draw_heat, in_words

_SIDE: Final = 224


def render(document: CaseDocument, folder: Path) -> str:
    """Returns the page.

    Args:
        document: The case.
        folder: Where its crops lie; they become part of the page.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["plain"] = printable
    environment.filters["explained"] = explanation_in_words
    environment.filters["ratio"] = ratio_in_words
    environment.filters["rates"] = rates_in_words
    return environment.from_string(_template()).render(
        case=document,
        picture=lambda name: _base64((folder / name).read_bytes()),
        side=lambda name: min(images.load(folder / name).shape[:2]),
        heat_map=lambda face: _base64(_heat_map(face, folder)),
    )


def wording() -> str:
    """Returns a SHA-256 of what this version writes around the answers on every page."""
    words = "\n".join([_template(), *PROPOSITIONS, *LIMITS])
    return hashlib.sha256(words.encode()).hexdigest()


def _template() -> str:
    return (resources.files(__package__) / "page.html.j2").read_text(encoding="utf-8")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _heat_map(face: FaceRecord, folder: Path) -> bytes:
    assert face.explanation is not None  # noqa: S101  for the type checker
    cut = images.fit(images.load(folder / face.crop), _SIDE)
    return images.encode_png(draw_heat(cut, np.array(face.explanation["heat"], np.float32)))


def explanation_in_words(face: FaceRecord) -> str:
    """Returns what the check of the heat map found."""
    found = face.explanation
    if found is None:
        return ""
    shown = found["heat"] is not None
    return in_words(found["toward"], found["change"], found["elsewhere"], shown=shown)


def rates_in_words(condition: Condition) -> str:
    """Returns the error rates under a condition as sentences."""
    unsure = f"{condition.abstained.value:.1%} of {condition.abstained.faces} faces were unsure"
    parts = [
        f"{one.value:.1%} of {label} faces were called {verdict} (95 % interval {one.low:.1%} to "
        f"{one.high:.1%}, {one.faces} faces of {one.groups} groups)"
        for label, verdict, one in (
            ("real", "fake", condition.fpr),
            ("fake", "real", condition.fnr),
        )
        if one is not None and condition.abstained.value < 1  # of no answer none is wrong
    ]
    rates = f"{', '.join(parts)}, and {unsure}" if parts else unsure
    return f"There, {rates}. A group is one video or photograph; intervals count groups."


def ratio_in_words(face: FaceRecord) -> str:
    """Returns the likelihood ratio as a sentence."""
    ratio = face.likelihood_ratio
    if ratio is None:
        return "No likelihood ratio can be given."
    which, other = ("first", "second") if ratio >= 1 else ("second", "first")
    size = ratio if ratio >= 1 else 1 / ratio
    least = "at least " if face.likelihood_ratio_limited else ""
    return (
        f"The measurement is {least}{size:.3g} times more likely if the {which} proposition is "
        f"true than if the {other} one is (likelihood ratio {ratio:.3g})."
    )


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
