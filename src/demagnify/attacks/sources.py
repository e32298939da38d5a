"""Which images an attack on a folder reads, and what their attacked copies are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demagnify import images
from demagnify.data.labels import NAMES
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.records import Record, Skipped, is_utf8, relative_name
from demagnify.errors import BadManifestError


@dataclass(frozen=True, slots=True)
class Source:
    """One image to attack.

    Attributes:
        path: Where the file lies.
        name: Its name below the folder that was given, with forward slashes.
        target: The name of the attacked copy below the output folder.
        record: What the manifest says of it; None for an image without a label.
    """

    path: Path
    name: str
    target: str
    record: Record | None

    def stamp(self) -> str:
        """Returns what changes when the file does: its size and time of change."""
        status = self.path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}"


def read_sources(source: Path, *, strict: bool) -> tuple[list[Source], list[Skipped]]:
    """Lists the images of a manifest, or of a folder without labels.

    Raises:
        BadManifestError: If there is no image, or the manifest cannot be used.
    """
    if source.is_dir() and not _is_labelled(source):
        return _unlabelled(source)
    manifest = Manifest.load(source, strict=strict)
    names = [relative_name(record.path, manifest.root) for record in manifest]
    named = zip(manifest, names, _targets(names), strict=True)
    sources = [Source(record.path, name, target, record) for record, name, target in named]
    return sources, list(manifest.skipped)


def _is_labelled(folder: Path) -> bool:
    """Whether there is a manifest, or folders `real` and `fake` at the top or inside splits."""
    if (folder / FILE_NAME).is_file():
        return True
    places = (*folder.glob("*/"), *folder.glob("*/*/"))
    return any(path.is_dir() and path.name.lower() in NAMES for path in places)


def _unlabelled(folder: Path) -> tuple[list[Source], list[Skipped]]:
    paths: list[Path] = []
    skipped: list[Skipped] = []
    for path in images.list_files(folder):
        name = relative_name(path, folder)
        if is_utf8(name):
            paths.append(path)
        else:
            shown = name.encode("utf-8", "backslashreplace").decode()
            skipped.append(Skipped(shown, "the file's name is not UTF-8"))
    if not paths:
        raise BadManifestError(f"{folder}: there is no image", hint="give a folder of face crops")
    names = [relative_name(path, folder) for path in paths]
    named = zip(paths, names, _targets(names), strict=True)
    return [Source(path, name, target, None) for path, name, target in named], skipped


def _targets(names: list[str]) -> list[str]:
    """Returns a name ending in .png for each; photo.jpg beside photo.png becomes photo.jpg.png."""
    taken = {name for name in names if name.endswith(".png")}
    targets: list[str] = []
    for name in names:
        target = name
        if not name.endswith(".png"):
            target = Path(name).with_suffix(".png").as_posix()
            if target in taken:
                target = f"{name}.png"
            while target in taken:
                target = target.removesuffix(".png") + "_.png"
            taken.add(target)
        targets.append(target)
    return targets
