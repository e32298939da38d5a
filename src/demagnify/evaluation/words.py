"""Figures and names as a reader sees them."""

from __future__ import annotations

from typing import Final

from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.results import ADAPTIVE, UNDEFENDED, Familiarity
from demagnify.laundering.config import CLEAN

NOTHING: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"

SHORT: Final[dict[MetricName, str]] = {
    "tpr": "TPR",
    "fpr": "FPR",
    "tnr": "TNR",
    "fnr": "FNR",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "best_balanced_accuracy": "Best threshold",
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_1_fpr": "TPR at 1 % FPR",
    "brier": "Brier score",
}

MEANING: Final[dict[MetricName, str]] = {
    "tpr": "True positive rate: share of fake faces called fake (recall)",
    "fpr": "False positive rate: share of real faces called fake",
    "tnr": "True negative rate: share of real faces called real (specificity)",
    "fnr": "False negative rate: share of fake faces called real",
    "accuracy": "Share of all faces classified right",
    "balanced_accuracy": "Mean of the true positive and the true negative rate",
    "best_balanced_accuracy": "Balanced accuracy at the best threshold for these very faces: what "
    "another threshold could gain at most",
    "auc": "Area under the ROC curve, whatever the threshold",
    "eer": "Equal error rate: where FPR and FNR meet; lower is better",
    "tpr_at_1_fpr": "Share of fake faces called fake at the threshold at which at most 1 % of the "
    "real faces of the same column are",
    "brier": "Mean squared error of the score as a chance (times 100); lower is better",
}

KNOWN: Final[dict[Familiarity, str]] = {
    "clean": "",
    "seen": "seen in training",
    "other-setting": "seen network, other setting",
    "unseen": "unseen network",
    "control": "no network",
    "adaptive": "best attack per face",
}


def condition_name(name: str) -> str:
    """Returns what the reader calls an attack: "clean" where there is none."""
    return {CLEAN: "clean", ADAPTIVE: "adaptive attacker"}.get(name, name)


def method_name(name: str) -> str:
    """Returns what the reader calls a defence."""
    return "no defence" if name == UNDEFENDED else name


def split_name(name: str) -> str:
    """Returns what the reader calls a split."""
    return "validation" if name == "val" else name


def percent(value: float | None) -> str:
    """Returns a fraction in percent with one decimal, without the sign %."""
    return NOTHING if value is None else _signed(100.0 * value)


def points(value: float | None) -> str:
    """Returns a difference of fractions in percentage points, always with its sign."""
    if value is None:
        return NOTHING
    text = _signed(100.0 * value)
    return text if text.startswith(MINUS) or text == "0.0" else f"+{text}"


def span(figure: Estimate) -> str:
    """Returns the interval of a fraction in percent; empty if there is none.

    A dash joins its ends, but for negative ones: "68.1–74.6", "−55.1 to 95.8".
    """  # noqa: RUF002
    if figure.low is None or figure.high is None:
        return ""
    joint = " to " if figure.low < 0.0 else NOTHING
    return f"{percent(figure.low)}{joint}{percent(figure.high)}"


def point_span(figure: Estimate) -> str:
    """Returns the interval of a difference in points, "+1.2 to +7.0"; empty if there is none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{points(figure.low)} to {points(figure.high)}"


def with_span(figure: Estimate) -> str:
    """Returns a fraction in percent with its interval in brackets."""
    return _bracketed(percent(figure.value), span(figure))


def with_point_span(figure: Estimate) -> str:
    """Returns a difference in points with its interval in brackets."""
    return _bracketed(points(figure.value), point_span(figure))


def known_share(figure: Estimate) -> Estimate:
    """Returns a recovered share without its value where it has no interval.

    Where the damage is not clear of zero, a share of it is any number.
    """
    return figure.model_copy(update={"value": None}) if figure.low is None else figure


def mean_and_sd(mean: float | None, sd: float | None, digits: int) -> str:
    """Returns "34.1 \N{PLUS-MINUS SIGN} 1.9", as far as they are known."""
    if mean is None:
        return NOTHING
    spread = "" if sd is None else f" \N{PLUS-MINUS SIGN} {sd:.{digits}f}"
    return f"{mean:.{digits}f}{spread}"


def p_value(p: float | None) -> str:
    """Returns a p-value with three decimals, as far as they tell anything."""
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def sign(figure: Estimate) -> int:
    """Returns 1 or -1 where the whole interval is above or below zero, else 0."""
    if figure.low is None or figure.high is None:
        return 0
    return int(figure.low > 0.0) - int(figure.high < 0.0)


def _signed(value: float) -> str:
    text = f"{value:.1f}"
    if text == "-0.0":
        return "0.0"
    return text.replace("-", MINUS)


def _bracketed(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value
