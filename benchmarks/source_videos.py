"""Validation faces of ff128 whose source video is in train, beside those whose source is not.

In sets of the FaceForensics++ kind clip N and clip N + 720 show one person of one source video, so
that splits by clip share sources. The command behind the audit of docs/hardening.md:

    python benchmarks/source_videos.py ff128 --detector light --detector hardened
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

import numpy as np

from demagnify import Manifest, load_detector
from demagnify.data.prepare.opening import open_faces
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.words import with_span

PAIRS: Final = 720
"""Clips N and N + 720 have one source."""


def main() -> None:
    """Prints a line for each split, detector and kind of face."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", action="append", required=True)
    parser.add_argument("--splits", nargs="*", default=["val"], help="beside train")
    options = parser.parse_args()
    manifest = Manifest.load(options.data)
    known = {source_of(group) for group in manifest.split("train").groups}
    detectors = [load_detector(name, precision="float32") for name in options.detector]
    machine = describe_machine(str(detectors[0].device or "cpu"))
    print(f"{machine.processor}, {machine.device}; 95 % intervals over source videos\n")
    print("| split | source in train | faces, sources | detector | AUC | balanced accuracy |")
    print("|:--|:--|--:|:--|--:|--:|")
    for split in options.splits:
        faces = open_faces(manifest.split(split), size=detectors[0].input_size)
        sources = np.array([source_of(group) for group in faces.groups])
        shared = np.isin(sources, sorted(known))
        for detector in detectors:
            margins = detector.logits(faces).numpy() - detector.threshold
            for words, rows in (("yes", shared), ("no", ~shared)):
                if len(set(faces.labels[rows].tolist())) < 2:
                    continue
                resamples = GroupResamples(sources[rows]).weights()
                scores = Scores(faces.labels[rows], margins[rows], 0.0)
                found = Measured.over(scores, resamples).intervals(0.95)
                cells = [with_span(found[name]) for name in ("auc", "balanced_accuracy")]
                where = f"{rows.sum()}, {len(set(sources[rows].tolist()))}"
                print(f"| {split} | {words} | {where} | {detector.name} | {' | '.join(cells)} |")


def source_of(group: str) -> str:
    """Returns the source video of a group such as "fake-train_00792".

    Example:
        >>> source_of("fake-train_00792"), source_of("real-train_00072")
        ('train_72', 'train_72')
    """
    found = re.fullmatch(r"(?:real|fake)-(\w+)_(\d+)", group)
    return f"{found[1]}_{int(found[2]) % PAIRS}" if found else group


if __name__ == "__main__":
    main()
