"""The attack table: every detector on every data set, clean, under each attack, and adaptive.

Per cell: FNR, FPR, balanced accuracy and AUC with intervals over groups, PSNR and SSIM; then a
sentence per detector and family of attacks about which way it pushes. Attacked faces,
logits and image quality are kept: stop it at any time, give the same
command again and it goes on; with another --attack, --detector or --data only what is new is
computed. After every row attack-table.md, .json and .csv are written anew. Example:

    python benchmarks/attack_table.py runs/attack-table --data FOLDER --data OTHER=128 \
        --detector light --detector r50=runs/resnet50 --subsample 200 --bfloat16 'dat-*'
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path

from attack_table_cells import AttackTable, DataSet, TablePlan, fill_table
from attack_table_written import sentences, to_csv, to_markdown
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.core.files import write_text
from demagnify.evaluation.adaptive import SearchConfig, Target, load_target
from demagnify.laundering.conditions import default_cache
from demagnify.transforms import ATTACKS, create_attack
from demagnify.transforms.base import Chain, Transform
from demagnify.transforms.super_resolution.attack import SuperResolution

NAME = "attack-table"


def main() -> None:
    """Fills the table, writing it after every row."""
    options = _parse()
    try:
        table = _fill(options)
    except DemagnifyError as error:
        sys.exit(f"attack_table: {error}")
    for sentence in sentences(table):
        print(sentence)
    print(f"look at {options.output / NAME}.md")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Stopped, the same command goes on where it was.",
    )
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="FOLDER[=SIZE]",
        help="a labelled data set, and the side in pixels at which its faces are attacked "
        "(224 unless said); may be given often",
    )
    parser.add_argument(
        "--detector",
        action="append",
        metavar="[NAME=]SOURCE",
        help="a folder with a detector or a defence, or a shipped one (light); may be given often",
    )
    parser.add_argument(
        "--attack",
        action="append",
        metavar="SPEC",
        help="a row of the table, see `demagnify attack --list`; all of that list unless given",
    )
    parser.add_argument(
        "--bfloat16",
        action="append",
        default=[],
        metavar="PATTERN",
        help="attacks whose network computes in bfloat16, such as 'dat-*'; the table marks them",
    )
    parser.add_argument(
        "--subsample", type=int, help="at most so many faces per data set, by group"
    )
    parser.add_argument("--split", default="test")
    parser.add_argument("--budget", type=int, help="of the adaptive attacker; all rows unless set")
    parser.add_argument("--faces", choices=("all", "fakes", "reals"), default="all")
    parser.add_argument("--min-psnr", type=float, default=0.0, help="of the adaptive attacker, dB")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="of the detectors")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad file")
    return parser.parse_args()


def _fill(options: argparse.Namespace) -> AttackTable:
    chosen, precisions = _attacks(options)
    plan = TablePlan(
        data=[_data_set(text) for text in options.data],
        detectors=_detectors(options),
        attacks=chosen,
        precisions=precisions,
        search=SearchConfig(
            budget=options.budget or len(chosen) + 1,
            targets=options.faces,
            min_psnr=options.min_psnr,
        ),
        split=options.split,
        subsample=options.subsample,
        resamples=options.resamples,
        seed=options.seed,
        command=shlex.join(["python", *sys.argv]),
        strict=options.strict,
    )
    start = time.monotonic()
    kept = options.output / "kept"
    for table in fill_table(plan, cache=default_cache(), kept=kept, log=_say):
        _write(table, options.output)
    _say(f"done in {(time.monotonic() - start) / 60:.0f} min")
    return table


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(table: AttackTable, folder: Path) -> None:
    write_text(folder / f"{NAME}.md", to_markdown(table))
    write_text(folder / f"{NAME}.csv", to_csv(table))
    write_text(folder / f"{NAME}.json", table.model_dump_json(indent=1) + "\n")


def _data_set(text: str) -> DataSet:
    source, sign, size = text.rpartition("=")
    if sign and size.isdigit():
        return DataSet(Path(source).name, Path(source), int(size))
    return DataSet(Path(text).name, Path(text))


def _detectors(options: argparse.Namespace) -> dict[str, Target]:
    found: dict[str, Target] = {}
    for text in options.detector or ["light"]:
        name, sign, source = text.partition("=")
        name = name if sign else Path(text).name
        if name in found:
            raise BadConfigError(f"two detectors are called {name!r}", hint="say NAME=FOLDER")
        found[name] = load_target(
            source or text, device=options.device, precision=options.precision
        )
    return found


def _attacks(options: argparse.Namespace) -> tuple[list[Transform], dict[str, str]]:
    """Returns the rows, and in what their networks compute where it is not float32."""
    chosen: list[Transform] = []
    precisions: dict[str, str] = {}
    for spec in dict.fromkeys(options.attack or ATTACKS):
        half = any(fnmatchcase(spec, pattern) for pattern in options.bfloat16)
        precision: Precision = "bfloat16" if half else "float32"
        attack = create_attack(spec, device=options.device, precision=precision)
        if not attack.is_identity:
            chosen.append(attack)
            precisions |= {attack.name: precision} if half and _has_network(attack) else {}
    return chosen, precisions


def _has_network(attack: Transform) -> bool:
    links = attack.steps if isinstance(attack, Chain) else [attack]
    return any(isinstance(link, SuperResolution) for link in links)


if __name__ == "__main__":
    main()
