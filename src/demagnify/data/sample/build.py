"""Builds the sample set: face crops of real photographs, a fake of each, and a contact sheet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from demagnify.core import assets, images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.core.files import sweep_dead
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.core.printing import storable
from demagnify.core.runs import claim
from demagnify.core.settings import Frozen
from demagnify.data.face_finding import FaceFinder
from demagnify.data.labels import FAKE, REAL, label_name
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.records import Record, Skipped, is_utf8, reason_of
from demagnify.data.sample.fakes import self_blend, swap_face
from demagnify.data.sample.portraits import Portrait, Recipe, choose_donors, find_portrait, rng_for
from demagnify.data.splits import FRACTIONS, split_of
from demagnify.data.subsample import spread_evenly

SIZE: Final = 224
JPEG_QUALITY: Final = 92
CONTACT_SHEET: Final = "contact_sheet.png"

_VERSION: Final = 1


class SampleConfig(Frozen):
    """Which photographs a sample set is made of, and its draws."""

    photos: Path | None = Field(
        default=None,
        description="A folder of photographs, at any depth, from which the swaps are made; about "
        "1,000 of CelebA if not set.",
    )
    count: int | None = Field(
        default=None, ge=4, description="Use only so many photographs, the first by name."
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of methods, donors and masks; the same seed gives the same bits.",
    )


def build_sample(
    output: Path,
    config: SampleConfig | None = None,
    *,
    workers: int | None = None,
    finder: FaceFinder | None = None,
) -> Manifest:
    """Makes a set of real and fake face crops, 224x224 PNG, with manifest and contact sheet.

    Of every photograph the largest face is used twice: as it is, and faked (`swap_face` with a
    donor from the same split, or `self_blend`). Both then go the very same way: JPEG of quality
    92, the same box around the face, resized to 224. Both are in one group, which is called like
    the photograph, and in the split that `split_of` gives it. The manifest names `method` and
    `donor` of each fake.

    What is there already is kept, so that a build that was stopped goes on. The same photographs
    and seed give the same files, bit for bit.

    Args:
        output: Folder to write to.
        config: Which photographs, and the seed.
        workers: Threads; a few more than there are processors by default.
        finder: Finds the faces; with its default threshold where none is given.

    Returns:
        The manifest, as written; `skipped` lists the photographs without a usable face.

    Raises:
        BadOutputError: If `output` holds something else, or a sample set of another seed or other
            photographs, or cannot be written to.
        BadManifestError: If no photograph can be used.
        BadImageError: If `config.photos` is no folder.
        AssetError: If photographs or the face finder cannot be fetched.
    """
    config = config or SampleConfig()
    seed = config.seed
    root = config.photos or assets.fetch("celeba-999")
    left_out: list[Skipped] = []
    found = images.list_files(
        root, on_skip=lambda path, why: left_out.append(Skipped(storable(path), why))
    )
    paths = [path for path in found if not path.is_relative_to(output)][: config.count]
    listing = "\n".join(f"{_name(path, root)!a} {path.stat().st_size}" for path in paths)
    photographs = hashlib.sha256(listing.encode()).hexdigest()
    identity = {"version": _VERSION, "seed": seed, "photographs": photographs}
    with claim(output, identity, what="demagnify sample"):
        portraits, skipped = _find_portraits(root, paths, finder or FaceFinder(), workers)
        if not portraits:
            first = f"; the first of {len(skipped)}: {skipped[0]}" if skipped else ""
            raise BadManifestError(f"{root}: no photograph can be used{first}")
        render = partial(_render, output=output, seed=seed)
        pairs = list(in_threads(render, _recipes(portraits, seed), "making fakes", workers=workers))
        made = (record for pair in pairs for record in pair)
        manifest = Manifest(made, root=output, skipped=[*left_out, *skipped])
        save_contact_sheet(manifest, output / CONTACT_SHEET)
        manifest.save(output / FILE_NAME)
        return manifest


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _find_portraits(
    root: Path, paths: Sequence[Path], finder: FaceFinder, workers: int | None
) -> tuple[list[Portrait], list[Skipped]]:
    def find(path: Path) -> Portrait | Skipped:
        name = _name(path, root)
        shown = storable(path)
        if not is_utf8(name):
            return Skipped(shown, "the file's name is not UTF-8")
        try:
            return find_portrait(path, name, finder)
        except BadImageError as error:
            return Skipped(shown, reason_of(error, path))

    portraits: dict[str, Portrait] = {}
    skipped: list[Skipped] = []
    for found in in_threads(find, paths, "finding faces", workers=workers):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif found.name in portraits:
            skipped.append(Skipped(str(found.path), "another file has this name but the suffix"))
        else:
            portraits[found.name] = found
    return list(portraits.values()), skipped


def _recipes(portraits: Sequence[Portrait], seed: int) -> list[Recipe]:
    """Returns a recipe for each portrait, split after split."""
    return [
        recipe
        for split in FRACTIONS
        for recipe in choose_donors([p for p in portraits if split_of(p.name) == split], seed=seed)
    ]


def _render(recipe: Recipe, *, output: Path, seed: int) -> tuple[Record, Record]:
    """Writes the real crop and the fake crop of one photograph, where they are not there yet."""
    target = recipe.target
    split = split_of(target.name)
    real, fake = (
        Record(
            path=output / split / label_name(label) / f"{target.name}.png",
            label=label,
            split=split,
            group=target.name,
            extra={
                "method": recipe.method if label == FAKE else "",
                "donor": recipe.donor.name if recipe.donor and label == FAKE else "",
            },
        )
        for label in (REAL, FAKE)
    )
    for one in (real, fake):
        sweep_dead(one.path.parent)
    if not (real.path.is_file() and fake.path.is_file()):
        photo = target.pixels()
        images.save_png(real.path, publish(photo, target))
        images.save_png(fake.path, publish(make_fake(recipe, photo, seed=seed), target))
    return real, fake


def make_fake(recipe: Recipe, photo: Pixels, *, seed: int) -> Pixels:
    """Carries out a recipe on the portrait's pixels; returns uint8 RGB of the same shape."""
    rng = rng_for(seed, "fake", recipe.target.name)
    if recipe.method == "self-blend" or recipe.donor is None:
        return self_blend(photo, recipe.target.landmarks, rng=rng)[0]
    return swap_face(
        photo,
        recipe.target.landmarks,
        recipe.donor.pixels(),
        recipe.donor.landmarks,
        blend=recipe.method,
        rng=rng,
    )[0]


