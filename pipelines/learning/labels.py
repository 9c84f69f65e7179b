"""What really happened to a workflow, as the answers a model should have given."""

from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.columns import (
    AS_OF,
    KNOWN_AT,
    LIMIT_AT,
    OVERDUE,
    WAIT,
    WORKFLOW_ID,
    require_columns,
)
from pipelines.learning.late_limits import LateLimits

_OF_WORKFLOW: Final = [WORKFLOW_ID, "template_id", "opened_at", "due_at"]
_OF_CLOSURE: Final = [WORKFLOW_ID, "closed_at", "outcome_is_late", "recorded_at"]


class LateRule(StrEnum):
    """What made a workflow count as late, in order of preference."""

    DUE_DATE = "due_date"
    OUTCOME = "outcome"
    LEAD_TIME_QUANTILE = "lead_time_quantile"


def add_labels(moments: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Add what became of their workflows to prediction moments.

    Adds remaining_time_s, lead_time_s, is_late, late_rule, is_overdue (beyond the workflow's
    limit), label_known_at and label_wait_s (seconds from the opening until then). Moments at or
    after the closing, where nothing is left to predict, are dropped.

    Args:
        moments: workflow_id, as_of and any features; not changed.
        labels: of `workflow_labels`.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(moments, [WORKFLOW_ID, AS_OF], "prediction moments")
    facts = labels.reindex(moments[WORKFLOW_ID]).reset_index(drop=True)
    as_of = moments[AS_OF].reset_index(drop=True)
    labelled = moments.reset_index(drop=True).assign(
        remaining_time_s=(facts["closed_at"] - as_of).dt.total_seconds(),
        lead_time_s=facts["lead_time_s"],
        is_late=facts["is_late"],
        late_rule=facts["late_rule"],
        **{
            OVERDUE: as_of > facts[LIMIT_AT],
            KNOWN_AT: facts[KNOWN_AT],
            WAIT: (facts[KNOWN_AT] - facts["opened_at"]).dt.total_seconds(),
        },
    )
    return labelled[~(facts["closed_at"] <= as_of)].reset_index(drop=True)


def workflow_labels(
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    late_quantile: float,
    train_end: pd.Timestamp,
    events: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what became of each workflow, and when that was known.

    Late means closed after `due_at`; without a due date, what the log itself says
    (`outcome_is_late`); without either, a lead time beyond the `late_quantile` of the
    template's lead times, taken over the workflows recorded as closed before `train_end`.

    A workflow is late, whenever it will end, once something happens to it after that moment, its
    limit. With `events` this counts as known from then on, and otherwise with the closing.

    Args:
        workflows: workflow_id, template_id, opened_at, due_at.
        closures: workflow_id, closed_at, outcome_is_late, recorded_at.
        late_quantile: between 0 and 1.
        train_end: end of the training period.
        events: workflow_id, occurred_at, recorded_at.

    Returns:
        opened_at, closed_at, lead_time_s, limit_at (missing without `events`, and where nothing but
        the closing tells), is_late, late_rule and label_known_at by workflow_id; the last three are
        missing as long as it is not known whether it is late.

    Raises:
        TrainingError: a column is missing.
    """
    facts = _facts(workflows, closures)
    outcome = facts["outcome_is_late"].astype("boolean")
    limits = LateLimits.learn(facts, late_quantile, train_end)
    usual_s = limits.usual_of(facts["template_id"])
    has_due, has_outcome = facts["due_at"].notna(), outcome.notna()
    facts["late_rule"] = np.select(
        [has_due, has_outcome],
        [LateRule.DUE_DATE.value, LateRule.OUTCOME.value],
        LateRule.LEAD_TIME_QUANTILE.value,
    )
    is_late = np.select(
        [has_due, has_outcome],
        [facts["closed_at"] > facts["due_at"], outcome.fillna(value=False).to_numpy(dtype=bool)],
        facts["lead_time_s"] > usual_s,
    )
    has_limit = (has_due | (not limits.is_told_at_closing)) & (events is not None)
    limit_at = facts["due_at"].fillna(facts["opened_at"] + pd.to_timedelta(usual_s, unit="s"))
    facts[LIMIT_AT] = limit_at.where(has_limit)
    overdue_at = _overdue_at(facts, events)
    is_late |= facts["closed_at"].isna()  # of those open, only the overdue are known
    first = pd.concat([facts["recorded_at"], overdue_at], axis=1).min(axis=1)
    facts[KNOWN_AT] = facts["recorded_at"].where(~is_late, first)
    facts["is_late"] = pd.array(is_late, dtype="boolean")
    facts.loc[facts[KNOWN_AT].isna(), ["is_late", "late_rule"]] = pd.NA
    return facts.set_index(WORKFLOW_ID)[
        ["opened_at", "closed_at", "lead_time_s", LIMIT_AT, "is_late", "late_rule", KNOWN_AT]
    ]


def late_limits(
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    late_quantile: float,
    train_end: pd.Timestamp,
) -> LateLimits:
    """Return the limits by which `workflow_labels` labels with these arguments.

    Raises:
        TrainingError: a column is missing.
    """
    return LateLimits.learn(_facts(workflows, closures), late_quantile, train_end)


def _facts(workflows: pd.DataFrame, closures: pd.DataFrame) -> pd.DataFrame:
    """Put the closings beside the workflows, and the lead time in seconds."""
    require_columns(workflows, _OF_WORKFLOW, "workflows")
    require_columns(closures, _OF_CLOSURE, "closures")
    facts = workflows[_OF_WORKFLOW].merge(closures[_OF_CLOSURE], on=WORKFLOW_ID, how="left")
    # A merge or a column without any value leaves dtypes that no comparison accepts.
    for column in ("due_at", "closed_at", "recorded_at"):
        facts[column] = pd.to_datetime(facts[column], utc=True)
    lead_time_s = (facts["closed_at"] - facts["opened_at"]).dt.total_seconds()
    return facts.assign(lead_time_s=lead_time_s)


def _overdue_at(facts: pd.DataFrame, events: pd.DataFrame | None) -> pd.Series:
    """Return when the first event beyond each workflow's limit was known, row by row."""
    if events is None:
        return pd.Series(pd.NaT, index=facts.index, dtype="datetime64[us, UTC]")
    require_columns(events, [WORKFLOW_ID, "occurred_at", "recorded_at"], "events")
    limits = facts.set_index(WORKFLOW_ID)[LIMIT_AT]
    limit_at = pd.Series(limits.reindex(events[WORKFLOW_ID]).array, index=events.index)
    beyond = events[events["occurred_at"] > limit_at]
    first = beyond.groupby(WORKFLOW_ID, observed=True)["recorded_at"].min()
    return pd.Series(first.reindex(facts[WORKFLOW_ID]).array, index=facts.index)
