"""The paper's experiment on one's own data: its Tables 1 to 3, beside the published figures.

Jaswanth & Goud, "Defense against Adversarial Magnification to Deceive Deepfake Detection through
Super Resolution". docs/paper.md lists where its text leaves a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from demagnify.agents import presets
from demagnify.agents.presets import Preset
from demagnify.agents.training import train_defense
from demagnify.core.files import write_text
from demagnify.core.settings import Frozen
from demagnify.data.manifest import Manifest
from demagnify.data.prepare import prepare
from demagnify.data.prepare.opening import AS_IT_IS
from demagnify.data.records import Skipped
from demagnify.detectors import Detector, load_detector, train_detector
from demagnify.evaluation.evaluating import EvaluationConfig, evaluate
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.report.markup import markdown_table
from demagnify.evaluation.report.tables import Entry, Table, rate
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult
from demagnify.evaluation.words import NOTHING, SHORT, percent
from demagnify.laundering.config import CLEAN

METHOD: Final = "the paper's agent"

PUBLISHED: Final[dict[MetricName, tuple[float | None, float | None, float | None]]] = {
    "tpr": (68.09, 73.55, 87.00),
    "fpr": (35.52, 31.17, 70.00),
    "tnr": (64.48, 68.82, 30.00),
    "fnr": (31.91, 26.44, 13.00),
    "accuracy": (66.06, None, None),
}
"""The published Tables 1, 2 and 3, in %; a figure that a table does not have is None."""


class ReproduceConfig(Frozen):
    """The settings of a reproduction; all others are those of the preset."""

    preset: str = Field(
        default="paper",
        description="paper: one episode after the other, as in the text. paper-batched: 64 side "
        "by side, much faster.",
    )
    detector: str | None = Field(
        default=None,
        description="A detector, as in detect --detector, instead of training the preset's "
        "ResNet-50.",
    )
    weights: str | None = Field(
        default="imagenet",
        description="The weights from which the ResNet-50 is trained: imagenet, a .safetensors or "
        ".pth file, or none for random ones.",
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description="Most passes of the detector over the training faces; as the preset has it if "
        "not set.",
    )
    episodes: int | None = Field(
        default=None,
        ge=1,
        description="Training episodes of the agent; as the preset has it if not set.",
    )
    attacks: tuple[str, ...] = Field(
        default=(),
        description="An attack under which everything is evaluated beside clean faces. The paper's "
        "tables show clean faces alone.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of every draw.")
    device: str = Field(
        default="auto",
        description="Where networks run: auto (a GPU where there is one), cpu, cuda, cuda:1.",
    )


def reproduce(
    manifest: Manifest,
    output: Path,
    config: ReproduceConfig | None = None,
    *,
    command: str = "",
    log: Callable[[str], None] = lambda _line: None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> tuple[EvaluationResult, Table]:
    """Trains the paper's detector and agent on a data set, and evaluates them as the paper does.

    Faces go to `output`/faces, the detector to `output`/detector, the agent to `output`/defense,
    the report to `output`, and the comparison with the published figures to
    `output`/comparison.md. Finished stages are not repeated; a killed one goes on.

    Args:
        manifest: The data set with the splits train, val and test, such as OpenForensics.
        output: The folder of everything.
        config: The settings.
        command: The command line that started it, for the record.
        log: Gets a line about each stage.
        on_skip: Gets each file or line that is left out.

    Returns:
        The evaluation, and the comparison.

    Raises:
        BadManifestError: If the data set has not got the splits.
        BadConfigError: If a setting is wrong.
        BadOutputError: If `output` belongs to other settings, or cannot be written to.
        AssetError: If ImageNet weights are asked for and out of reach.

    Example:
        >>> manifest = Manifest.load("OpenForensics", fraction=0.25)  # doctest: +SKIP
        >>> reproduce(manifest, Path("runs/paper"))  # doctest: +SKIP
    """
    config = config or ReproduceConfig()
    for split in ("train", "val", "test"):
        manifest.split(split)  # said now, not after hours of training
    log("1/4 faces")
    faces = output / "faces"
    summary = prepare(manifest, faces, AS_IT_IS)
    if on_skip is not None:
        for skipped in summary.skipped:
            on_skip(skipped)
    log("2/4 detector")
    detector = _detector(faces, output / "detector", config, log, on_skip)
    log(f"3/4 agent (preset {config.preset})")
    keys = {"seed": "seed", "device": "device", "episodes": "learner.episodes"}
    settings = _preset(config, "defense", keys).defense
    (trained,) = train_defense(
        faces, output / "defense", settings, detector=detector, log=log, on_skip=on_skip
    )
    log("4/4 evaluation")
    evaluation = evaluate(
        [faces],
        output,
        EvaluationConfig(
            attacks=config.attacks,
            title="the paper's experiment",
            seed=config.seed,
            device=config.device,
        ),
        methods={METHOD: trained.defended},
        base=detector,
        command=command,
        about=config.model_dump(mode="json"),
        on_skip=on_skip,
    )
    table = comparison(evaluation.result)
    write_text(output / "comparison.md", markdown_table(table) + "\n")
    return evaluation.result, table


def _detector(
    faces: Path,
    folder: Path,
    config: ReproduceConfig,
    log: Callable[[str], None],
    on_skip: Callable[[Skipped], None] | None,
) -> Detector:
    if config.detector is None:
        keys = {key: key for key in ("weights", "epochs", "seed", "device")}
        training = _preset(config, "detector", keys).detector
        train_detector([faces], folder, training, log=log, on_skip=on_skip)
    source = config.detector or str(folder)
    return load_detector(source, device=config.device, precision="float32")


def _preset(config: ReproduceConfig, section: str, keys: Mapping[str, str]) -> Preset:
    """Returns the preset with what was set; everything else stays as the preset has it."""
    chosen = config.model_fields_set & keys.keys()
    chosen = {key for key in chosen if key == "weights" or getattr(config, key) is not None}
    given = {f"{section}.{keys[key]}": getattr(config, key) for key in chosen}
    return presets.load(config.preset, given=given)


def comparison(result: EvaluationResult) -> Table:
    """Returns the paper's three tables side by side, published and measured, on clean faces.

    Args:
        result: An evaluation with the splits val and test and the method `METHOD`.
    """
    before, after = (
        next(
            figures.mean
            for figures in result.batch_figures
            if figures.method == method and figures.condition == CLEAN
        )
        for method in (UNDEFENDED, METHOD)
    )
    test = result.cell("test", CLEAN, METHOD).metrics

    def published(name: MetricName, number: int) -> Entry:
        value = PUBLISHED[name][number]
        return Entry(NOTHING if value is None else f"{value:.2f}")

    return Table(
        name="comparison",
        caption="Tables 1 to 3 as published, and here: clean faces, in %.",
        head=("Metric", "Table 1", "here", "Table 2", "here", "Table 3", "here"),
        rows=tuple(
            (
                Entry(SHORT[name]),
                published(name, 0),
                Entry(percent(before[name])),
                published(name, 1),
                Entry(percent(after[name])),
                published(name, 2),
                rate(test[name]),
            )
            for name in PUBLISHED
        ),
        notes=(
            "Table 1: validation, the detector alone. Table 2: validation, after the defence. "
            "Table 3: test, after the defence, with a 95 % interval. 1 and 2 are means over "
            "random batches.",
            "The published code cannot have produced the published change: its mask changed "
            "nothing (docs/paper.md).",
        ),
    )
