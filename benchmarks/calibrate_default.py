"""Calibrates the shipped default, measures its error rates by condition, and prints both.

Writes calibration.json and conditions.json beside the weights of the default, and keeps the logits
in OUTPUT, so that a second run only fits and prints. Example (DATA holds the four data sets):

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
from demagnify.core.files import sha256
from demagnify.evaluation.machine import describe_machine
from demagnify.inference.calibrate import (
    CalibrationConfig,
    Faces,
    collect,
    fit,
    measure,
    open_laundered,
    rate,
)
from demagnify.inference.calibration import Calibration, folder_of
from demagnify.inference.conditions import ConditionTable
from demagnify.inference.fitting import Rows, cllr, fit_parts

IN_SCOPE: Final = ("dfdc224", "ff128")
OUTSIDE: Final = ("stylegan256", "composite")
ATTACKS: Final = (
    "bicubic-x2",
    "bicubic-x4",
    "filters",
    "jpeg-75",
    "realesr-compact-x4",
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
    parser.add_argument("--condition-faces", type=int, default=40)
    parser.add_argument("--target-fpr", type=float, default=0.05)
    parser.add_argument("--target-fnr", type=float, default=0.1)
    parser.add_argument("--ship", action="store_true", help="write beside the shipped weights")
    options = parser.parse_args()
    sets = [options.data / name for name in IN_SCOPE]
    config = CalibrationConfig(
        defense=options.defense,
        attacks=ATTACKS,
        reals_only=tuple(options.data / name for name in OUTSIDE),
        subsample=options.subsample,
        target_fpr=options.target_fpr,
        target_fnr=options.target_fnr,
    )
    defense = load_defense(config.defense, precision="float32")
    command = "python " + shlex.join(["benchmarks/calibrate_default.py", "DATA", *sys.argv[2:]])
    everything = [options.data / name for name in (*IN_SCOPE, *OUTSIDE)]
    whole = config.model_copy(update={"reals_only": ()})
    rows, faces = {}, {}
    for split in ("val", "test"):
        faces[split] = open_laundered(everything, whole, split, defense.input_size)
        rows[split] = _kept(options.output / f"{split}.npz", faces[split], defense)
    used = _in_scope(rows["val"], np.tile(faces["val"].sources, 2))
    calibration = fit(
        rows["val"].where(used),
        faces["val"],
        defense.fingerprint(),
        config,
        data=sets,
        command=command,
    )
    folder = Path(str(folder_of(options.defense))) if options.ship else options.output
    path = calibration.save(folder)
    print(calibration.model_dump_json(indent=1, include={"parts", "conditions"}))
    _print_coverage(rows["val"].where(used), config)
    _print_test(rows["test"], np.tile(faces["test"].sources, 2), calibration)
    small = config.model_copy(update={"subsample": options.condition_faces})
    tested = open_laundered(sets, small, "test", defense.input_size)
    machine = describe_machine(str(defense.device or "cpu"))
    table = ConditionTable(
        fingerprint=calibration.fingerprint,
        calibration_sha256=sha256(path),
        conditions=tuple(measure(tested, defense, calibration)),
        data=calibration.data,
        command=command,
        machine=f"{machine.processor}, {machine.device}",
    )
    table.save(folder)
    print(f"\n{machine.processor}, {machine.device}")
    print("\n| condition | real: called fake | fake: called real | unsure |")
    for one in table.conditions:
        print(
            f"| {one.in_words()} | {_cell(one.fpr)} | {_cell(one.fnr)} | {_cell(one.abstained)} |"
        )


def _kept(path: Path, faces: Faces, defense: Any) -> Rows:  # noqa: ANN401
    """Returns the logits from a file, or collects them."""
    mark = f"{defense.fingerprint()} {faces.clean.fingerprint()} {faces.laundered.fingerprint()}"
    if path.is_file():
        with np.load(path) as stored:
            if str(stored["mark"]) == mark:
                return Rows(*(stored[name] for name in ("logits", "labels", "groups", "laundered")))
    rows = collect(faces, defense)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        mark=mark,
        logits=rows.logits,
        labels=rows.labels,
        groups=np.asarray(rows.groups, dtype=str),
        laundered=rows.laundered,
        attacks=faces.attacks,
        sources=faces.sources,
    )
    return rows


def _in_scope(rows: Rows, sources: NDArray[np.int64]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (sources < len(IN_SCOPE)) | (rows.labels == 0)
    return inside


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


def _print_test(rows: Rows, sources: NDArray[np.int64], calibration: Calibration) -> None:
    answers = calibration.apply(rows.logits)
    verdicts = np.array(answers.verdicts)
    print("\n| test set | faces | real: called fake | fake: called real | unsure | Cllr |")
    cells = [(name, sources == place) for place, name in enumerate((*IN_SCOPE, *OUTSIDE))]
    scope = _in_scope(rows, sources)
    for name, chosen in [("all that is promised", scope), *cells]:
        for laundered in (False, True):
            mask = chosen & (rows.laundered == laundered)
            real, fake = mask & (rows.labels == 0), mask & (rows.labels == 1)
            cost = cllr(answers.log10_lr[mask], rows.labels[mask])
            print(
                f"| {name} | {'laundered' if laundered else 'clean'} "
                f"| {_cell(rate(verdicts[real] == 'fake', rows.groups[real]))} "
                f"| {_cell(rate(verdicts[fake] == 'real', rows.groups[fake]))} "
                f"| {_cell(rate(verdicts[mask] == 'unsure', rows.groups[mask]))} "
                f"| {cost:.2f} | fake called fake: {(verdicts[fake] == 'fake').mean():.3f}, "
                f"real called real: {(verdicts[real] == 'real').mean():.3f} |"
            )


def _cell(one: Any) -> str:  # noqa: ANN401
    if one is None:
        return "not measured"
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f}), n = {one.faces}"


if __name__ == "__main__":
    main()
