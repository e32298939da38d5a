"""The formats in which labelled faces are kept: one self-registering module each."""

from __future__ import annotations

from demagnify.data.formats.base import FORMATS, Format, FormatOptions, create, find, recognise

__all__ = ["FORMATS", "Format", "FormatOptions", "create", "find", "recognise"]
