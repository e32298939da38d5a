"""Checks a case: files against their hashes, and every answer by computing it again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from demagnify.core.documents import differences
from demagnify.core.files import sha256
from demagnify.data.face_finding import FaceFinder
from demagnify.inference.case.document import PAGE, CaseDocument, examine

_OF_THE_RUN: Final = {"created", "command", "machine", "versions"}
"""What may differ when the same files are examined again."""


def verify_case(folder: Path, *, finder: FaceFinder | None = None) -> list[str]:
    """Checks a case, and computes its answers again if its inputs are unchanged.

    Args:
        folder: The folder of the case.
        finder: Finds the faces; YuNet if None.

    Returns:
        What is wrong, one line each; empty if all is as recorded.

    Raises:
        BadArtifactError: If there is no readable case.
    """
    from demagnify.inference.case.page import render

    document = CaseDocument.read(folder)
    faults = [
        f"{one.file}: {_fault(Path(one.file), one.sha256)}"
        for one in document.inputs
        if _fault(Path(one.file), one.sha256)
    ]
    for face in (face for one in document.inputs for face in one.faces):
        fault = _fault(folder / face.crop, face.crop_sha256)
        faults += [f"{folder / face.crop}: {fault}"] if fault else []
    if faults:
        return faults
    page = folder / PAGE
    if not page.is_file() or page.read_text(encoding="utf-8") != render(document, folder):
        return [f"{page}: it is not the page of case.json"]
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(one.file) for one in document.inputs]
        again = examine(paths, Path(temporary), document.settings(), finder=finder)
    found = differences(
        document.model_dump(mode="json", exclude=_OF_THE_RUN),
        again.model_dump(mode="json", exclude=_OF_THE_RUN),
    )
    return [f"case.json, {one}" for one in found]


def _fault(path: Path, digest: str | None) -> str:
    if digest is None:
        return "it can be read now" if path.is_file() else ""
    if not path.is_file():
        return "the file is missing"
    return "" if sha256(path) == digest else "the file has changed (SHA-256 differs)"
