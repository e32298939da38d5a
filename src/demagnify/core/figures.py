"""Saving figures whose words come from files: a `$` in a name is no formula."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def savefig(figure: Figure, target: Path | IO[bytes] | IO[str], **how: Any) -> None:  # noqa: ANN401  as savefig
    """Saves a figure with all its words as they are; matplotlib would typeset what is between `$`.

    Args:
        figure: The figure.
        target: Where it goes.
        how: What `Figure.savefig` takes.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with mpl.rc_context({"text.parse_math": False}):  # for labels that are made while it is drawn
        figure.savefig(target, **how)
