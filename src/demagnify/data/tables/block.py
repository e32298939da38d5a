"""A block of rows as texts: what a reader of files hands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """Some thousand rows of a file.

    Attributes:
        numbers: The line or row of the file that each is, int64 (n,).
        columns: Texts by column, n each; null where a row does not say.
        broken: Why a line, by number, gave no row.
    """

    numbers: NDArray[np.int64]
    columns: dict[str, pa.Array]
    broken: dict[int, str] = field(default_factory=dict)


Reader = Callable[[Path], Iterator[Block]]
