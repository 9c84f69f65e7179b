"""Questions about tasks to learn from: one row a task and a span, with its keys and its answer."""

from typing import Final

import pandas as pd

from pipelines.learning.columns import AS_OF, PART, WEIGHT, WORKFLOW_ID
from pipelines.learning.split import TimeSplit
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.learning.task_duration.spans import Span, task_spans
from pipelines.learning.task_duration.tasks import history_tasks, task_events_at
from pipelines.learning.training_set import TrainingSet

SPAN: Final = "span"
ANSWER_COLUMNS: Final = ("task_id", "ended_at", "duration_s", SPAN)


def task_questions(
    task_events: pd.DataFrame, split: TimeSplit, max_rows: int, seed: int
) -> pd.DataFrame:
    """Return the questions that were answered in workflows on either side of a split.

    A span that ends at the very moment it begins is no question: at that moment the answer is
    known. Above `max_rows`, whole workflows are left out at random.

    Args:
        task_events: as known at some moment.
        split: its workflows.
        max_rows: the most rows to return.
        seed: of what is left out.

    Returns:
        span, task_id, workflow_id, as_of, ended_at, duration_s, part, censoring_weight (the
        workflow's), the keys activity, person_id and team_id (missing where unknown), and the first
        two as features, task_activity and task_person_id; in order of as_of.
    """
    tasks = history_tasks(task_events)
    events = task_events_at(task_events)
    found = []
    for span in Span:
        spans = task_spans(tasks, events, span)
        spans = spans[(spans["duration_s"] > 0) & spans[WORKFLOW_ID].isin(split.workflow_ids)]
        found.append(spans.assign(**{SPAN: span.value}))
    rows = pd.concat(found, ignore_index=True)
    order = pd.Series(split.workflow_ids).sample(frac=1.0, random_state=seed % 2**31)
    counts = rows[WORKFLOW_ID].value_counts().reindex(order).fillna(0)
    kept = counts.index[counts.cumsum() <= max_rows]
    rows = rows[rows[WORKFLOW_ID].isin(kept)]
    person_id = rows["person_id"].where(rows["person_id"] != "")
    questions = pd.DataFrame(
        {
            SPAN: rows[SPAN],
            "task_id": rows["task_id"],
            WORKFLOW_ID: rows[WORKFLOW_ID],
            AS_OF: rows[AS_OF],
            "ended_at": rows["ended_at"],
            "duration_s": rows["duration_s"],
            PART: rows[WORKFLOW_ID].map(split.parts),
            WEIGHT: rows[WORKFLOW_ID].map(split.weights),
            "activity": rows["activity"],
            "person_id": person_id,
            "team_id": rows["task_id"].map(tasks.set_index("task_id")["team_id"]),
            TASK_ACTIVITY: rows["activity"],
            TASK_PERSON: person_id,
        }
    )
    return questions.sort_values([AS_OF, "task_id", SPAN], kind="stable", ignore_index=True)


def task_training_set(rows: pd.DataFrame, split: TimeSplit) -> TrainingSet:
    """Make the training set of `task_questions` that were joined with their features."""
    return TrainingSet(rows.sort_values([AS_OF, "task_id", SPAN], ignore_index=True), split)
