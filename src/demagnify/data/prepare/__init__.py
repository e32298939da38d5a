"""From photographs and videos to face crops, in a folder of one's own or in the cache."""

from __future__ import annotations

from demagnify.data.prepare.cached import open_faces, prepared
from demagnify.data.prepare.folder import PrepareSummary, prepare
from demagnify.data.prepare.settings import PrepareSettings

__all__ = [
    "PrepareSettings",
    "PrepareSummary",
    "open_faces",
    "prepare",
    "prepared",
]
