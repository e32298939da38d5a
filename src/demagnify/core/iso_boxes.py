"""The boxes of AVIF, HEIC and JPEG 2000 files, and what they say about colours.

In AVIF and HEIC the colours stand in a `colr` box among the properties of the primary item: a
colour profile, or the code points of H.273 (`nclx`), which neither Pillow nor its plug-in applies.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_BT709: Final = 1
_UNSPECIFIED: Final = 2
_SRGB: Final = 13


def stated_colours(data: bytes) -> tuple[int, int] | None:
    """Returns primaries and transfer of the primary item by H.273; None if nothing states them.

    Of two of which one is unspecified, that one is sRGB's.
    """
    try:
        meta = next(content for name, content in boxes(data) if name == b"meta")
        inside = dict(boxes(meta[4:]))
        shared = dict(boxes(inside[b"iprp"]))
        properties = list(boxes(shared[b"ipco"]))
        wanted = _primary(inside[b"pitm"])
        for number in _numbers(shared[b"ipma"], wanted):
            name, content = properties[number - 1]
            if number and name == b"colr" and content[:4] == b"nclx":
                primaries, transfer = struct.unpack(">HH", content[4:8])
                return (
                    _BT709 if primaries == _UNSPECIFIED else primaries,
                    _SRGB if transfer == _UNSPECIFIED else transfer,
                )
    except (struct.error, KeyError, IndexError, StopIteration):
        pass  # damaged, or of another kind: the decoder says what is wrong with it
    return None


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and content of each box, until one that cannot be."""
    place = 0
    while place + 8 <= len(data):
        length, head = int.from_bytes(data[place : place + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = place + length if length else len(data)
        if end < place + head:
            return
        yield data[place + 4 : place + 8], data[place + head : end]
        place = end


def _primary(content: bytes) -> int:
    version = content[0]
    return int(struct.unpack(">I" if version else ">H", content[4 : 8 if version else 6])[0])


def _numbers(content: bytes, wanted: int) -> Iterator[int]:
    """Yields the numbers of an item's properties, from 1."""
    wide_items, wide_numbers = content[0] > 0, content[3] & 1
    (count,) = struct.unpack(">I", content[4:8])
    place = 8
    for _ in range(count):
        size = 4 if wide_items else 2
        item = int.from_bytes(content[place : place + size], "big")
        listed = content[place + size]
        place += size + 1
        for _ in range(listed):
            if item == wanted:
                one = content[place : place + 1 + wide_numbers]
                yield int.from_bytes(one, "big") & (0x7FFF if wide_numbers else 0x7F)
            place += 1 + wide_numbers
