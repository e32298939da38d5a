"""From photographs and videos to face crops, in a folder of one's own or in the cache."""

from __future__ import annotations

from demagnify.data.prepare.cutting import PrepareConfig
from demagnify.data.prepare.folder import PrepareSummary, prepare
from demagnify.data.prepare.opening import open_faces, open_splits, prepared

__all__ = [
    "PrepareConfig",
    "PrepareSummary",
    "open_faces",
    "open_splits",
    "prepare",
    "prepared",
]
