"""The formats in which labelled faces are kept: one self-registering module each."""

from __future__ import annotations

from demagnify.data.formats.base import (
    FORMATS,
    PACKED,
    Exported,
    Format,
    FormatOptions,
    create,
    find,
    packed_in,
    recognise,
)

__all__ = [
    "FORMATS",
    "PACKED",
    "Exported",
    "Format",
    "FormatOptions",
    "create",
    "find",
    "packed_in",
    "recognise",
]
