"""Labelled faces: manifests, splits, decoded pixels, and a sample set made of photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demagnify.core.imports import lazy

if TYPE_CHECKING:
    from demagnify.data.dataset import FaceDataset
    from demagnify.data.labels import FAKE, REAL
    from demagnify.data.manifest import Manifest
    from demagnify.data.records import Box, Record, Skipped
    from demagnify.data.streaming import FaceStream

__all__ = ["FAKE", "REAL", "Box", "FaceDataset", "FaceStream", "Manifest", "Record", "Skipped"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "dataset": ("FaceDataset",),
        "streaming": ("FaceStream",),
        "labels": ("FAKE", "REAL"),
        "manifest": ("Manifest",),
        "records": ("Box", "Record", "Skipped"),
    },
)
