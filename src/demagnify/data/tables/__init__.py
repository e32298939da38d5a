"""Reads the files that list images and labels: CSV, JSON lines and Parquet, all in one way.

Each kind of file has a reader that yields blocks of plain texts; from there on all are alike:
`values` parses the texts, and `reading` finds the files. A broken line costs no more than itself.
"""

from __future__ import annotations

from demagnify.data.tables.blocks import is_complete, known
from demagnify.data.tables.delimited import read_columns
from demagnify.data.tables.readers import READERS
from demagnify.data.tables.reading import TableFile, read_tables

__all__ = ["READERS", "TableFile", "is_complete", "known", "read_columns", "read_tables"]
