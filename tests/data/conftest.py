"""Photographs with drawn faces, and the finder that knows them."""

import pytest
from drawn_faces import DrawnFaceFinder, draw_face

from demagnify.core import images


@pytest.fixture
def finder():
    return DrawnFaceFinder()


@pytest.fixture
def photos(tmp_path, finder):
    """A folder of 16 photographs with a drawn face each, one in a folder of its own."""
    folder = tmp_path / "photos"
    for number in range(16):
        pixels, marks = draw_face(number)
        finder.add(pixels, marks)
        name = "more/15.png" if number == 15 else f"{number:02d}.png"
        images.save_png(folder / name, pixels)
    return folder
