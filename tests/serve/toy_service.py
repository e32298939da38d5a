"""Files for a service, and a finder that knows where their faces are."""

import io

import numpy as np
from PIL import Image

from demagnify.data.face_finding import Face


class PairFinder:
    """Finds two faces in every photograph that is not even."""

    def find(self, pixels):
        if pixels.std() < 5:
            return []
        height, width = pixels.shape[:2]
        marks = np.zeros((5, 2), dtype=np.float32)
        left, right = ((width * x, height * 0.2, width * 0.45, height * 0.6) for x in (0.02, 0.5))
        return [Face(left, marks, 0.9), Face(right, marks, 0.8)]


def photo(seed=0, *, kind="PNG", size=(160, 240)):
    """A photograph as the bytes of a file."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(image) + random.normal(0, 9, (*size, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, kind)
    return buffer.getvalue()


def form(*files):
    """The multipart form of files, each a pair of name and content."""
    return [("files", file) for file in files]
