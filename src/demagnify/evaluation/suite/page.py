"""The leaderboard: a page made of rows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.printing import count
from demagnify.evaluation.suite.row import ROW, Row, verified
from demagnify.evaluation.words import with_span

_MARK: Final = "Made by `demagnify bench leaderboard`"
_HEAD: Final = """# Leaderboard

{mark} from the rows in `{folder}`; do not edit it.
Each row holds its scores: `demagnify bench verify ROW` computes every figure again, without
pictures and without torch. [Enter your own](evaluation.md#a-benchmark-that-you-can-enter).

Balanced accuracy in %, with 95 % intervals (bootstrap over groups). *Attacked*: mean over all
conditions with an attack. *Worst*: the worst of them. *Adaptive*: for each face the condition that
hurts it most. *FPR*: real faces called fake, clean and at most under an attack. *Seen*: how many
attacks of the suite took part in training, as the entry's card says; those do not count as unseen.
Thresholds are the entries' own; nothing is chosen on these faces.
The commands stand as they were given: `runs/sample` is the set that `demagnify sample` makes.
"""
_COLUMNS: Final = (
    *("Row", "Method", "Attacked", "Clean", "Worst", "Under", "Adaptive"),
    *("FPR clean", "FPR attacked", "Seen"),
)


def check_replaceable(page: Path) -> None:
    """Refuses to replace what is no leaderboard.

    Raises:
        BadConfigError: If there is another file, or a folder.
    """
    if page.exists() and not (page.is_file() and _MARK.encode() in page.read_bytes()[:1000]):
        raise BadConfigError(f"{page} is no leaderboard", hint="choose another name for the page")


def leaderboard(folder: Path, *, shown: str = "") -> str:
    """Returns the page of all rows below a folder, one table for each suite and set of faces.

    Args:
        folder: Holds rows in subfolders at any depth.
        shown: The folder's name on the page; its path if empty.

    Raises:
        BadArtifactError: If there is no row, or one has changed since it was written.
    """
    rows = [(path.parent, verified(path)[0]) for path in sorted(folder.rglob(ROW))]
    if not rows:
        raise BadArtifactError(f"{folder} holds no row", hint="`demagnify bench run` writes one")
    tables: dict[tuple[str, str, str], list[tuple[Path, Row]]] = {}
    for path, row in rows:
        key = (row.suite.name, row.suite_sha256, row.faces.fingerprint)
        tables.setdefault(key, []).append((path.relative_to(folder), row))
    parts = [_HEAD.format(mark=_MARK, folder=shown or folder.as_posix())]
    parts += [_section(members) for members in tables.values()]
    return "\n".join(parts)


def _section(members: Sequence[tuple[Path, Row]]) -> str:
    row = members[0][1]
    faces, suite = row.faces, row.suite
    text = (
        f"## {suite.name}: {faces.data}, split {suite.split}\n\n"
        f"n = {count(faces.real + faces.fake, 'face')} ({faces.real} real, {faces.fake} fake) in "
        f"{count(faces.groups, 'group')}, attacked at {suite.size} x {suite.size} pixels; "
        f"{count(len(suite.conditions), 'condition')}, {len(suite.attacked)} with an attack. "
        f"Faces `{faces.fingerprint[:12]}`, suite `{row.suite_sha256[:12]}`.\n"
    )
    best = sorted(members, key=lambda one: -(one[1].summary.attacked.value or 0.0))
    lines = [_line(_COLUMNS), "|:--|:--|" + "--:|" * 3 + ":--|" + "--:|" * 4]
    lines += [_line(cells) for _, one in best for cells in _cells(one)]
    notes = [
        f"- {one.name} (`{path.as_posix()}`, {_where(one)}): `{one.command}`" for path, one in best
    ]
    return "\n".join([text, *lines, "", *notes, ""])


def _cells(row: Row) -> Iterator[Sequence[str]]:
    """Yields the lines of a row: the method that competes first."""
    seen = len(set(row.suite.attacks) & set(row.entry.seen_attacks))
    for one in reversed(row.figures.summaries):
        yield (
            row.name,
            one.method,
            with_span(one.attacked),
            with_span(one.clean),
            with_span(one.worst),
            one.worst_condition,
            with_span(one.adaptive),
            with_span(one.fpr_clean),
            with_span(one.fpr_highest),
            f"{seen} of {len(row.suite.attacks)}",
        )


def _where(row: Row) -> str:
    return f"demagnify {row.versions.demagnify}, {row.machine.processor}, {row.machine.device}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(one.replace("|", "\\|") for one in cells) + " |"
