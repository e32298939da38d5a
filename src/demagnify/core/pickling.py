"""Objects as bytes for other processes."""

from __future__ import annotations

import io
import mmap
import pickle
from typing import Any

import numpy as np

from demagnify.core.errors import BadConfigError


class _Pickler(pickle.Pickler):
    """Pickles files that are mapped into memory by their names: they are larger than messages."""

    def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401  as pickle has it
        base: object = getattr(thing, "base", None)  # a part of a map has the map
        if not isinstance(thing, np.memmap) or not isinstance(base, mmap.mmap):
            return NotImplemented
        return np.memmap, (thing.filename, thing.dtype, "r", thing.offset, thing.shape)


def pickled(thing: object) -> bytes:
    """Returns an object as bytes for `pickle.loads`; mapped files go by their names.

    Raises:
        BadConfigError: If it cannot be pickled.

    Example:
        >>> pickle.loads(pickled({"a": 1}))
        {'a': 1}
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(thing)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BadConfigError(
            f"the work cannot be sent to other processes: {error}",
            hint="define detector and transform at the top of a module, or use one process",
        ) from error
    return buffer.getvalue()
