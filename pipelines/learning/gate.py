"""Decide whether a challenger may answer instead of the champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.contracts import Model
from pipelines.learning.metrics import Metrics


@dataclass(frozen=True)
class Rule:
    """The measure that decides about a model, and the baseline it must be better than."""

    metric: str
    baseline: str
    is_larger_better: bool = False

    def is_better(self, one: float, other: float, tolerance: float = 0.0) -> bool:
        """Say whether one value is better than another, or worse by less than a share of it."""
        if self.is_larger_better:
            return one != other and one >= other * (1 - tolerance)
        return one != other and one <= other * (1 + tolerance)


RULES: Final[Mapping[Model, Rule]] = {
    Model.REMAINING_TIME: Rule("mae_hours", "median"),
    Model.DELAY_RISK: Rule("log_loss", "median"),
    Model.TASK_DURATION: Rule("mae_to_baseline_ratio", "by_activity"),
    Model.ASSIGNEE: Rule("mrr", "most_frequent_for_activity", is_larger_better=True),
    Model.TEMPLATE: Rule("mrr", "most_frequent", is_larger_better=True),
    Model.NEXT_ACTIVITY: Rule("mrr", "trigram", is_larger_better=True),
}

# An AUC this far above chance also makes a risk model worth having: where the share of late
# workflows moves, the base rate of the test period is not what the base rate of the training
# period was, and the log loss punishes both alike.
_LEAST_AUC: Final = 0.55


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why, in a sentence with the figures."""

    promote: bool
    reason: str


def beats_baseline(model: Model, metrics: Metrics, baselines: Mapping[str, Metrics]) -> bool:
    """Say whether a model is better than its baseline, by the measure of its rule.

    For delay risk a Brier score that is no worse and an AUC above 0.55 will do as well.

    Args:
        model: which rule.
        metrics: the model's, on later rows.
        baselines: by name, on the same rows; that of the rule must be among them.
    """
    rule = RULES[model]
    simple = baselines[rule.baseline]
    own, theirs = metrics.get(rule.metric), simple.get(rule.metric)
    if own is None or theirs is None:
        return False
    if rule.is_better(own, theirs):
        return True
    auc, brier, simple_brier = metrics.get("auc"), metrics.get("brier"), simple.get("brier")
    if model is not Model.DELAY_RISK or auc is None or brier is None or simple_brier is None:
        return False
    return auc > _LEAST_AUC and brier <= simple_brier


def decide(
    model: Model,
    challenger: Metrics,
    champion: Metrics | None,
    baselines: Mapping[str, Metrics],
    tolerance: float = 0.0,
) -> Decision:
    """Decide on promotion; all measured on the same later window.

    The challenger must beat its baseline. Against a champion it must be better, or, with a
    tolerance, not worse by more than that share: a newer model knows the newer past. An exact
    tie keeps the champion.

    Args:
        model: whose rule decides.
        challenger: its metrics.
        champion: the champion's on the same rows, None where there is no champion.
        baselines: metrics by baseline; that of the rule must be among them.
        tolerance: how much worse than the champion's measure is still good enough, as a share.
    """
    rule = RULES[model]
    own, simple = challenger[rule.metric], baselines[rule.baseline][rule.metric]
    baseline = f"the baseline's ({rule.baseline}) {_text(simple)}"
    if not beats_baseline(model, challenger, baselines):
        return Decision(
            promote=False,
            reason=f"refused: {rule.metric} {_text(own)} does not beat {baseline}"
            + ("; there is no champion, so nothing answers yet" if champion is None else ""),
        )
    if champion is None or champion[rule.metric] is None:
        return Decision(
            promote=True,
            reason=f"promoted: {rule.metric} {_text(own)} beats {baseline} and there is no "
            "champion",
        )
    theirs = champion[rule.metric]
    if own is None or theirs is None or not rule.is_better(own, theirs, tolerance):
        return Decision(
            promote=False,
            reason=f"refused: {rule.metric} {_text(own)} is not better than the champion's "
            f"{_text(theirs)} (tolerance {tolerance:.1%})",
        )
    return Decision(
        promote=True,
        reason=f"promoted: {rule.metric} {_text(own)} against the champion's {_text(theirs)} "
        f"(tolerance {tolerance:.1%}) and {baseline}",
    )


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
