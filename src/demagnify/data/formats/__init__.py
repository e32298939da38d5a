"""The formats in which labelled faces are kept: one self-registering module each."""

from __future__ import annotations

from demagnify.data.formats.base import (
    FORMATS,
    Exported,
    Format,
    FormatOptions,
    create,
    find,
    recognise,
)

__all__ = ["FORMATS", "Exported", "Format", "FormatOptions", "create", "find", "recognise"]
