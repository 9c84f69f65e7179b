"""Decide whether a challenger may answer instead of the champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.contracts import Model
from pipelines.learning.metrics import Metrics

# The measure that decides, and how it is written; both are better when smaller.
DECIDING_METRIC: Final = {Model.REMAINING_TIME: "mae_hours", Model.DELAY_RISK: "log_loss"}

# An AUC this far above chance also makes a risk model worth having: where the share of late
# workflows moves, the base rate of the test period is not what the base rate of the training
# period was, and the log loss punishes both alike.
_LEAST_AUC: Final = 0.55


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why, in a sentence with the figures."""

    promote: bool
    reason: str


def beats_baseline(model: Model, metrics: Metrics, baseline: Metrics) -> bool:
    """Say whether a model is better than answering the median, or the base rate, every time.

    Remaining time: a smaller mean absolute error. Delay risk: a smaller log loss, or a Brier
    score that is no worse and an AUC above 0.55.
    """
    metric = DECIDING_METRIC[model]
    own, simple = metrics.get(metric), baseline.get(metric)
    if own is None or simple is None:
        return False
    if own < simple:
        return True
    auc, brier, simple_brier = metrics.get("auc"), metrics.get("brier"), baseline.get("brier")
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

    The challenger must beat the `median` baseline. Against a champion it must be better, or,
    with a tolerance, not worse by more than that share: a newer model knows the newer past.
    An exact tie keeps the champion.

    Args:
        model: which measure decides: mae_hours, or log_loss.
        challenger: its metrics.
        champion: the champion's on the same rows, None where there is no champion.
        baselines: metrics by baseline; `median` must be among them.
        tolerance: how much worse than the champion's measure is still good enough, as a share.
    """
    metric = DECIDING_METRIC[model]
    own, simple = challenger[metric], baselines["median"][metric]
    if not beats_baseline(model, challenger, baselines["median"]):
        return Decision(
            promote=False,
            reason=f"refused: {metric} {_text(own)} does not beat the median baseline's "
            f"{_text(simple)}"
            + ("; there is no champion, so nothing answers yet" if champion is None else ""),
        )
    if champion is None or champion[metric] is None:
        return Decision(
            promote=True,
            reason=f"promoted: {metric} {_text(own)} beats the median baseline's {_text(simple)} "
            "and there is no champion",
        )
    theirs = champion[metric]
    if own is None or theirs is None or own == theirs or own > theirs * (1 + tolerance):
        return Decision(
            promote=False,
            reason=f"refused: {metric} {_text(own)} is not better than the champion's "
            f"{_text(theirs)} (tolerance {tolerance:.1%})",
        )
    return Decision(
        promote=True,
        reason=f"promoted: {metric} {_text(own)} against the champion's {_text(theirs)} "
        f"(tolerance {tolerance:.1%}) and the median baseline's {_text(simple)}",
    )


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
