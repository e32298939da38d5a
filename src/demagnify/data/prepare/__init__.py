"""From photographs and videos to face crops, in a folder of one's own or in the cache."""

from __future__ import annotations

from demagnify.data.prepare.cutting import PrepareConfig
from demagnify.data.prepare.folder import PrepareSummary, open_faces, prepare, prepared
from demagnify.data.prepare.splits import open_splits

__all__ = [
    "PrepareConfig",
    "PrepareSummary",
    "open_faces",
    "open_splits",
    "prepare",
    "prepared",
]
