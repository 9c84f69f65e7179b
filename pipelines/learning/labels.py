"""What really happened to a workflow, as the answers a model should have given."""

from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

# A template with fewer ended workflows has no quantile of its own: all templates' is taken.
_LEAST_OF_TEMPLATE: Final = 20


class LateRule(StrEnum):
    """What made a workflow count as late, in order of preference."""

    DUE_DATE = "due_date"
    OUTCOME = "outcome"
    LEAD_TIME_QUANTILE = "lead_time_quantile"


def add_labels(
    moments: pd.DataFrame,
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    late_quantile: float,
    train_end: pd.Timestamp,
) -> pd.DataFrame:
    """Add remaining_time_s, lead_time_s, is_late, late_rule and is_censored to prediction moments.

    Late means closed after `due_at`; without a due date, what the log itself says
    (`outcome_is_late`); without either, a lead time beyond the `late_quantile` of the
    template's lead times, taken over the workflows recorded as closed before `train_end`.
    Rows of workflows that have not ended are censored: their labels are missing. Moments at or
    after the closing, where nothing is left to predict, are dropped.

    Args:
        moments: workflow_id, as_of and any features; not changed.
        workflows: workflow_id, template_id, opened_at, due_at.
        closures: workflow_id, closed_at, outcome_is_late, recorded_at.
        late_quantile: between 0 and 1.
        train_end: end of the training period.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(moments, [WORKFLOW_ID, AS_OF], "prediction moments")
    require_columns(workflows, [WORKFLOW_ID, "template_id", "opened_at", "due_at"], "workflows")
    require_columns(
        closures, [WORKFLOW_ID, "closed_at", "outcome_is_late", "recorded_at"], "closures"
    )
    facts = workflow_labels(workflows, closures, late_quantile, train_end)
    of_moment = facts.reindex(moments[WORKFLOW_ID])
    closed_at = of_moment["closed_at"].reset_index(drop=True)
    as_of = moments[AS_OF].reset_index(drop=True)
    labelled = moments.reset_index(drop=True).assign(
        remaining_time_s=(closed_at - as_of).dt.total_seconds(),
        lead_time_s=of_moment["lead_time_s"].to_numpy(),
        is_late=of_moment["is_late"].array,
        late_rule=of_moment["late_rule"].array,
        is_censored=closed_at.isna(),
    )
    return labelled[~(closed_at <= as_of)].reset_index(drop=True)


def workflow_labels(
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    late_quantile: float,
    train_end: pd.Timestamp,
) -> pd.DataFrame:
    """Return closed_at, lead_time_s, is_late (missing if open) and late_rule by workflow_id."""
    facts = workflows[[WORKFLOW_ID, "template_id", "opened_at", "due_at"]].merge(
        closures[[WORKFLOW_ID, "closed_at", "outcome_is_late", "recorded_at"]],
        on=WORKFLOW_ID,
        how="left",
    )
    # A merge or a column without any value leaves dtypes that no comparison accepts.
    for column in ("due_at", "closed_at", "recorded_at"):
        facts[column] = pd.to_datetime(facts[column], utc=True)
    facts["lead_time_s"] = (facts["closed_at"] - facts["opened_at"]).dt.total_seconds()
    outcome = facts["outcome_is_late"].astype("boolean")
    limit = _lead_time_limits(facts, late_quantile, train_end)
    has_due, has_outcome = facts["due_at"].notna(), outcome.notna()
    facts["late_rule"] = np.select(
        [has_due, has_outcome],
        [LateRule.DUE_DATE.value, LateRule.OUTCOME.value],
        LateRule.LEAD_TIME_QUANTILE.value,
    )
    is_late = np.select(
        [has_due, has_outcome],
        [facts["closed_at"] > facts["due_at"], outcome.fillna(value=False).to_numpy(dtype=bool)],
        facts["lead_time_s"] > limit,
    )
    facts["is_late"] = pd.array(is_late, dtype="boolean")
    facts.loc[facts["closed_at"].isna(), ["is_late", "late_rule"]] = pd.NA
    return facts.set_index(WORKFLOW_ID)[["closed_at", "lead_time_s", "is_late", "late_rule"]]


def _lead_time_limits(
    facts: pd.DataFrame, late_quantile: float, train_end: pd.Timestamp
) -> pd.Series:
    """Lead time in seconds above which each workflow is late, by its template."""
    known = facts[facts["recorded_at"] < train_end]
    overall = known["lead_time_s"].quantile(late_quantile)
    by_template = known.groupby("template_id")["lead_time_s"].agg(["size", "median"])
    by_template["limit"] = known.groupby("template_id")["lead_time_s"].quantile(late_quantile)
    trusted = by_template.loc[by_template["size"] >= _LEAST_OF_TEMPLATE, "limit"]
    return facts["template_id"].map(trusted).astype(float).fillna(overall)
