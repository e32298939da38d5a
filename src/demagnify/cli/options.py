"""Options that several verbs share, with one wording."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Seed = Annotated[
    int, typer.Option(min=0, help="The same seed gives the same results, bit for bit, on a CPU.")
]
Device = Annotated[
    str,
    typer.Option(help="Where networks run: auto (a GPU where there is one), cpu, cuda, cuda:1."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(
        help="float32, bfloat16, or auto: bfloat16 where the processor multiplies it in hardware."
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Stop at the first bad file or line instead of skipping it."),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="At most so many faces of each data set and split, drawn by group; all if not set.",
    ),
]
Detector = Annotated[
    str,
    typer.Option(
        "--detector",
        help="A folder that train-detector wrote, the name of weights that come with demagnify, or "
        "one of your own: FILE.onnx, timm:NAME@weights=FILE, package.module:function; @KEY=VALUE "
        "adds what it cannot say itself, such as @head=two-logit@fake_index=1.",
    ),
]
Attacks = Annotated[
    list[str] | None,
    typer.Option(
        "--attack",
        help="An attack by name (see `demagnify attack --list`) or a super-resolution network's "
        "file (.pth, .safetensors). Give it several times for several attacks.",
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        help="paper, paper-batched, default, q-learning, full-information, policy-gradient, "
        "cost-sensitive, top-k, sequential, or a YAML file with the same keys."
    ),
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting on top of the preset, such as defense.learner.episodes=300.",
        metavar="KEY=VALUE",
    ),
]
OptionalSeed = Annotated[
    int | None, typer.Option(min=0, help="Of everything that is drawn at random; the preset's.")
]
OptionalPrecision = Annotated[
    Literal["auto", "float32", "bfloat16"] | None,
    typer.Option(
        help="float32, bfloat16, or auto: bfloat16 where it is faster; the preset's if not set."
    ),
]
