"""Calibrates the shipped default as `demagnify calibrate` does, and prints what it is worth.

Writes the whole calibration of the default, calibration.json and conditions.json, beside its
weights with --ship, else to OUTPUT, where the logits are kept, too: a second run only fits and
prints. Example (DATA holds the four data sets):

    python benchmarks/calibrate_default.py DATA runs/calibration --ship

The limits come from the split val of dfdc224 and ff128, and from the real faces of stylegan256 and
composite: a photograph that is no face swap must not be called one, wherever it is from. Their fake
faces are of kinds that the default does not look for, so that they are left out, and what happens
to them is printed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.loading import load_defense
from demagnify.inference.calibrate import CalibrationConfig, fit, recognizes, save
from demagnify.inference.calibration import ANY, Calibration, folder_of, verdict_of
from demagnify.inference.fitting import Rows, cllr, fallbacks, fit_parts
from demagnify.inference.labelled import Ask, Faces, Laundering, asks, collect, open_labelled
from demagnify.inference.measuring import measure, rate
from demagnify.laundering.conditions import create_attacks
from demagnify.transforms.base import Transform

IN_SCOPE: Final = ("dfdc224", "ff128")
OUTSIDE: Final = ("stylegan256", "composite")
ATTACKS: Final = (
    "bicubic-x2",
    "bicubic-x4",
    "filters",
    "jpeg-75",
    "realesr-compact-x4",
)
ENHANCERS: Final = (
    "realesr-compact-x2",
    "srmd-x4",
    "waifu2x-photo-x2",
    "realesr-compact-x4",
    "srgan-x4",
    "srresnet-x4",
)
SPLITS: Final = 20
"""How many times groups are split at random into halves to check the coverage."""


def main() -> None:
    """Collects logits, fits, measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the four data sets")
    parser.add_argument("output", type=Path, help="where logits are kept")
    parser.add_argument("--defense", default="default")
    parser.add_argument("--subsample", type=int, default=120, help="faces of each set and split")
    parser.add_argument("--enhancer", nargs="*", default=list(ENHANCERS), help="networks")
    parser.add_argument("--target-fpr", type=float, default=0.05)
    parser.add_argument("--target-fnr", type=float, default=0.1)
    parser.add_argument("--ship", action="store_true", help="write beside the shipped weights")
    options = parser.parse_args()
    sets = [options.data / name for name in IN_SCOPE]
    outside = [options.data / name for name in OUTSIDE]
    config = CalibrationConfig(
        defense=options.defense,
        attacks=ATTACKS,
        enhancers=tuple(options.enhancer),
        reals_only=tuple(outside),
        subsample=options.subsample,
        target_fpr=options.target_fpr,
        target_fnr=options.target_fnr,
    )
    attacks, enhancers = create_attacks(config.attacks), create_attacks(config.enhancers)
    defense = load_defense(config.defense, precision="float32")
    enhancement, recognizer = recognizes(None)
    ask, mark = asks(defense, enhancement), f"{defense.fingerprint()} {recognizer}"

    def opened(split: str, fakes_of: list[Path]) -> tuple[Faces, Laundering]:
        rest = [one for one in (*sets, *outside) if one not in fakes_of]
        faces = open_labelled(fakes_of, split, reals_only=rest, count=config.subsample)
        return faces, Laundering(attacks, len(faces), config.seed, f"calibrate {split}")

    faces, launder = opened("val", sets)
    rows = _kept(options.output / "val.npz", mark, faces, ask, launder, enhancers)
    command = "python " + shlex.join(["benchmarks/calibrate_default.py", "DATA", *sys.argv[2:]])
    made = fit(rows, launder, defense.fingerprint(), config, data=sets, command=command)
    made = made.model_copy(update={"recognizer": recognizer})
    print(made.model_dump_json(indent=1, include={"parts", "conditions"}))
    print(*fallbacks(rows, made.parts), sep="\n")
    _print_coverage(rows.where(~rows.enhanced), config)
    _print_price(rows.where(rows.enhanced), made)
    test, launder = opened("test", sets)
    found = measure(test, ask, made, launder, enhancers)
    save(Path(str(folder_of(options.defense))) if options.ship else options.output, made, found)
    whole, launder = opened("test", [*sets, *outside])
    tested = _kept(options.output / "test.npz", mark, whole, ask, launder, [])
    _print_test(tested, whole, made)
    print_held_out(rows.where(~rows.enhanced), faces, tested, whole, config)
    print("\n| condition | real: called fake | fake: called real | unsure |")
    for one in found:
        print(
            f"| {one.in_words()} | {_cell(one.fpr)} | {_cell(one.fnr)} | {_cell(one.abstained)} |"
        )


def _kept(
    path: Path,
    mark: str,
    faces: Faces,
    ask: Ask,
    launder: Laundering,
    enhancers: list[Transform],
) -> Rows:
    """Returns the logits and answers from a file, or collects them."""
    mark = f"{mark} {len(faces)} {[one.name for one in enhancers]}"
    if path.is_file():
        with np.load(path) as stored:
            if str(stored["mark"]) == mark:
                return Rows(**{name: stored[name] for name in stored.files if name != "mark"})
    rows = collect(faces, ask, launder, enhancers)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: one for name, one in vars(rows).items() if one is not None}
    np.savez(path, mark=mark, **columns)
    return rows


