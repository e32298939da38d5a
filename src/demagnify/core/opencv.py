"""OpenCV's decoders, which say nothing on the terminal about what they cannot read."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def decode(data: bytes) -> NDArray[Any] | None:
    """Returns the values in an image file as OpenCV reads them: BGR, of any type; None if not."""
    logging = cv2.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        found: NDArray[Any] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
        )
    finally:
        logging.setLogLevel(before)
    return found
