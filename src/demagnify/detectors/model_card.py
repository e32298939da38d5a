"""The model card of a detector or defence, from its own card and the figures of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.sealed import read_sealed
from demagnify.detectors.backbones import made_by_timm

MARK: Final = "<!-- written by demagnify -->"
_TASK: Final = "image-classification"
_METRICS: Final = {
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "fpr": "False positive rate",
}
_LICENCES: Final = frozenset({"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0"})
_SECTIONS: Final = {
    "Training data": "training_data",
    "Limits": "limits",
    "Must not be used for": "must_not_be_used_for",
    "Attacks seen in training": "seen_attacks",
    "Command": "command",
}
"""Heading -> key of the card."""


def model_card(
    card: Mapping[str, Any],
    kind: str,
    *,
    role: str = "undefended",
    repo_id: str = "",
    results: str | Path | None = None,
    method: str = "",
    split: str = "test",
    license: str = "",  # noqa: A002  as the hub calls it
    **more: Any,  # noqa: ANN401
) -> ModelCard:
    """Makes a model card with the figures as `model-index`.

    Args:
        card: The card of a detector or defence.
        kind: "Detector" or "DefendedDetector".
        role: The role of its method in an evaluation.
        repo_id: The repository, for the example.
        results: What `demagnify evaluate` wrote: its folder, or its results.json.
        method: The method in it; by default the only one with this role.
        split: The split whose figures are taken.
        license: A licence of the hub's list; that of the card if not given.
        more: Further metadata, such as `base_model`.

    Raises:
        BadArtifactError: If `results` is no evaluation.
        BadConfigError: If it has no such method or split.

    Example:
        >>> made = model_card({"summary": "A toy.", "validation": {"val_auc": 0.9}}, "Detector")
        >>> made.data.eval_results[0].metric_value, "A toy." in made.text
        (0.9, True)
    """
    name = repo_id.rpartition("/")[2] or str(_described(card).get("name", "")) or "demagnify"
    licence = str(card.get("licence", "")).split(";")[0].strip().lower()
    chosen = license or (licence if licence in _LICENCES else "")
    figures = list(_of_validation(card))
    if results is not None:
        figures += _of_evaluation(Path(results), role, method, split)
    tags = ["demagnify", "deepfake-detection", "image-classification", "pytorch"]
    data = ModelCardData(
        license=chosen or None,
        library_name="demagnify",
        pipeline_tag=_TASK,
        tags=[*tags, "timm"] if _by_timm(card, kind) else tags,
        model_name=name,
        eval_results=figures or None,
        **more,
    )
    text = "\n\n".join(_text(card, kind, name, repo_id, figures))
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n")


def _described(card: Mapping[str, Any]) -> Mapping[str, Any]:
    found = card.get("detector")
    return found if isinstance(found, dict) else {}


def _of_validation(card: Mapping[str, Any]) -> Iterator[EvalResult]:
    found = card.get("validation")
    for name, title in _METRICS.items():
        value = found.get(f"val_{name}") if isinstance(found, dict) else None
        if isinstance(value, int | float):
            yield _figure("validation faces of the training", "val", name, title, float(value))


def _of_evaluation(path: Path, role: str, method: str, split: str) -> list[EvalResult]:
    place = path / "results.json" if path.is_dir() else path
    try:
        document = read_sealed(place)
        if document["kind"] != "evaluation":
            raise ValueError("it is no evaluation")
        cells = [one for one in document["cells"] if one["split"] == split]
        data = document["context"]["data"] or "faces"
        methods = [one["name"] for one in document["methods"] if one["role"] == role]
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "give the folder that `demagnify evaluate` wrote"
        raise BadArtifactError(f"{place} cannot be used: {error!r}", hint=hint) from error
    if not method and len(methods) != 1:
        raise BadConfigError(
            f"{place}: say which method it is: {', '.join(methods) or 'none fits'}",
            hint='model_card_kwargs={"results": ..., "method": ...}',
        )
    mine = [one for one in cells if one["method"] == (method or methods[0])]
    if not mine:
        raise BadConfigError(f"{place}: no figures of {method or methods[0]!r} on {split!r}")
    return [
        _figure(data, split, name, title, found["value"], one)
        for one in mine
        for name, title in _METRICS.items()
        if (found := one["metrics"][name])["value"] is not None
    ]


def _figure(
    data: str,
    split: str,
    name: str,
    title: str,
    value: float,
    cell: Mapping[str, Any] | None = None,
) -> EvalResult:
    condition = "" if cell is None else cell["condition"]
    found = {} if cell is None else cell["metrics"][name]
    about = {} if cell is None else {"n": cell["n"], "low": found["low"], "high": found["high"]}
    return EvalResult(
        task_type=_TASK,
        task_name="Deepfake detection",
        dataset_type="faces",
        dataset_name=data if condition in ("", "none") else f"{data} under {condition}",
        dataset_config=condition or "validation",  # the hub joins figures that differ in name only
        dataset_split=split,
        metric_type=name,
        metric_name=title,
        metric_value=value,
        metric_args={key: one for key, one in about.items() if one is not None} or None,
    )


def _by_timm(card: Mapping[str, Any], kind: str) -> bool:
    """Whether timm makes the network without demagnify."""
    return kind == "Detector" and made_by_timm(str(_described(card).get("backbone", "")))


def _text(
    card: Mapping[str, Any], kind: str, name: str, repo_id: str, figures: list[EvalResult]
) -> Iterator[str]:
    yield f"{MARK}\n# {name}"
    yield str(card.get("summary") or "Tells real faces from fake ones.")
    where = repo_id or "FOLDER or owner/name"
    yield (
        "One logit per image: above `threshold` it means fake.\n\n```python\n"
        f'from demagnify import {kind}\n\nmodel = {kind}.from_pretrained("{where}")\n'
        "logits = model.logits(images)  # uint8 RGB (N, 3, H, W)\n"
        "print(logits > model.threshold)\n```"
    )
    if _by_timm(card, kind):
        described = _described(card)
        logit = (described.get("head") or {}).get("name", "logit") == "logit"
        verdict = f"model(batch)[:, 0] > {described.get('threshold', 0.0)!r}"
        shown = verdict if logit else "model(batch)"
        yield (
            "In timm, without demagnify; images as `resolve_model_data_config` says:\n\n```python\n"
            f'import timm\n\nmodel = timm.create_model("hf-hub:{where}", pretrained=True).eval()\n'
            f"print({shown})\n```"
        )
    if figures:
        yield "## Figures"
        yield "\n".join(
            ["| faces | split | figure | value | interval | n |", "|---|---|---|--:|---|--:|"]
            + [_row(one) for one in figures]
        )
    for heading, key in _SECTIONS.items():
        value = card.get(key)
        if value:
            yield f"## {heading}\n\n{f'`{value}`' if key == 'command' else _listed(value)}"


def _listed(value: object) -> str:
    """Returns a value of the card as Markdown: a text, or a list of texts and mappings."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(f"- {_listed(one)}" for one in value)
    return str(value)


def _row(one: EvalResult) -> str:
    about = one.metric_args or {}
    span = f"{about['low']:.3f} to {about['high']:.3f}" if {"low", "high"} <= set(about) else ""
    return (
        f"| {one.dataset_name} | {one.dataset_split} | {one.metric_name} | "
        f"{one.metric_value:.3f} | {span} | {about.get('n', '')} |"
    )
