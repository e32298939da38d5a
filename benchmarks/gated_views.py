"""Adds the down-up view only where the enhancement answer says "enhanced", on validation faces.

Faces are attacked at their own size, `--size`. Beside the mean of the face and its mirror image
(the shipped default) stand: the mean with the down-up view for every face, the same for enhanced
faces alone, and the down-up view in place of the mean for these; with `--expert`, another detector
in place of the mean for these. The differences from the default are paired by face, with 95 %
intervals over groups. Nothing of the split test is read. The commands behind a table of
docs/hardening.md:

    python benchmarks/gated_views.py ff128 --size 128 --attack bicubic-x4 --half realesrgan-x4plus \
        --attack realesr-compact-x2 --attack realesr-compact-x4 --attack srgan-x4
    python benchmarks/gated_views.py dfdc224 --attack bicubic-x4 --half realesrgan-x4plus \
        --attack realesr-compact-x2 --attack realesr-compact-x4 --attack srgan-x4
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify import Detector, FaceDataset, create_transform, load_detector
from demagnify.core.images import fit, from_batch, to_batch
from demagnify.data.subsample import draw_by_group
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.machine import describe_machine
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.words import with_span
from demagnify.inference.enhancement import recognize_enhancement
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN, default_cache
from demagnify.transforms import Transform
from on_validation import validation_faces

CONFIDENCE: Final = 0.95
BATCH: Final = 32

Logits = NDArray[np.floating[Any]]


def main() -> None:
    """Prints a line for each attack and way of choosing views."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=224, help="at which faces are attacked")
    parser.add_argument("--attack", action="append", default=[])
    parser.add_argument("--half", action="append", default=[], help="attacks half of the faces")
    parser.add_argument("--detector", default="hardened")
    parser.add_argument("--expert", help="a detector that is asked about enhanced faces instead")
    parser.add_argument("--faces", type=int, default=240, help="at most, drawn by group")
    options = parser.parse_args()
    detector = load_detector(options.detector)
    expert = load_detector(options.expert) if options.expert else None
    machine = describe_machine(str(detector.device or "cpu"))
    print(f"{machine.processor}, {machine.device}; split val; 95 % intervals over groups\n")
    print("| attack | n | called enhanced | views | calls | balanced accuracy | AUC | FPR | gain |")
    print("|:--|--:|--:|:--|--:|--:|--:|--:|--:|")
    faces = validation_faces(options.data, options.faces, options.size)
    half = faces.subset(draw_by_group(faces, options.faces // 2, 0, "few"))
    names = {
        CLEAN: faces,
        **dict.fromkeys(options.attack, faces),
        **dict.fromkeys(options.half, half),
    }
    for name, some in names.items():
        resamples = GroupResamples(some.groups).weights()
        seen = some
        if name != CLEAN:
            attack = create_transform(name, precision="auto")
            seen = attacked_faces(some, attack, cache=default_cache())
        enhanced = answers(seen)
        default: Measured | None = None
        for views, (margins, calls) in choices(detector, expert, seen, enhanced).items():
            measured = Measured.over(Scores(some.labels, margins, 0.0), resamples)
            default = default or measured
            found = measured.intervals(CONFIDENCE)
            cells = [with_span(found[key]) for key in ("balanced_accuracy", "auc", "fpr")]
            gain = measured.minus(default, CONFIDENCE)["balanced_accuracy"]
            words = "" if measured is default else with_span(gain)
            where = f"{name} | {len(some)} | {100 * enhanced.mean():.0f} % | {views}"
            print(f"| {where} | {calls:.2f} | {' | '.join(cells)} | {words} |", flush=True)


def answers(faces: FaceDataset) -> NDArray[np.bool_]:
    """Returns which faces the shipped enhancement network calls enhanced, bool (N,)."""
    found = [
        one.answer == "enhanced"
        for _, images in faces.batches(BATCH)
        for one in recognize_enhancement(from_batch(images))
    ]
    return np.array(found)


def choices(
    detector: Detector, expert: Detector | None, faces: FaceDataset, enhanced: NDArray[np.bool_]
) -> dict[str, tuple[Logits, float]]:
    """Returns margins and mean calls per face of each way of choosing views; the default first."""
    face, mirror, shrunk = views(detector, faces)
    default, all_three = (face + mirror) / 2, (face + mirror + shrunk) / 3
    share = float(enhanced.mean())
    found = {
        "face, mirror image": (default, 2.0),
        "and down-up": (all_three, 3.0),
        "and down-up, where enhanced": (np.where(enhanced, all_three, default), 2 + share),
        "down-up alone, where enhanced": (np.where(enhanced, shrunk, default), 2 - share),
    }
    if expert is not None:
        face, mirror, shrunk = views(expert, faces)
        mean, wider = (face + mirror) / 2, (face + mirror + shrunk) / 3
        found |= {
            "expert": (mean, 2.0),
            "expert, where enhanced": (np.where(enhanced, mean, default), 2.0),
            "expert and its down-up, where enhanced": (
                np.where(enhanced, wider, default),
                2 + share,
            ),
        }
    return found


def views(detector: Detector, faces: FaceDataset) -> list[Logits]:
    """Returns the margins over the threshold of the face, its mirror image and its down-up."""
    specs = ("identity", "flip", "down-up-4")
    return [
        view_logits(detector, faces, create_transform(spec)) - detector.threshold for spec in specs
    ]


def view_logits(detector: Detector, faces: FaceDataset, view: Transform) -> Logits:
    """Returns the logits of a view that is made at the faces' own size, (N,)."""
    logits = []
    with torch.inference_mode():
        for _, images in faces.batches(BATCH):
            fitted = [fit(one, detector.input_size) for one in from_batch(view(images))]
            logits.append(detector(to_batch(fitted)).float().cpu().numpy())
    return np.concatenate(logits)


if __name__ == "__main__":
    main()
