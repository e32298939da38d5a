"""Which defences an evaluation is asked for, as they are written on one line each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.shipped import load_defended
from demagnify.agents.train import SEED_FOLDER
from demagnify.core import artifacts
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError

_NAMED: Final = re.compile(r"([^=:@/\\]+)=(.+)")


def load_groups(
    specs: Sequence[str], *, device: str = "auto", precision: Precision = "auto"
) -> dict[str, list[DefendedDetector]]:
    """Loads defences by what they are called; several of one name are trainings of one defence.

    Args:
        specs: Each "NAME=SOURCE" or "SOURCE": whatever `load_defended` takes, or a folder with the
            subfolders seed-N. Without a name the source's last part is the name.
        device: "auto", "cpu", "cuda".
        precision: In what the detectors compute.

    Raises:
        BadArtifactError: If a source is no defence and no detector.
        BadConfigError: If two sources have one name that nobody gave them.
    """
    groups: dict[str, list[DefendedDetector]] = {}
    for spec in specs:
        given = _NAMED.fullmatch(spec)
        source = given[2] if given else spec
        name = given[1].strip() if given else Path(source).name
        if not given and name in groups:
            raise BadConfigError(
                f"two defences are called {name!r}",
                hint=f"name them: --defense one={source}, or both alike if only seeds differ",
            )
        groups.setdefault(name, []).extend(
            load_defended(one, device=device, precision=precision) for one in trainings(source)
        )
    return groups


def trainings(source: str) -> list[str]:
    """Returns the subfolders seed-N of a folder in order; the source itself where it has none."""
    folder = Path(source)
    if (folder / artifacts.CARD).exists() or not folder.is_dir():
        return [source]
    found = [path for path in folder.glob(SEED_FOLDER.format("*")) if path.is_dir()]
    order = sorted(found, key=lambda path: (len(path.name), path.name))
    return [str(path) for path in order] or [source]
