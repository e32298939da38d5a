"""What an ONNX file of `demagnify export` says about itself, and whether anybody changed it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from demagnify.core.errors import BadArtifactError, first_finding
from demagnify.core.files import sha256
from demagnify.core.onnx_session import OnnxSession
from demagnify.core.settings import Frozen

NOTES: Final = "demagnify"
"""The key of its metadata that holds `ExportNotes` as JSON."""
DIGEST: Final = "demagnify_sha256"
"""The key of its metadata that holds the SHA-256 of the file, taken with 64 zeros in its place."""
_DIGEST: Final = re.compile(DIGEST.encode() + rb"\x12\x40([0-9a-f]{64})")


class ExportNotes(Frozen):
    """What an exported ONNX file says about itself, in its metadata."""

    name: str = Field(description="The name in tables")
    fingerprint: str = Field(description="What the logits depend on, as of the exported defence")
    input_size: int = Field(ge=1, description="Side of the crops in pixels")
    threshold: float = Field(allow_inf_nan=False, description="A logit above it means fake")
    actions: tuple[str, ...] = Field(min_length=1, description="The names of the corrections")
    views: int = Field(default=1, ge=1, description="Of how many of them a logit is the mean")
    weights: dict[str, str] = Field(
        default_factory=dict, description="Files beside it with further weights: name -> SHA-256"
    )
    demagnify: str = Field(description="The version that wrote it")
    calibration: str = Field(default="", description="calibration.json; empty: not calibrated")
    conditions: str = Field(default="", description="conditions.json; empty: not measured")


def is_exported(path: Path) -> bool:
    """Whether a file looks like one that `demagnify export` wrote."""
    return path.is_file() and _DIGEST.search(path.read_bytes()) is not None


def read_verified(path: Path) -> bytes:
    """Reads a file that `demagnify export` wrote, and checks that nobody changed it.

    Raises:
        BadArtifactError: If it is missing, not such a file, or its SHA-256 is another.
    """
    if not path.is_file():
        raise BadArtifactError(f"{path}: there is no such ONNX file")
    content = path.read_bytes()
    found = _DIGEST.search(content)
    if not found:
        raise BadArtifactError(
            f"{path} is not an ONNX file that demagnify wrote",
            hint="write it by `demagnify export`",
        )
    if digest_of(content) != found[1].decode():
        raise BadArtifactError(
            f"{path} was changed after it was written (SHA-256 differs)",
            hint="copy it again, or write it again by `demagnify export`",
        )
    return content


def digest_of(content: bytes) -> str:
    """Returns the SHA-256 of a file with 64 zeros where its metadata holds it."""
    found = _DIGEST.search(content)
    if not found:
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256(memoryview(content)[: found.start(1)])
    digest.update(b"0" * 64)
    digest.update(memoryview(content)[found.end(1) :])
    return digest.hexdigest()


def check_weights(path: Path, digest: str, model: Path) -> None:
    """Checks the file of further weights of a shipped model.

    Raises:
        BadArtifactError: If it is missing, or its SHA-256 is another.
    """
    if not path.is_file() or sha256(path) != digest:
        raise BadArtifactError(
            f"{path} is not the file that {model.name} was made for (SHA-256 differs)",
            hint="install demagnify again",
        )


def read_notes(session: OnnxSession, path: Path) -> ExportNotes:
    """Returns what an opened file says about itself.

    Raises:
        BadArtifactError: If another version of demagnify wrote it.
    """
    written = session.session.get_modelmeta().custom_metadata_map.get(NOTES, "")
    try:
        return ExportNotes.model_validate_json(written)
    except ValidationError as error:
        raise BadArtifactError(
            f"{path}: its metadata are not those of this demagnify: {first_finding(error)}",
            hint="write it again by `demagnify export`",
        ) from error