def publish(pixels: Pixels, portrait: Portrait) -> Pixels:
    """Returns the face crop (224, 224, 3) of a portrait, real or fake, after its JPEG."""
    published = images.through_jpeg(pixels, JPEG_QUALITY)
    return portrait.crop(published, SIZE)


PAIRS: Final = 40
COLUMNS: Final = 4

_SIDE: Final = 168
_CAPTION: Final = 36
_GAP: Final = 10


def save_contact_sheet(manifest: Manifest, path: Path) -> None:
    """Draws pairs of a real face and its fake, evenly spread over the set, into a PNG.

    Under each pair stand the photograph and its split, the method, and the donor.

    Args:
        manifest: A set as `build_sample` makes it.
        path: The PNG to write.
    """
    shown = _pick(manifest)
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    cell = (2 * _SIDE + 2 + _GAP, _SIDE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for number, (real, fake) in enumerate(shown):
        x = _GAP + (number % columns) * cell[0]
        y = _GAP + (number // columns) * cell[1]
        for offset, record in ((0, real), (_SIDE + 2, fake)):
            face = images.fit(images.load(record.path), _SIDE)
            sheet.paste(Image.fromarray(face), (x + offset, y))
        draw.text((x, y + _SIDE + 2), f"real {real.group} ({real.split})", "black", font)
        method, donor = fake.extra["method"], fake.extra["donor"]
        caption = f"fake: {method}, donor {donor}" if donor else f"fake: {method}"
        draw.text((x, y + _SIDE + 18), caption, "black", font)
    images.save_png(path, np.asarray(sheet))


def _pick(manifest: Manifest) -> list[tuple[Record, Record]]:
    reals = {record.group: record for record in manifest if record.label == REAL}
    fakes = [record for record in manifest if record.label == FAKE]
    chosen = [fakes[index] for index in spread_evenly(len(fakes), PAIRS)]
    return [(reals[fake.group], fake) for fake in chosen]