def _print_coverage(rows: Rows, config: CalibrationConfig) -> None:
    """Calibrates on a random half of the groups, counts on the other half, 20 times."""
    names = np.unique(rows.groups)
    shares = []
    for seed in range(SPLITS):
        chosen = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
        inside = np.isin(rows.groups, chosen)
        part = fit_parts(
            rows.where(inside), target_fpr=config.target_fpr, target_fnr=config.target_fnr
        )["any"]
        rest = rows.where(~inside)
        weights, fake = rest.weights(), rest.labels == 1
        above = rest.logits > (np.inf if part.threshold is None else part.threshold)
        below = rest.logits <= (-np.inf if part.real_below is None else part.real_below)
        shares.append(
            [
                np.average(above[~fake], weights=weights[~fake]),
                np.average(below[fake], weights=weights[fake]),
            ]
        )
    print(f"\n{SPLITS} random halves of {len(names)} groups: mean (5 % to 95 %) over the splits")
    for name, column, target in zip(
        ("real faces called fake", "fake faces called real"),
        np.array(shares).T,
        (config.target_fpr, config.target_fnr),
        strict=True,
    ):
        low, high = np.quantile(column, [0.05, 0.95])
        print(f"{name}: {column.mean():.3f} ({low:.3f} to {high:.3f}), promised {target:g}")


def _print_price(rows: Rows, calibration: Calibration) -> None:
    """Prints what the limits by answer change, on the enhanced faces of the fit."""
    assert rows.enhancement is not None
    print("\n| limits | real: called fake | fake: called fake | called real | unsure |")
    fake = rows.labels == 1
    for name, answers in (("for any face", None), ("by answer", rows.enhancement.tolist())):
        verdicts = np.array(calibration.apply(rows.logits, answers).verdicts)
        shares = (
            (verdicts[~fake] == "fake").mean(),
            (verdicts[fake] == "fake").mean(),
            (verdicts[fake] == "real").mean(),
            (verdicts == "unsure").mean(),
        )
        cells = " | ".join(f"{share:.3f}" for share in shares)
        print(f"| {name} | {cells} | real, fake: {(~fake).sum()}, {fake.sum()} |")


def _print_test(rows: Rows, faces: Faces, calibration: Calibration) -> None:
    assert rows.enhancement is not None and rows.faces is not None  # noqa: PT018
    answers = calibration.apply(rows.logits, rows.enhancement.tolist())
    verdicts, sources = np.array(answers.verdicts), faces.numbers[rows.faces]
    print("\n| test set | faces | real: called fake | fake: called real | unsure | Cllr |")
    scope: NDArray[np.bool_] = (sources < len(IN_SCOPE)) | (rows.labels == 0)
    cells = [(name, sources == place) for place, name in enumerate((*IN_SCOPE, *OUTSIDE))]
    for name, chosen in [("all that is promised", scope), *cells]:
        for laundered in (False, True):
            mask = chosen & (rows.laundered == laundered)
            real, fake = mask & (rows.labels == 0), mask & (rows.labels == 1)
            ratios = answers.log10_lr[mask]
            cost = np.nan if np.isnan(ratios).any() else cllr(ratios, rows.labels[mask])
            print(
                f"| {name} | {'laundered' if laundered else 'clean'} "
                f"| {_cell(rate(verdicts[real] == 'fake', rows.groups[real]))} "
                f"| {_cell(rate(verdicts[fake] == 'real', rows.groups[fake]))} "
                f"| {_cell(rate(verdicts[mask] == 'unsure', rows.groups[mask]))} "
                f"| {cost:.2f} | fake called fake: {(verdicts[fake] == 'fake').mean():.3f}, "
                f"real called real: {(verdicts[real] == 'real').mean():.3f} |"
            )


def print_held_out(
    rows: Rows, faces: Faces, tested: Rows, whole: Faces, config: CalibrationConfig
) -> None:
    """Fits without one data set, and counts what happens to its faces of the split test."""
    assert rows.faces is not None and tested.faces is not None  # noqa: PT018
    print("\n| fitted without | faces | real: called fake | fake: called real | unsure |")
    for place, name in enumerate(IN_SCOPE):
        others = rows.where(faces.numbers[rows.faces] != place)
        part = fit_parts(others, target_fpr=config.target_fpr, target_fnr=config.target_fnr)[ANY]
        for laundered in (False, True):
            mine = whole.numbers[tested.faces] == place
            held = tested.where(mine & (tested.laundered == laundered))
            said = np.array([verdict_of(float(logit), part) for logit in held.logits])
            real = held.labels == 0
            print(
                f"| {name} | {'laundered' if laundered else 'clean'} "
                f"| {_cell(rate(said[real] == 'fake', held.groups[real]))} "
                f"| {_cell(rate(said[~real] == 'real', held.groups[~real]))} "
                f"| {_cell(rate(said == 'unsure', held.groups))} |"
            )


def _cell(one: Any) -> str:  # noqa: ANN401
    if one is None:
        return "not measured"
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f}), n = {one.faces}"


if __name__ == "__main__":
    main()
