"""The official splits of FaceForensics++: three JSON files, lists of pairs of videos."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadManifestError, DemagnifyWarning
from demagnify.data.formats.annotation_files import identifier, read_json, shown
from demagnify.data.splits import Together

FILES: Final = ("train.json", "val.json", "test.json")
DOMAIN: Final = "youtube"
_PLACES: Final = ("", "splits", "dataset/splits")


class OfficialSplits:
    """In which split each original is, and with which other it makes a pair.

    Args:
        homes: The split of each original, "youtube/071"; empty if there are no split files.
        pairs: The pairs of originals.
    """

    def __init__(self, homes: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> None:
        self._homes = homes
        self._pairs = pairs

    @classmethod
    def find(cls, home: Path, folder: Path | None) -> OfficialSplits:
        """Reads the split files from `folder`, or from beside the data where they are there.

        Raises:
            BadManifestError: If a file cannot be read, is no list of pairs, puts a video into two
                splits, or is missing where another is there.
        """
        places = [folder] if folder else [p / name for p in (home, home.parent) for name in _PLACES]
        for place in places:
            there = [place / name for name in FILES if (place / name).is_file()]
            if there:
                return cls._read(there)
        if folder:
            raise BadManifestError(f"{folder}: there is no {', '.join(FILES)}")
        return cls({}, [])

    @classmethod
    def _read(cls, files: Sequence[Path]) -> OfficialSplits:
        homes: dict[str, str] = {}
        pairs = []
        for path in files:
            for pair in _pairs(path):
                pairs.append(pair)
                for one in pair:
                    if homes.setdefault(one, path.stem) != path.stem:
                        raise BadManifestError(
                            f"{path}: the video {one.split('/')[1]} is in {homes[one]}.json too"
                        )
        return cls(homes, pairs)

    def __bool__(self) -> bool:
        return bool(self._homes)

    def split_of(self, parts: Sequence[str]) -> str:
        """Returns the split of a video made of `parts`.

        "" without split files, and for actors' videos, of which they say nothing.

        Raises:
            BadManifestError: If a part is in no split, or two are in different ones.
        """
        if not self._homes or not parts[0].startswith(f"{DOMAIN}/"):
            return ""
        for part in parts:
            if part not in self._homes:
                raise BadManifestError(f"the video {part.split('/')[1]} is in no split file")
        found = {part.split("/")[1]: self._homes[part] for part in parts}
        if len(set(found.values())) > 1:
            told = " and ".join(f"{name} is in {split}" for name, split in found.items())
            raise BadManifestError(f"it is made of videos of two splits: {told}")
        return next(iter(found.values()))

    def join_pairs(self, together: Together) -> None:
        """Puts the videos of each official pair into one group."""
        for pair in self._pairs:
            together.join(*pair)

    @staticmethod
    def warn(home: Path) -> None:
        """Says that these are not the splits that others report on."""
        warnings.warn(
            f"{home}: there is no {', '.join(FILES)}; videos are split by pairs, but not as in the "
            "official splits (set splits to the folder that holds them)",
            DemagnifyWarning,
            stacklevel=2,
        )


def _pairs(path: Path) -> list[tuple[str, str]]:
    content = read_json(path)
    if not isinstance(content, list):
        raise BadManifestError(f"{path}: is not a list of pairs of videos")
    return [_pair(path, place, entry) for place, entry in enumerate(content)]


def _pair(path: Path, place: int, entry: object) -> tuple[str, str]:
    names = [_name(one) for one in entry] if isinstance(entry, list) else []
    if len(names) != 2 or names[0] is None or names[1] is None:
        raise BadManifestError(f"{path}: entry {place} is {shown(entry)}, not a pair of videos")
    return f"{DOMAIN}/{names[0]}", f"{DOMAIN}/{names[1]}"


def _name(value: object) -> str | None:
    """Returns a video's name; some copies of the files hold numbers, 71 for "071"."""
    name = identifier(value)
    return f"{name:03d}" if isinstance(name, int) else name
