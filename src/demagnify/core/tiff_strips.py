"""Large TIFF files a few rows at a time: each part becomes a small TIFF of its own.

A decoder then needs memory for one part only. Pixels lie in strips or tiles, each of which is
compressed by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR = 256, 257, 258, 259, 277, 284
_STRIPS: Final = (273, 278, 279)
"""Tags of the strips: where they are, how many rows each has, and how long each is."""
_TILES: Final = (324, 323, 325)
_TILE_WIDTH: Final = 322
_KEPT: Final = (_WIDTH, _BITS, _COMPRESSION, 262, _SAMPLES, _PLANAR, 317, 338, 339)
_LONG: Final = 4
_MOST: Final = 2**32 - 1


def parts(data: bytes, tags: Mapping[int, Any], rows: int) -> Iterator[tuple[int, bytes]]:
    """Yields about so many rows at a time, as the first row and a TIFF file of these alone.

    Args:
        data: The file.
        tags: The tags of its image.
        rows: How many rows a part has, rounded up to whole strips or tiles.

    Yields:
        The whole file where its layout is none that can be parted, such as planes.
    """
    try:
        found = list(_parts(data, {tag: _numbers(tags.get(tag)) for tag in (*_KEPT, *_ALL)}, rows))
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError, struct.error):
        found = []
    order = "<" if data[:2] == b"II" else ">"
    for top, height, kept, pieces in found:
        yield top, _file(order, {**kept, _HEIGHT: (height,)}, [data[a:b] for a, b in pieces])
    if not found:
        yield 0, data


_ALL: Final = (_HEIGHT, *_STRIPS, *_TILES, _TILE_WIDTH)
_Part = tuple[int, int, dict[int, tuple[int, ...]], list[tuple[int, int]]]


def _parts(data: bytes, tags: dict[int, tuple[int, ...]], rows: int) -> Iterator[_Part]:
    """Yields first row, rows, tags, and where in the file the pixels are, of each part."""
    (width,), (height,), (samples,) = tags[_WIDTH], tags[_HEIGHT], tags[_SAMPLES]
    tiled = bool(tags[_TILES[0]])
    where, each, lengths = _TILES if tiled else _STRIPS
    if samples > 1 and tags[_PLANAR] not in ((), (1,)):
        raise ValueError
    high = min(*(tags[each] or (height,)), height) if not tiled else tags[each][0]
    starts, sizes = tags[where], tags[lengths]
    across = -(-width // tags[_TILE_WIDTH][0]) if tiled else 1
    if not tiled and len(starts) == 1 and tags[_COMPRESSION] in ((), (1,)):  # all in one: cut it
        line = width * sum(tags[_BITS]) // 8
        starts, sizes = zip(*((starts[0] + n * line, line) for n in range(height)), strict=True)
        high = 1
    if len(starts) != len(sizes) or len(starts) != across * -(-height // high):
        raise ValueError
    if any(start + size > len(data) for start, size in zip(starts, sizes, strict=True)):
        raise ValueError
    kept = {tag: tags[tag] for tag in _KEPT if tags[tag]}
    kept |= {tag: tags[tag] for tag in (_TILE_WIDTH, each) if tiled} or {each: (high,)}
    step = max(1, rows // high)
    for first in range(0, -(-height // high), step):
        chosen = slice(first * across, (first + step) * across)
        ends = [(one, one + size) for one, size in zip(starts[chosen], sizes[chosen], strict=True)]
        yield first * high, min(step * high, height - first * high), {**kept, where: ()}, ends


def _numbers(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    return tuple(int(one) for one in values)


def _file(order: str, tags: dict[int, tuple[int, ...]], pieces: Sequence[bytes]) -> bytes:
    """Returns a TIFF file with these tags and pixels."""
    where = _TILES[0] if _TILES[0] in tags else _STRIPS[0]
    tags[_TILES[2] if where == _TILES[0] else _STRIPS[2]] = tuple(map(len, pieces))
    tags[where] = (0,) * len(pieces)
    place = 8 + 2 + 12 * len(tags) + 4
    start = place + sum(4 * len(values) for values in tags.values() if len(values) > 1)
    offsets = [start]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    if offsets[-1] > _MOST:
        raise ValueError("a part is too long for a TIFF")
    tags[where] = tuple(offsets[:-1])
    head, rest = struct.pack(order + "H", len(tags)), b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        entry = packed if len(values) == 1 else struct.pack(order + "I", place + len(rest))
        rest += packed if len(values) > 1 else b""
        head += struct.pack(order + "HHI", tag, _LONG, len(values)) + entry
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return b"".join([mark, struct.pack(order + "I", 8), head, bytes(4), rest, *pieces])
