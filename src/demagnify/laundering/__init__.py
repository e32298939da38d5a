"""Attacking the files of a folder: whole photographs, as an attacker does, or face crops.

Files are read and faces found by some threads, faces of one size go through the network together,
and finished photographs are written by other threads meanwhile::

    sources   which photographs, under which names, with which labels
    jobs      a photograph and the faces in it that shall be attacked
    batches   faces of one size, out of several photographs
    finishing pasted back, compared, encoded, saved
    worklog   what is done, so that nothing is done twice
    tables    metadata.csv, faces.csv, skipped.csv
"""

from __future__ import annotations

from demagnify.laundering.config import FolderConfig
from demagnify.laundering.run import FolderSummary, attack_folder

__all__ = ["FolderConfig", "FolderSummary", "attack_folder"]
