"""Checks a case: files against their hashes, and every answer by computing it again."""

from __future__ import annotations

import tempfile
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten
from typing import Final

from demagnify.core.documents import Json, differences
from demagnify.core.errors import DemagnifyError
from demagnify.core.files import sha256
from demagnify.data.face_finding import FaceFinder
from demagnify.inference.case.document import (
    FILE,
    PAGE,
    CaseDocument,
    InputRecord,
    crop_name,
    examine,
)
from demagnify.inference.case.pdf import FILE as PDF

_OF_THE_RUN: Final = {"created", "command", "machine", "versions", "pdf_sha256"}
"""What may differ when the same files are examined again."""
_SHOWN: Final = 90
_MOST: Final = 5
"""As many lines of a page are named, of so many letters."""


def verify_case(folder: Path, *, finder: FaceFinder | None = None) -> list[str]:
    """Checks a case, and computes the answers about all inputs that are unchanged again.

    Args:
        folder: The folder of the case.
        finder: Finds the faces; YuNet if None.

    Returns:
        What is wrong, one line each; empty if all is as recorded.

    Raises:
        BadArtifactError: If there is no readable case.
    """
    document = CaseDocument.read(folder)
    inputs = {one.file: _fault(Path(one.file), one.sha256) for one in document.inputs}
    crops = {
        folder / face.crop: _fault(folder / face.crop, face.crop_sha256)
        for one in document.inputs
        for face in one.faces
    }
    printed = folder / PDF
    pdf = {printed: _fault(printed, document.pdf_sha256)}
    faults = [f"{path}: {fault}" for path, fault in (inputs | crops | pdf).items() if fault]
    intact = [one for one in document.inputs if not inputs[one.file]]
    shown = document
    try:
        again = _examined(document, intact, finder)
    except DemagnifyError as error:
        faults.append(f"the answers cannot be computed again: {error}")
    else:
        computed = {one.file: one for one in again.inputs}
        shown = document.model_copy(
            update={"inputs": tuple(computed.get(one.file, one) for one in document.inputs)}
        )
        found = differences(_told(document), _told(again))
        for one in intact:
            record, other = one.model_dump(mode="json"), computed[one.file].model_dump(mode="json")
            found += [f"{one.file}: {line}" for line in differences(record, other)]
        faults += [f"{folder / FILE}: {line}" for line in found]
    if not any(crops.values()):
        faults += _of_the_page(folder, document, shown)
    return faults


def _examined(
    document: CaseDocument, intact: list[InputRecord], finder: FaceFinder | None
) -> CaseDocument:
    """Examines the unchanged inputs again; crops get the names that they have in the case."""
    numbers = {one.file: number for number, one in enumerate(document.inputs, start=1)}
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(one.file) for one in intact]
        again = examine(paths, Path(temporary), document.settings(), finder=finder)
    inputs = []
    for one in again.inputs:
        faces = tuple(
            face.model_copy(update={"crop": crop_name(numbers[one.file], place)})
            for place, face in enumerate(one.faces, start=1)
        )
        inputs.append(one.model_copy(update={"faces": faces}))
    return again.model_copy(update={"inputs": tuple(inputs)})


def _told(document: CaseDocument) -> Json:
    return document.model_dump(mode="json", exclude={*_OF_THE_RUN, "inputs"})


def _of_the_page(folder: Path, document: CaseDocument, shown: CaseDocument) -> list[str]:
    """Compares the page with the record, unless it shows the answers that were computed again."""
    from demagnify.inference.case.page import render

    page = folder / PAGE
    if not page.is_file():
        return [f"{page}: the file is missing"]
    has = page.read_text(encoding="utf-8", errors="replace")
    wanted = render(document, folder)
    if has in (wanted, _rendered(shown, folder)):
        return []
    pairs = zip_longest(has.splitlines(), wanted.splitlines(), fillvalue="")
    return [
        f"{page}: line {number} is {shorten(one, _SHOWN)!r}, but after {FILE} "
        f"{shorten(two, _SHOWN)!r}: one of the two files was changed"
        for number, (one, two) in enumerate(pairs, start=1)
        if one != two
    ][:_MOST] or [f"{page}: its line ends were changed"]


def _rendered(document: CaseDocument, folder: Path) -> str:
    from demagnify.inference.case.page import render

    try:
        return render(document, folder)
    except OSError:  # a face is found now that has no crop in the case
        return ""


def _fault(path: Path, digest: str | None) -> str:
    if digest is None:
        return "it is not in the record" if path.is_file() else ""
    if not path.is_file():
        return "the file is missing"
    return "" if sha256(path) == digest else "the file has changed (SHA-256 differs)"
