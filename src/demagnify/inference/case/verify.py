"""Checks a case: files against their hashes, and every answer by computing it again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten
from typing import Final

import demagnify
from demagnify.core.documents import Json, differences
from demagnify.core.errors import DemagnifyError
from demagnify.core.files import private_folder, sha256
from demagnify.data.face_finding import FaceFinder
from demagnify.inference.case.document import (
    FILE,
    LIMITS,
    PAGE,
    PDF,
    PROPOSITIONS,
    CaseDocument,
    InputRecord,
    crop_name,
    examine,
)

_OF_THE_RUN: Final = {
    *("created", "command", "machine", "versions"),
    *("pdf_sha256", "page_sha256", "record_sha256", "wording"),
}
"""What may differ when the same files are examined again."""
_OF_THE_VERSION: Final = {"propositions", "limits", "calibration"}
"""Words that may differ between versions."""
_MISSING: Final = "the file is missing"
_NOT_RECORDED: Final = "it is not in the record"
_OF_DESKTOPS: Final = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""Files that desktops leave in every folder that is looked at."""
_SHOWN: Final = 90
_MOST: Final = 5
"""As many lines of a page are named, of so many letters."""


def verify_case(
    folder: Path,
    *,
    inputs: Path = Path(),
    finder: FaceFinder | None = None,
    on_note: Callable[[str], None] = lambda _note: None,
) -> list[str]:
    """Checks a case, and computes the answers about all inputs that are unchanged again.

    Hashes say whether a file has changed: inputs, crops, page, PDF, and the record itself. Where
    this version writes the same words around the answers, the page is compared with the record,
    too; of another version's page the hash alone is checked, and a note says so.

    Args:
        folder: The folder of the case.
        inputs: Where relative paths of inputs begin; the present folder if not given.
        finder: Finds the faces; YuNet if None.
        on_note: Gets what is no fault: words of another version, and where inputs were looked for.

    Returns:
        What is wrong, one line each; empty if all is as recorded.

    Raises:
        BadArtifactError: If there is no readable case.
    """
    from demagnify.inference.case.page import wording

    document = CaseDocument.read(folder)
    words = (document.propositions, document.limits)
    same_words = document.wording == wording() or (
        document.wording is None and words == (PROPOSITIONS, LIMITS)
    )
    if not same_words and document.page_sha256 is not None:
        made, mine = _version(document), demagnify.__version__
        who = f"another build of demagnify {made}" if made == mine else f"demagnify {made}"
        this = "" if made == mine else f", this is {mine}"
        on_note(f"made by {who}{this}: page checked by its SHA-256 alone")
    of_inputs = {one.file: _fault(inputs / one.file, one.sha256) for one in document.inputs}
    of_case = _faults_of_case(document, folder)
    faults = [f"{path}: {fault}" for path, fault in (of_inputs | of_case).items() if fault]
    intact = [one for one in document.inputs if not of_inputs[one.file]]
    if any(of_inputs[one] == _MISSING and not Path(one).is_absolute() for one in of_inputs):
        on_note(f"inputs were looked for in {inputs.resolve()}; --inputs names another folder")
    try:
        again = _examined(document, intact, inputs, finder)
    except DemagnifyError as error:
        faults.append(f"the answers cannot be computed again: {error}")
    else:
        computed = {one.file: one for one in again.inputs}
        found = differences(_told(document, same_words), _told(again, same_words))
        for one in intact:
            record, other = one.model_dump(mode="json"), computed[one.file].model_dump(mode="json")
            found += [f"{one.file}: {line}" for line in differences(record, other)]
        faults += [f"{folder / FILE}: {line}" for line in found]
    if not any(of_case.values()) and (same_words or document.page_sha256 is None):
        faults += _of_the_page(folder, document)
    return faults


def _faults_of_case(document: CaseDocument, folder: Path) -> dict[Path, str]:
    """Returns what is wrong with each file of the case itself."""
    crops = {one.crop: one.crop_sha256 for each in document.inputs for one in each.faces}
    known = {**crops, PDF: document.pdf_sha256}
    if document.page_sha256 is not None:
        known[PAGE] = document.page_sha256
    faults = {folder / name: _fault(folder / name, digest) for name, digest in known.items()}
    if not document.is_whole(folder):
        faults[folder / FILE] = "the file has changed (its own SHA-256 differs)"
    known |= {FILE: None, PAGE: None}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in known and path.name not in _OF_DESKTOPS:
            faults[path] = _NOT_RECORDED
    return faults


def _examined(
    document: CaseDocument, intact: list[InputRecord], place: Path, finder: FaceFinder | None
) -> CaseDocument:
    """Examines the unchanged inputs again; crops get the names that they have in the case."""
    numbers = {one.file: number for number, one in enumerate(document.inputs, start=1)}
    with private_folder() as folder:
        paths = [place / one.file for one in intact]
        again = examine(paths, folder, document.settings(), finder=finder)
    inputs = []
    for before, one in zip(intact, again.inputs, strict=True):
        faces = tuple(
            face.model_copy(update={"crop": crop_name(numbers[before.file], number)})
            for number, face in enumerate(one.faces, start=1)
        )
        clip = None if one.clip is None else one.clip | {"file": before.file}
        inputs.append(one.model_copy(update={"file": before.file, "faces": faces, "clip": clip}))
    return again.model_copy(update={"inputs": tuple(inputs)})


def _told(document: CaseDocument, same_words: bool) -> Json:
    apart = set() if same_words else _OF_THE_VERSION
    return document.model_dump(mode="json", exclude={*_OF_THE_RUN, *apart, "inputs", "skipped"})


def _of_the_page(folder: Path, document: CaseDocument) -> list[str]:
    """Compares the page with the record."""
    from demagnify.inference.case.page import render

    page = folder / PAGE
    if not page.is_file():
        return [f"{page}: {_MISSING}"]
    has, wanted = page.read_text(encoding="utf-8", errors="replace"), render(document, folder)
    if has == wanted:
        return []
    if document.page_sha256 is None:
        what = f"changed, or as demagnify {_version(document)} wrote it, which recorded no SHA-256"
        return [f"{page}: {what}"]
    pairs = zip_longest(has.splitlines(), wanted.splitlines(), fillvalue="")
    return [
        f"{page}: line {number} is {shorten(one, _SHOWN)!r}, but after {FILE} "
        f"{shorten(two, _SHOWN)!r}: one of the two files was changed"
        for number, (one, two) in enumerate(pairs, start=1)
        if one != two
    ][:_MOST] or [f"{page}: its line ends were changed"]


def _version(document: CaseDocument) -> str:
    return document.versions.get("demagnify", "of an unknown version")


def _fault(path: Path, digest: str | None) -> str:
    if digest is None:
        return _NOT_RECORDED if path.is_file() else ""
    if not path.is_file():
        return _MISSING
    return "" if sha256(path) == digest else "the file has changed (SHA-256 differs)"
