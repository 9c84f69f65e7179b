"""Ended workflows with what was known at their opening and the template they took."""

import json

import pandas as pd

from pipelines.learning.columns import PART, WORKFLOW_ID
from pipelines.learning.labels import workflow_labels
from pipelines.learning.split import Part, TimeSplit
from pipelines.learning.template.openings import openings
from pipelines.learning.template.variants import Variants, activity_sequences

STEPS = "steps"


def template_rows(
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    task_events: pd.DataFrame,
    split: TimeSplit,
    late_quantile: float,
) -> pd.DataFrame:
    """Return one row a workflow of either side of a split, by its opening.

    Args:
        workflows: workflow_id, template_id, client_id, priority, opened_at, due_at, attributes.
        closures: workflow_id, closed_at, outcome_is_late, recorded_at.
        task_events: workflow_id, task_id, activity, team_id, occurred_at, sequence.
        split: made from the same workflows and closures.
        late_quantile: see `workflow_labels`.

    Returns:
        Columns of `openings`, template_id (as the log has it), steps (JSON, the activities it
        turned out to have), lead_time_s, is_late, late_rule and part.

    Raises:
        TrainingError: a column is missing.
    """
    labels = workflow_labels(workflows, closures, late_quantile, split.test_start)
    of_workflow = workflows[WORKFLOW_ID].map
    rows = openings(workflows, task_events).assign(
        template_id=workflows["template_id"].astype(object),
        steps=of_workflow(activity_sequences(task_events).map(json.dumps)),
        lead_time_s=of_workflow(labels["lead_time_s"]),
        is_late=of_workflow(labels["is_late"]),
        late_rule=of_workflow(labels["late_rule"]),
        **{PART: of_workflow(split.parts)},
    )
    kept = rows[rows[PART].notna()]
    return kept.sort_values(["as_of", WORKFLOW_ID], kind="stable", ignore_index=True)


def mined_variants(rows: pd.DataFrame) -> Variants | None:
    """Mine templates from the training rows; None where the log has templates of its own.

    Raises:
        TrainingError: no variant is frequent enough.
    """
    if rows["template_id"].notna().any():
        return None
    train = rows[rows[PART] == Part.TRAIN.value].set_index(WORKFLOW_ID)
    return Variants.mine(_sequences(train[STEPS]), train["is_late"])


def with_templates(rows: pd.DataFrame, variants: Variants | None) -> pd.DataFrame:
    """Give each row the mined template its steps are most like, where templates were mined."""
    if variants is None:
        return rows
    return rows.assign(template_id=variants.assign(_sequences(rows[STEPS])))


def _sequences(steps: pd.Series) -> pd.Series:
    return steps.map(lambda text: tuple(json.loads(text)) if isinstance(text, str) else ())
