"""A labelled set of tiny faces that a small network can learn."""

import csv

import numpy as np

from demagnify.core import images

SIZE = 64
COUNTS = {"train": 12, "val": 6, "test": 6}


def write_faces(folder, *, seed=0, size=SIZE, counts=COUNTS):
    """Writes `counts` pairs of a real and a fake face, each pair a group; returns the folder.

    Fakes have a stripe of fine texture, which shrinking and enlarging wipes out.
    """
    random = np.random.default_rng(seed)
    rows = []
    for split, count in counts.items():
        for number in range(count):
            base = random.integers(60, 200, (4, 4, 3)).repeat(size // 4, 0).repeat(size // 4, 1)
            for label in ("real", "fake"):
                pixels = base + random.normal(0, 4, base.shape)
                if label == "fake":
                    pixels[size // 4 : size // 2, ::2] += 40
                name = f"{split}/{label}/{number:02d}.png"
                images.save_png(folder / name, np.clip(pixels, 0, 255).astype(np.uint8))
                rows.append((name, label, split, f"{split}-{number:02d}"))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file_name", "label", "split", "group"))
        writer.writerows(rows)
    return folder
