"""The formats in which labelled faces are kept, in the order in which a source is tried.

A new one is a subclass of `Format` in a module of its own, and a line here.
"""

from __future__ import annotations

from demagnify.data.format import FORMATS, Format, FormatOptions, recognise
from demagnify.data.formats.deepfake_bench import DeepfakeBench
from demagnify.data.formats.face_forensics import FaceForensics
from demagnify.data.formats.kaggle_crops import KaggleCrops
from demagnify.data.formats.label_folders import LabelFolders
from demagnify.data.formats.metadata import Metadata
from demagnify.data.formats.open_forensics import OpenForensics

__all__ = ["FORMATS", "Format", "FormatOptions", "recognise"]

for _format in (
    Metadata(),
    LabelFolders(),
    OpenForensics(),
    DeepfakeBench(),
    FaceForensics(),
    KaggleCrops(),
):
    FORMATS.add(_format.name, _format)
