"""Settings of the service and the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from demagnify.core.errors import BadConfigError
from demagnify.core.parallel import default_workers
from demagnify.core.settings import Frozen
from demagnify.inference import DetectionConfig

TOKEN_VARIABLE: Final = "DEMAGNIFY_TOKEN"  # noqa: S105  the name of a variable


class _Listening(Frozen):
    """Where it listens, and how it classifies."""

    host: str = Field(
        default="127.0.0.1",
        description="The address to listen on; 0.0.0.0 lets other machines in.",
    )
    port: int = Field(
        default=8000, ge=0, le=65535, description="The port to listen on; 0 takes any free one."
    )
    max_pixels: int = Field(
        default=50_000_000,
        ge=64,
        le=178_956_970,
        description="The most pixels of a photograph, or of a frame of a clip.",
    )
    max_faces: int = Field(
        default=100, ge=1, description="The most faces in a photograph, or in a frame of a clip."
    )
    max_seconds: float = Field(
        default=60.0, gt=0, description="The longest clip; at most 240 frames of each second."
    )
    max_bytes: int = Field(default=2**26, ge=1, description="The most bytes of a request.")
    detection: DetectionConfig = Field(
        default_factory=DetectionConfig, description="How faces are classified, as in detect."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.detection.save is not None or self.detection.strict:
            raise ValueError("detection.save and detection.strict are for `demagnify detect` alone")
        return self


class PageConfig(_Listening):
    """Where the page is shown, its limits, and how it classifies."""

    port: int = Field(
        default=7860, ge=0, le=65535, description="The port to listen on; 0 takes any free one."
    )
    runs: Path = Field(
        default=Path("runs"), description="A folder with runs whose reports the page can open."
    )


class ServiceConfig(_Listening):
    """Where the service listens, its limits, and how it classifies."""

    token_file: Path | None = Field(
        default=None,
        description="A file with a token that every request must send (Authorization: Bearer "
        f"TOKEN); the environment variable {TOKEN_VARIABLE} if not set, and no token without both.",
    )
    max_files: int = Field(default=16, ge=1, description="The most files of a request.")
    max_requests: int = Field(
        default=128, ge=1, description="The most requests in work; further ones get status 429."
    )
    workers: int = Field(
        default_factory=default_workers,
        ge=1,
        description="How many photographs are decoded at once; one thread classifies all.",
    )
    clip_workers: int = Field(default=1, ge=1, description="How many clips are read at once.")
    grace: int = Field(
        default=30, ge=0, description="Seconds that requests in work have when the service stops."
    )
    access_log: bool = Field(default=True, description="Print a line for each request.")

    def token(self) -> str | None:
        """Reads the token; None if there shall be none.

        Raises:
            BadConfigError: If the file cannot be read, or the token is empty or not ASCII.
        """
        if self.token_file is None:
            where, text = f"the environment variable {TOKEN_VARIABLE}", os.getenv(TOKEN_VARIABLE)
            if text is None:
                return None
        else:
            where = str(self.token_file)
            try:
                text = self.token_file.read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                raise BadConfigError(f"{where}: the token cannot be read: {error}") from error
        token = text.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise BadConfigError(
                f"{where} holds no token", hint="a token is one word of letters and digits"
            )
        return token
