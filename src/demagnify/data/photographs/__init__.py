"""Photographs that are changed and written again as the files that they came from.

`demagnify.core.images` reads a file's pixels and forgets the rest. Here a photograph keeps what
else its file carries (format, JPEG tables, EXIF, ICC profile, XMP, transparency), so that a changed
copy can be published as the original was.
"""

from __future__ import annotations

from demagnify.data.photographs.photograph import Photograph, SaveAs

__all__ = ["Photograph", "SaveAs"]
