"""Reads super-resolution networks from `.toysr` files: text with the scale of the network."""

from pathlib import Path

from torch import nn

from demagnify.core.errors import BadArtifactError
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.readers import Loaded, Reader


def read(path: Path, /, *, scale: int | None, device: str) -> Loaded:
    text = path.read_text(encoding="utf-8").strip()
    if not text.isdecimal() or not 1 <= int(text) <= 8:
        raise BadArtifactError(f"{path} holds no scale from 1 to 8", hint="write 2 into it")
    return Loaded(Network(nn.Upsample(scale_factor=int(text)), scale=int(text)), (path,))


READER = Reader(read, suffixes=(".toysr",))
