"""ICC profiles made from primaries, white and curve, for tests."""

from __future__ import annotations

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D65 = (0.3127, 0.3290)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)


def _xyz(point: tuple[float, float]) -> np.ndarray:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def matrix(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Returns linear RGB -> XYZ at D50, (3, 3)."""
    white = _xyz(primaries[3])
    columns = np.stack([_xyz(point) for point in primaries[:3]], axis=1)
    to_xyz = columns * np.linalg.solve(columns, white)
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    return np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ to_xyz


def _text(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(body), 28) + body


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def srgb_curve() -> bytes:
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + struct.pack(">IHH", 0, 3, 0) + b"".join(map(_number, numbers))


def gamma(value: float) -> bytes:
    return b"para" + struct.pack(">IHH", 0, 0, 0) + _number(value)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(data), len(content))
        data += padded
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x04300000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(map(_number, D50)) + bytes(48)
    whole = head + table + data
    return struct.pack(">I", len(whole)) + whole[4:]


def _common(name: str) -> dict[bytes, bytes]:
    white = b"XYZ \0\0\0\0" + b"".join(map(_number, D50))
    return {b"desc": _text(name), b"cprt": _text("none"), b"wtpt": white}


def rgb_profile(primaries: tuple[tuple[float, float], ...], curve: bytes) -> bytes:
    columns = matrix(primaries).T
    tags = _common("made")
    for letter, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + b"".join(map(_number, column))
        tags[letter + b"TRC"] = curve
    return _profile(b"RGB ", tags)


def grey_profile(curve: bytes) -> bytes:
    return _profile(b"GRAY", {**_common("grey"), b"kTRC": curve})


def srgb_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_encode(values: np.ndarray) -> np.ndarray:
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def twin(
    pixels: np.ndarray, primaries: tuple[tuple[float, float], ...], power: float
) -> np.ndarray:
    """Returns the uint8 pixels that show in a wider space what `pixels` show in sRGB.

    `power` is the gamma of that space; 0 for the curve of sRGB.
    """
    linear = srgb_linear(pixels / 255.0) @ (np.linalg.inv(matrix(primaries)) @ matrix(SRGB)).T
    encoded = srgb_encode(linear) if power == 0 else np.clip(linear, 0, 1) ** (1 / power)
    return np.rint(encoded * 255).astype(np.uint8)


PROFILES = {
    "Display P3": (P3, 0.0, rgb_profile(P3, srgb_curve())),
    "Adobe RGB": (ADOBE, 563 / 256, rgb_profile(ADOBE, gamma(563 / 256))),
    "ProPhoto": (PROPHOTO, 1.8, rgb_profile(PROPHOTO, gamma(1.8))),
}
