"""How close attacking files comes to the bare network: images per second, side by side.

    python benchmarks/attack_throughput.py --photos FOLDER

For each network, face crops and whole photographs are attacked by `demagnify.attack`, files read,
faces found, compared, encoded and written included, and in turn the same batches go through the
network alone: tensors in memory, shrunk already, nothing done with the result. The ratio of both
times is what counts; times by themselves depend on what else the machine does. Where others use
the processors too, and networks compute there, the ratio of processor time is the steadier one;
OMP_NUM_THREADS=1 keeps waiting threads from being counted. FOLDER holds photographs with a face
each, by default the CelebA photographs among the assets.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from demagnify.core import assets, devices, images
from demagnify.data.face_finding import FaceFinder, crop
from demagnify.laundering.attack import attack as attack_files
from demagnify.laundering.config import AttackConfig
from demagnify.transforms import create_attack
from demagnify.transforms.base import Transform
from demagnify.transforms.resampling import shrink, to_float
from demagnify.transforms.super_resolution.attack import SuperResolution

CROP_SIDE = 224
PHOTO_SIDES = (712, 872)
"""Width and height of the whole photographs: four times as large as CelebA's."""


class Recording(Transform):
    """Passes batches on and keeps them, so that the network alone gets the same ones."""

    def __init__(self, attack: SuperResolution) -> None:
        self.inner = attack
        self.batches: list[torch.Tensor] = []

    @property
    def name(self) -> str:
        """That of the attack within."""
        return self.inner.name

    def apply(self, images: torch.Tensor, rngs: object = ()) -> torch.Tensor:  # noqa: ARG002
        """Attacks a batch."""
        self.batches.append(images)
        return self.inner(images)

    def fingerprint(self) -> str:
        """Returns that of the attack within."""
        return self.inner.fingerprint()


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        name: What it is called in the table.
        folder: The files.
        config: How they are attacked.
    """

    name: str
    folder: Path
    config: AttackConfig


def prepare(photos: Path, work: Path, count: int) -> list[Case]:
    """Writes face crops as PNG and photographs as JPEG, as data sets have them."""
    finder = FaceFinder()
    for number, path in enumerate(images.list_files(photos)[:count]):
        pixels = images.load(path)
        found = finder.find(pixels)
        if not found:
            continue
        images.save_png(work / "crops" / f"{number}.png", crop(pixels, found[0], size=CROP_SIDE))
        target = work / "photos" / f"{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        large = Image.fromarray(pixels).resize(PHOTO_SIDES, Image.Resampling.LANCZOS)
        large.save(target, quality=92)
    photographs = AttackConfig(content="photos")
    return [
        Case("crops, PNG", work / "crops", AttackConfig(content="crops")),
        Case("photos, PNG", work / "photos", photographs),
        Case(
            "photos, as original",
            work / "photos",
            photographs.model_copy(update={"save_as": "original"}),
        ),
    ]


@dataclass(frozen=True)
class Taken:
    """How long something took, in seconds: by the clock, and of all processors together."""

    clock: float
    processor: float


def taken(work: Callable[[], object]) -> Taken:
    """Returns how long `work` takes."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Taken(time.perf_counter() - clock, time.process_time() - processor)


def bare(attack: SuperResolution, batches: list[torch.Tensor]) -> Taken:
    """Returns how long the network alone takes for batches that are shrunk and on its device."""
    ready = [to_float(shrink(batch.to(attack.device), attack.factor)) for batch in batches]

    def forward() -> None:
        with torch.inference_mode(), devices.autocast(attack.device, attack.precision):
            for batch in ready:
                attack.network.module(batch)

    return taken(forward)


def measure(case: Case, attack: SuperResolution, options: argparse.Namespace) -> str:
    """Returns a line of the table: medians of interleaved repeats, after one that warms up."""
    files: list[Taken] = []
    alone: list[Taken] = []
    faces = 0
    with tempfile.TemporaryDirectory() as place:
        for repeat in range(options.repeats + 1):
            recording = Recording(attack)
            run = functools.partial(
                attack_files,
                case.folder,
                Path(place) / str(repeat),
                case.config.model_copy(update={"batch_size": options.batch}),
                transform=recording,
            )
            both = taken(run), bare(attack, recording.batches)
            if repeat:
                files.append(both[0])
                alone.append(both[1])
                faces = sum(len(batch) for batch in recording.batches)
    pairs = list(zip(alone, files, strict=True))
    ratios = [network.clock / whole.clock for network, whole in pairs]
    processor = [network.processor / whole.processor for network, whole in pairs]
    return (
        f"{attack.name:<20}{case.name:<20}"
        f"{faces / statistics.median(whole.clock for whole in files):>8.1f}"
        f"{faces / statistics.median(network.clock for network in alone):>8.1f}"
        f"{statistics.median(ratios):>8.0%}{min(ratios):>7.0%} -{max(ratios):>4.0%}"
        f"{statistics.median(processor):>11.0%}{min(processor):>7.0%} -{max(processor):>4.0%}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--photos", type=Path, help="photographs with a face each")
    parser.add_argument("--count", type=int, default=64, help="how many photographs")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement, interleaved")
    parser.add_argument("--batch", type=int, default=16, help="faces at once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16")
    parser.add_argument("--models", nargs="+", default=["realesr-compact-x2", "srgan-x4"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        photos = options.photos or assets.fetch("celeba-999")
        cases = prepare(photos, Path(place), options.count)
        print(
            f"{'network':<20}{'files':<20}{'files/s':>8}{'bare/s':>8}{'ratio':>8}{'':13}"
            f"{'processor':>11}"
        )
        for model in options.models:
            attack = create_attack(model, device=options.device, precision=options.precision)
            if not isinstance(attack, SuperResolution):
                raise SystemExit(f"{model} has no network to compare with")
            for case in cases:
                print(measure(case, attack, options), flush=True)


if __name__ == "__main__":
    main()
