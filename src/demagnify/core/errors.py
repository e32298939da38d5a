"""What can go wrong, said in one line that tells the user what to do.

Every error that a user can cause derives from `DemagnifyError`; the command line prints its
message and exits with `exit_code`, without a traceback. Anything else is a fault of ours and
keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from demagnify.core.printing import printable

if TYPE_CHECKING:
    from pydantic import ValidationError


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
        # Names and values in it come from files: it is one line, whatever they hold.
        return printable(f"{self.message} ({self.hint})" if self.hint else self.message)


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


def first_line(error: BaseException) -> str:
    """Returns the first line of an error: the system's words, or its kind where it says nothing."""
    said = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return next(iter(said.strip().splitlines()), type(error).__name__)


def first_finding(
    error: ValidationError,
    *,
    inside: str = "",
    known: Iterable[str] = (),
    noun: str = "setting",
    show_input: bool = False,
) -> str:
    """Returns the first of pydantic's findings in one line: "a.b: Input should be ...".

    Args:
        error: What a model refused.
        inside: The place of the model in its document, put before the finding's own.
        known: Names that an unknown one may have been meant for.
        noun: What an unknown name is called.
        show_input: Whether the refused value is shown.
    """
    finding = error.errors(include_url=False)[0]
    place = ".".join([*filter(None, [inside]), *map(str, finding["loc"])])
    if finding["type"] == "value_error":
        return f"{place}: ".lstrip(": ") + str(finding["ctx"]["error"])
    if finding["type"] != "extra_forbidden":
        refused = f", not {finding['input']!r}" if show_input else ""
        return f"{place or 'the document'}: {finding['msg']}{refused}"
    names = list(known)
    close = get_close_matches(str(finding["loc"][-1]), names, n=1)
    meant = f"did you mean {close[0]}?" if close else f"known: {', '.join(names) or 'none'}"
    return f"{place} is no known {noun}; {meant}"
