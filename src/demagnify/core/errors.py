"""What can go wrong, said in one line that tells the user what to do.

Every error that a user can cause derives from `DemagnifyError`; the command line prints its
message and exits with `exit_code`, without a traceback. Anything else is a fault of ours and
keeps its traceback.
"""

from __future__ import annotations


class DemagnifyError(Exception):
    """Base of all errors that a user can cause and mend.

    Args:
        message: One line: what is wrong, with the file or value that is wrong.
        hint: One line: what to do about it; empty if the message says it already.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ImageContractError(DemagnifyError, ValueError):
    """A tensor that is not an image batch: uint8, RGB, (N, 3, H, W)."""


class BadImageError(DemagnifyError):
    """A file that cannot be read as a photograph."""


class BadManifestError(DemagnifyError):
    """A manifest, label folder or split that cannot be used."""


class BadArtifactError(DemagnifyError):
    """A checkpoint that is missing, damaged, of another kind or of another version."""


class BadConfigError(DemagnifyError, ValueError):
    """A setting with an unknown name or a value out of its range."""


class UnknownNameError(DemagnifyError, KeyError):
    """A name that no registry holds."""

    __str__ = DemagnifyError.__str__


class AssetError(DemagnifyError):
    """Third-party weights or photographs that cannot be fetched or verified."""


class BadOutputError(DemagnifyError):
    """A place that cannot be written to."""


class DemagnifyWarning(UserWarning):
    """Something that the user should know, though the work goes on."""
