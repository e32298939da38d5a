"""From photographs and videos to face crops, in a folder of one's own or in the cache."""

from __future__ import annotations

from demagnify.data.prepare.cutting import PrepareConfig
from demagnify.data.prepare.folder import PrepareSummary, open_faces, prepare, prepared

__all__ = [
    "PrepareConfig",
    "PrepareSummary",
    "open_faces",
    "prepare",
    "prepared",
]
