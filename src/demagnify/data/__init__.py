"""Labelled faces: manifests, splits, decoded pixels, and a sample set made of photographs."""

from __future__ import annotations

from demagnify.data.faces import Faces
from demagnify.data.labels import FAKE, REAL
from demagnify.data.manifest import Manifest
from demagnify.data.records import Record, Skipped

__all__ = ["FAKE", "REAL", "Faces", "Manifest", "Record", "Skipped"]
