"""Case reports: inputs, answers and their worth in files that can be checked."""

from __future__ import annotations

from demagnify.inference.case.document import (
    CaseDocument,
    InputRecord,
    make_document,
    record_input,
    write_case,
)
from demagnify.inference.case.verify import verify_case

__all__ = [
    "CaseDocument",
    "InputRecord",
    "make_document",
    "record_input",
    "verify_case",
    "write_case",
]
